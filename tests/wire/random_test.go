package wire

import (
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"pgregory.net/rapid"
)

// end closes any transaction and answers, whatever came before it: the one
// statement whose end can be waited for behind an arbitrary pipeline.
const end = "rollback; select 'the end'"

const copyText = "copy item(name, price) from stdin"

// texts are what random pipelines prepare and run.
var texts = []string{
	"select 1", "select $1::int + 1", "select $1::text", "select i, repeat('x', i) from generate_series(1, 9) i", "select 1/0", "selec", "",
	"insert into item(name) values ($1) returning id, name", "update item set price = 1 where id = 1", "begin", "commit", "rollback", "savepoint s", "rollback to s",
	"set application_name = 'random'", "select * from sample", "declare c cursor for select 1", "fetch 1 from c", "deallocate all", "prepare a as select 2", "copy (values (1), (2)) to stdout",
	copyText, "do $$ begin raise notice 'n'; end $$", "select count(*) from item", "truncate part",
}

// drawPipeline makes a pipeline that a client is allowed to send, sensible or
// not: names that exist or not, errors anywhere, Syncs missing.
func drawPipeline(t *rapid.T, texts []string) []pgproto3.FrontendMessage {
	statement := rapid.SampledFrom([]string{"", "", "a", "b"})
	portal := rapid.SampledFrom([]string{"", "", "p", "q"})
	sql := rapid.SampledFrom(texts)
	value := rapid.SampledFrom([]any{nil, "1", "x", "", "2147483647", "a longer value with 'quotes' and \\ in it"})
	message := rapid.Custom(func(t *rapid.T) []pgproto3.FrontendMessage {
		one := func(m pgproto3.FrontendMessage) []pgproto3.FrontendMessage { return []pgproto3.FrontendMessage{m} }
		copying := func(more ...pgproto3.FrontendMessage) []pgproto3.FrontendMessage {
			if postgres.Version >= 18 {
				// Inside a batch, PostgreSQL 18 loses track of its own transaction over it: XX000.
				return append([]pgproto3.FrontendMessage{syncMsg, query(copyText)}, more...)
			}
			return append(one(query(copyText)), more...)
		}
		switch rapid.IntRange(0, 15).Draw(t, "kind") {
		case 0, 1:
			return one(parse(statement.Draw(t, "statement"), sql.Draw(t, "sql")))
		case 2, 3:
			b := bind(portal.Draw(t, "portal"), statement.Draw(t, "statement"), rapid.SliceOfN(value, 0, 2).Draw(t, "values")...)
			if rapid.Bool().Draw(t, "binary") {
				b = binaryResult(b)
			}
			return one(b)
		case 4, 5:
			return one(execute(portal.Draw(t, "portal"), rapid.SampledFrom([]uint32{0, 0, 1, 4}).Draw(t, "rows")))
		case 6:
			return one(describeStatement(statement.Draw(t, "statement")))
		case 7:
			return one(describePortal(portal.Draw(t, "portal")))
		case 8:
			return one(closeStatement(statement.Draw(t, "statement")))
		case 9:
			return one(closePortal(portal.Draw(t, "portal")))
		case 10:
			return one(flushMsg)
		case 11, 12:
			return one(syncMsg)
		case 13:
			if text := sql.Draw(t, "sql"); text != copyText {
				return one(query(text))
			}
			return copying()
		case 14: // a statement in full, so that pipelines mostly work
			return []pgproto3.FrontendMessage{parse("", sql.Draw(t, "sql")), bind("", "", rapid.SliceOfN(value, 0, 1).Draw(t, "values")...), describePortal(""), execute("", 0)}
		default:
			rows := rapid.SampledFrom([]string{"a\t1\n", "bad\tx\n", ""}).Draw(t, "rows")
			if !slices.Contains(texts, copyText) {
				return one(syncMsg)
			}
			return copying(copyData(rows), copyDone)
		}
	})
	var out []pgproto3.FrontendMessage
	for _, m := range rapid.SliceOfN(message, 1, 25).Draw(t, "pipeline") {
		out = append(out, m...)
	}
	return append(out, syncMsg, query(end))
}

// ended says whether the answer to the statement `end` is complete.
func ended(got []frame) bool {
	if len(got) == 0 || got[len(got)-1].kind != 'Z' {
		return false
	}
	for i := len(got) - 2; i >= 0 && got[i].kind != 'Z'; i-- {
		if got[i].kind == 'D' && string(got[i].body) == "\x00\x01\x00\x00\x00\x07the end" {
			return true
		}
	}
	return false
}

func TestRandomPipelinesGiveTheSameFrames(t *testing.T) {
	for _, at := range proxied {
		texts := texts
		if at.name == issued.name {
			texts = slices.DeleteFunc(slices.Clone(texts), func(sql string) bool { return !permitted(sql, true) })
		}
		t.Run(at.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				messages := drawPipeline(rt, texts)
				bytes := encode(messages...)
				cuts := rapid.SliceOfN(rapid.IntRange(0, len(bytes)), 0, 4).Draw(rt, "cuts")
				s := script{name: "random", steps: []step{{send: bytes, enough: ended}}}
				cut := func(step int, b []byte) [][]byte {
					if step != 0 {
						return whole(step, b)
					}
					return cutAt(b, cuts)
				}
				reset(rt)
				want, err := play(t.Context(), direct, s, cut)
				if err != nil {
					rt.Fatalf("PostgreSQL itself: %v\n%s", err, listing(messages))
				}
				reset(rt)
				got, err := play(t.Context(), at, s, cut)
				if err != nil {
					rt.Fatalf("%s: %v\n%s", at.name, err, listing(messages))
				}
				if d := departure(at, want, got); d != "" {
					rt.Fatalf("%s departs from PostgreSQL in %s\n%s", at.name, d, listing(messages))
				}
			})
		})
	}
}

func cutAt(b []byte, cuts []int) [][]byte {
	var out [][]byte
	last := 0
	for _, c := range cuts {
		if c > last {
			out, last = append(out, b[last:c]), c
		}
	}
	return append(out, b[last:])
}

func listing(messages []pgproto3.FrontendMessage) string {
	s := "sent:\n"
	for _, m := range messages {
		s += fmt.Sprintf("  %T %+v\n", m, m)
	}
	return s
}
