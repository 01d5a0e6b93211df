package policy

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A statement that shows an address is prepared under a policy that permits
// it. Then the policy masks addresses. Whatever was done meanwhile to the
// statement's name, or is done afterwards, nothing shows the address again.
func TestNoNameKeepsWhatThePolicyHasTaken(t *testing.T) {
	const shows = "select id, lower(email) from users where id = 1"
	long := strings.Repeat("a", 63) // as much of a name as PostgreSQL keeps
	type messages = []pgproto3.FrontendMessage
	sql := func(text string) messages { return messages{&pgproto3.Query{String: text}} }
	parse := func(name, text string) messages {
		return messages{&pgproto3.Parse{Name: name, Query: text}, &pgproto3.Sync{}}
	}
	run := func(name string) messages {
		return messages{&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}}
	}
	forget := func(name string) *pgproto3.Close { return &pgproto3.Close{ObjectType: 'S', Name: name} }
	both := []messages{sql("execute s"), run("s")}
	again := append([]messages{sql("prepare s as select 1")}, both...)
	for _, c := range []struct {
		name          string
		before, after []messages
	}{
		{"nothing is done", []messages{sql("prepare s as " + shows)}, both},
		{"PREPARE fails over a Parse", []messages{parse("s", shows), sql("prepare s as select 1")}, both},
		{"PREPARE fails over a Parse, right before", []messages{parse("s", shows)}, []messages{append(sql("prepare s as select 1"), both[0]...), append(sql("prepare s as select 1"), both[1]...)}},
		{"DEALLOCATE fails, right before", []messages{sql("prepare s as " + shows)}, []messages{append(sql("deallocate s; select 1/0"), both[0]...), append(sql("select 1/0; deallocate s"), both[1]...)}},
		{"DISCARD ALL fails, right before", []messages{sql("prepare s as " + shows), sql("begin")}, []messages{append(sql("discard all"), both[0]...), append(sql("rollback"), both[1]...)}},
		{"PREPARE fails over a Parse, later", []messages{parse("s", shows)}, again},
		{"Parse fails over a PREPARE, later", []messages{sql("prepare s as " + shows)}, append([]messages{parse("s", "select 1")}, both...)},
		{"PREPARE is rolled back, and stays", []messages{sql("begin"), sql("prepare s as " + shows), sql("rollback")}, both},
		{"DEALLOCATE is rolled back, and stays", []messages{sql("prepare s as " + shows), sql("begin"), sql("deallocate s"), sql("rollback")}, again},
		{"DEALLOCATE in a failed transaction", []messages{sql("prepare s as " + shows), sql("begin"), sql("select 1/0"), sql("deallocate s"), sql("rollback")}, again},
		{"DEALLOCATE after a failure in a batch", []messages{sql("prepare s as " + shows), sql("select 1/0; deallocate s")}, again},
		{"DEALLOCATE ALL before a failure in a batch", []messages{sql("prepare s as " + shows), sql("select 1; deallocate all; select 1/0")}, again},
		{"DEALLOCATE by the extended protocol", []messages{sql("prepare s as " + shows), {&pgproto3.Parse{Query: "deallocate s"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}}, again},
		{"DEALLOCATE that was prepared before", []messages{parse("d", "deallocate s"), sql("prepare s as " + shows)}, append([]messages{run("d")}, again...)},
		{"Close", []messages{sql("prepare s as " + shows), {forget("s"), &pgproto3.Sync{}}}, again},
		{"Close that a pipeline skips", []messages{sql("prepare s as " + shows), {&pgproto3.Parse{Query: "select 1/0"}, &pgproto3.Bind{}, &pgproto3.Execute{}, forget("s"), &pgproto3.Sync{}}}, again},
		{"DISCARD PLANS", []messages{sql("prepare s as " + shows), sql("discard plans")}, both},
		{"names of other letter case", []messages{sql(`prepare "S" as ` + shows), sql("prepare s as select 1")}, []messages{sql(`execute "S"`), sql("execute S"), run("S"), sql(`execute U&"\0053"`)}},
		{"a name in escapes", []messages{sql(`prepare U&"\0073" as ` + shows)}, both},
		{"a name longer than names are, by SQL", []messages{sql("prepare " + long + "x as " + shows), sql("prepare " + long + "y as select 1")},
			[]messages{sql("execute " + long + "y"), sql("execute " + long + "x"), run(long), run(long + "x"), run(long + "z")}},
		{"a name longer than names are, by Parse", []messages{parse(long, shows), parse(long+"z", "select 1")},
			[]messages{sql("execute " + long + "z"), run(long + "z"), run(long + "y"), sql("execute " + long)}},
		{"spelling", []messages{sql("prepare s as " + shows)}, []messages{sql("execute s ;"), sql("execute s -- again"), sql("/* */ execute/**/s"), sql("execute s()")}},
		{"a portal of it", []messages{sql("begin"), sql("prepare s as " + shows), {&pgproto3.Bind{PreparedStatement: "s", DestinationPortal: "p"}, &pgproto3.Sync{}}},
			[]messages{{&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{}}, sql("rollback")}},
		{"a portal as a cursor", []messages{sql("begin"), {&pgproto3.Parse{Query: shows}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Sync{}}},
			[]messages{sql("fetch all from p"), sql("rollback")}},
		{"a portal with a name longer than names are", []messages{sql("begin"), {&pgproto3.Parse{Query: shows}, &pgproto3.Bind{DestinationPortal: long}, &pgproto3.Sync{}}},
			[]messages{{&pgproto3.Execute{Portal: long + "z"}, &pgproto3.Sync{}}, sql("rollback")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := under("names").copied(t)
			s := p.watched(t)
			for _, m := range c.before {
				s.exchange(t, m...)
			}
			s.take()
			p.amend(t, masks("users.email=redact"))
			for i, m := range c.after {
				for _, o := range s.pipeline(t, m...) {
					for _, r := range o.results {
						if len(r.columns) > 1 {
							t.Errorf("step %d: %q", i+1, shown(o))
						}
					}
				}
			}
		})
	}
}

// pipeline sends messages in one go, and returns what comes of each Query and
// each Sync.
func (s *session) pipeline(t *testing.T, messages ...pgproto3.FrontendMessage) []*outcome {
	t.Helper()
	if err := s.send(messages...); err != nil {
		t.Fatal(err)
	}
	var all []*outcome
	for _, m := range messages {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			o, err := s.await()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
		}
	}
	return all
}
