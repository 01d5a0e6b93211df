package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// plainUpstream says what PostgreSQL answers to a batch, as simply as it can be
// said.
type plainUpstream struct {
	statements map[string]string // texts by name
	unsure     map[string]bool   // names that a failed batch was about: the proxy may know them no more for sure
	touched    map[string]bool   // by this batch
	failed     bool
}

// step is what one message or a Bind with its Execute is answered with; "" when
// it is skipped.
func (u *plainUpstream) step(what, name, text, rows string) string {
	if what == "parse" || what == "close" { // also when it is skipped
		u.touched[name] = true
	}
	if u.failed {
		return ""
	}
	have, there := u.statements[name]
	fail := func(code string) string { u.failed = true; return "E(" + code + ")" }
	switch what {
	case "parse":
		if there && name != "" {
			return fail("42P05")
		}
		u.statements[name] = text
		return "1"
	case "close":
		delete(u.statements, name)
		return "3"
	case "nonsense":
		return fail("34000")
	}
	switch {
	case !there:
		return fail("26000")
	case what == "describe":
		return "t([]) T(who:25)"
	case what == "run":
		return "2 " + strings.ReplaceAll(rows, "#", have)
	}
	return ""
}

// end is called at a Sync.
func (u *plainUpstream) end() {
	for name := range u.touched {
		u.unsure[name] = u.failed
	}
	u.failed = false
	clear(u.touched)
}

// Whatever a client prepares, closes, runs and gets wrong, while its policy
// changes again and again: it gets what PostgreSQL would answer under the
// policy of the moment, frame by frame. Nothing but a name of which the proxy
// cannot know what it stands for is refused.
func TestPreparedAgainAtRandom(t *testing.T) {
	schema := fixture(t, "create table people (team int, email text)", "insert into people values (1, 'one'), (2, 'two')")
	d := deploy(t)
	rulings := map[string]func(*store.PolicyRules){}
	rulings["D(#one) D(#two) C(SELECT 2)"] = func(r *store.PolicyRules) { r.RowFilters, r.MaskingRules = nil, nil }
	for team, rows := range map[int]string{1: "D(#one) C(SELECT 1)", 2: "D(#two) C(SELECT 1)"} {
		rulings[rows] = func(r *store.PolicyRules) {
			r.MaskingRules, r.RowFilters = nil, []store.RowFilter{{Table: schema + ".people", Predicate: fmt.Sprintf("team = %d", team)}}
		}
	}
	var rows []string
	for shown := range rulings {
		rows = append(rows, shown)
	}
	l := d.credential(d.project("shop"), rules(rulings[rows[0]]))
	long := strings.Repeat("n", maxName)
	rapid.Check(t, func(rt *rapid.T) {
		now := rows[0]
		d.amend(l, rulings[now])
		conn, err := pgx.ConnectConfig(t.Context(), d.as(l))
		if err != nil {
			rt.Fatal(err)
		}
		defer conn.Close(t.Context())
		u := plainUpstream{statements: map[string]string{}, unsure: map[string]bool{}, touched: map[string]bool{}}
		for range rapid.IntRange(1, 12).Draw(rt, "batches") {
			if rapid.Bool().Draw(rt, "changes") {
				now = rapid.SampledFrom(rows).Draw(rt, "shows")
				d.amend(l, rulings[now])
			}
			var frames []byte
			var want []string
			var doubtful []int // answers that may be a refusal instead
			for range rapid.IntRange(1, 6).Draw(rt, "messages") {
				what := rapid.SampledFrom([]string{"parse", "run", "run", "run", "describe", "close", "nonsense"}).Draw(rt, "message")
				name := rapid.SampledFrom([]string{"", "a", "b", long}).Draw(rt, "name")
				text := rapid.SampledFrom([]string{"", "x"}).Draw(rt, "text")
				spelled := name
				if name == long {
					spelled += rapid.SampledFrom([]string{"", "1", "2"}).Draw(rt, "spelling")
				}
				switch what {
				case "parse":
					frames = append(frames, parsed(spelled, "select '"+text+"' || team || email as who from "+schema+".people order by team")...)
				case "run":
					frames = append(frames, ran(spelled, byte(rapid.IntRange(0, 1).Draw(rt, "format")))...)
				case "describe":
					frames = append(frames, describes("S", spelled)...)
				case "close":
					frames = append(frames, wire.AppendBody(nil, wire.Close, []byte("S"+spelled+"\x00"))...)
				case "nonsense":
					frames = append(frames, execution("nothing")...)
				}
				_, there := u.statements[name]
				if (what == "run" || what == "describe") && !u.failed && (u.unsure[name] && !u.touched[name] || !there) {
					doubtful = append(doubtful, len(want))
				}
				shown := strings.NewReplacer("#one", "#1one", "#two", "#2two").Replace(now)
				if answer := u.step(what, name, text, shown); answer != "" {
					want = append(want, answer)
				}
			}
			u.end()
			all := strings.Join(append(want, "Z(I)"), " ")
			got := seen(t, conn, frames)
			if got == all {
				continue
			}
			for _, at := range doubtful {
				if got == strings.Join(append(want[:at:at], "E(0A000)", "Z(I)"), " ") {
					return // what the names stand for behind that is not told here
				}
			}
			rt.Fatalf("got  %s\nwant %s", got, all)
		}
	})
}
