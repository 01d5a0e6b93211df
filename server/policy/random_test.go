package policy_test

import (
	"context"
	"flag"
	"fmt"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// byHand holds the same tables as what the policy leaves of them.
const byHand = `
DROP SCHEMA IF EXISTS byhand CASCADE;
CREATE SCHEMA byhand;
CREATE TABLE byhand.users AS SELECT id, name, CASE WHEN email IS NOT NULL THEN '[redacted]' END::text AS email,
	CASE WHEN phone IS NOT NULL THEN '[redacted]' END::varchar AS phone,
	encode(sha256(convert_to(ssn::text, 'UTF8')), 'hex')::bpchar AS ssn, NULL::text[] AS tags, NULL::date AS born, note FROM public.users;
CREATE TABLE byhand.orders AS SELECT * FROM public.orders WHERE tenant_id = 42 OR item = 'HIDDEN-a' AND amount > 0;
CREATE TABLE byhand.plain AS SELECT * FROM public.plain;
CREATE TABLE byhand.events AS SELECT * FROM public.events WHERE tenant_id = 42;
`

// source is a FROM item of a random query: what it is called, which columns
// may stand anywhere, and which in a select list only.
type source struct {
	sql, alias  string
	ints, texts []string
	masked      []string
}

type generator struct {
	t    *rapid.T
	next int
}

func (g *generator) pick(from []string) string { return rapid.SampledFrom(from).Draw(g.t, "pick") }
func (g *generator) chance(n int) bool         { return rapid.IntRange(0, n).Draw(g.t, "chance") == 0 }

func (g *generator) source(depth int) source {
	g.next++
	alias := fmt.Sprintf("t%d", g.next)
	switch g.pick([]string{"users", "orders", "plain", "events", "sub", "ordered"}) {
	case "users":
		return source{"users " + alias, alias, []string{"id"}, []string{"name", "note"}, []string{"email", "phone", "ssn", "tags", "born"}}
	case "orders":
		return source{"orders AS " + alias, alias, []string{"id", "tenant_id", "user_id", "amount"}, []string{"item"}, nil}
	case "plain":
		return source{"plain " + alias, alias, []string{"id", "user_id"}, []string{"label"}, nil}
	case "events":
		return source{"events " + alias, alias, []string{"id", "tenant_id"}, []string{"body"}, nil}
	}
	if depth <= 0 {
		return source{"plain " + alias, alias, []string{"id", "user_id"}, []string{"label"}, nil}
	}
	inner := g.source(depth - 1)
	out := source{alias: alias, ints: []string{"a"}, texts: []string{"b"}}
	list := inner.alias + "." + inner.ints[0] + " AS a, " + inner.alias + "." + inner.texts[0] + " AS b"
	if len(inner.masked) > 0 {
		list += ", " + inner.alias + "." + g.pick(inner.masked) + " AS c"
		out.masked = []string{"c"}
	}
	lateral := ""
	out.sql = fmt.Sprintf("%s(SELECT %s FROM %s WHERE %s) %s", lateral, list, inner.sql, g.condition([]source{inner}, depth-1), alias)
	return out
}

func (g *generator) integer(from []source) string {
	s := rapid.SampledFrom(from).Draw(g.t, "source")
	return s.alias + "." + g.pick(s.ints)
}

func (g *generator) text(from []source) string {
	s := rapid.SampledFrom(from).Draw(g.t, "source")
	return s.alias + "." + g.pick(s.texts)
}

func (g *generator) condition(from []source, depth int) string {
	switch rapid.IntRange(0, 9).Draw(g.t, "condition") {
	case 0:
		return g.integer(from) + " = " + g.integer(from)
	case 1:
		return g.text(from) + " LIKE '%" + g.pick([]string{"HIDDEN", "n", "e", "SECRET"}) + "%'"
	case 2:
		// Fails for the amounts of hidden rows.
		return "1 / " + g.integer(from) + " >= 0"
	case 3:
		return "(" + g.condition(from, depth-1) + " OR " + g.condition(from, depth-1) + ")"
	case 4:
		return "NOT " + g.condition(from, depth-1)
	case 5:
		if depth > 0 {
			inner := g.source(depth - 1)
			return "EXISTS (SELECT * FROM " + inner.sql + " WHERE " + g.condition(append([]source{inner}, from...), depth-1) + ")"
		}
	case 6:
		if depth > 0 {
			inner := g.source(depth - 1)
			return g.integer(from) + " IN (SELECT " + g.integer([]source{inner}) + " FROM " + inner.sql + ")"
		}
	case 7:
		return g.text(from) + " IS NOT NULL"
	case 8:
		return g.integer(from) + " BETWEEN 1 AND 20"
	}
	return g.integer(from) + " IN (1, 2, 10, 11, 20, 42, 7)"
}

// query is a random SELECT over the fixture that masks permit.
func (g *generator) query(depth int) string {
	var from []source
	first := g.source(depth)
	sql := first.sql
	from = append(from, first)
	for range rapid.IntRange(0, 2).Draw(g.t, "joins") {
		s := g.source(depth)
		from = append(from, s)
		join := g.pick([]string{"JOIN", "LEFT JOIN", "RIGHT JOIN"})
		sql += " " + join + " " + s.sql + " ON " + g.condition(from, 0)
	}
	where := ""
	if !g.chance(3) {
		where = " WHERE " + g.condition(from, depth)
	}
	if g.chance(4) {
		key := g.text(from)
		return "SELECT " + key + ", count(*), sum(" + g.integer(from) + ") FROM " + sql + where + " GROUP BY " + key
	}
	if g.chance(5) {
		return "SELECT * FROM " + sql + where
	}
	var list []string
	for range rapid.IntRange(1, 4).Draw(g.t, "columns") {
		s := rapid.SampledFrom(from).Draw(g.t, "source")
		switch {
		case len(s.masked) > 0 && !g.chance(2):
			list = append(list, s.alias+"."+g.pick(s.masked))
		case g.chance(3):
			list = append(list, "1 / nullif("+s.alias+"."+g.pick(s.ints)+", 0)")
		case g.chance(3):
			list = append(list, s.alias+".*")
		default:
			list = append(list, s.alias+"."+g.pick(s.texts))
		}
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + sql + where
}

func (g *generator) statement() string {
	q := g.query(2)
	switch rapid.IntRange(0, 5).Draw(g.t, "form") {
	case 0:
		return "WITH c AS (" + "SELECT id, name, email FROM users" + "), d AS (" + "SELECT id, item FROM orders" + ") SELECT c.email, d.* FROM c LEFT JOIN d ON d.id = c.id + 9 WHERE EXISTS (" + q + ")"
	case 1:
		return "SELECT id, email FROM users UNION ALL SELECT id, item FROM orders WHERE EXISTS (" + q + ")"
	case 2:
		return "SELECT name, ssn FROM users UNION SELECT label, label FROM plain WHERE EXISTS (" + q + ")"
	}
	return q
}

// TestRandomStatementsEqualTablesMaskedByHand: whatever is asked, the answer
// under a policy is that of a database which holds nothing else.
func TestRandomStatementsEqualTablesMaskedByHand(t *testing.T) {
	conn, catalog := database(t)
	ctx := context.Background()
	if _, err := conn.PgConn().Exec(ctx, byHand).ReadAll(); err != nil {
		t.Fatal(err)
	}
	e := compile(t, policy.Profile{Masks: usersMasks, Filters: []policy.Filter{
		{Table: "orders", Predicate: "tenant_id = 42 OR item = 'HIDDEN-a' AND amount > 0"},
		{Table: "events", Predicate: "tenant_id = 42"},
	}}, catalog)
	permitted, failed := 0, 0
	property := func(rt *rapid.T) {
		g := &generator{t: rt}
		sql := g.statement()
		d := e.Evaluate(sql)
		if d.Verdict == policy.Block {
			rt.Fatalf("refused as %s (%s): %s", d.Rule, d.Reason, sql)
		}
		seen, got := run(t, conn, d.SQL)
		if leaked(strings.ReplaceAll(seen, sql, "")) {
			rt.Fatalf("%s\n  leaks through %s:\n  %s", sql, d.SQL, seen)
		}
		wantSeen, want := run(t, conn, "SET LOCAL search_path = byhand; "+sql)
		if sortedRows(got) != sortedRows(want) {
			rt.Fatalf("%s\n  as %s\n  gives %s\n  by hand %s\n(received %s and %s)", sql, d.SQL, got, want, seen, wantSeen)
		}
		permitted++
		if strings.Contains(seen, "SQLSTATE") {
			failed++
			if !strings.Contains(wantSeen, "SQLSTATE") {
				rt.Fatalf("%s\n  as %s\n  fails: %s", sql, d.SQL, seen)
			}
		}
	}
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue && !testing.Short() {
		_ = checks.Value.Set("1000")
		defer func() { _ = checks.Value.Set(checks.DefValue) }()
	}
	rapid.Check(t, property)
	if permitted == 0 || failed*4 > permitted {
		t.Errorf("of %d statements %d failed in PostgreSQL: the generator makes too few that say anything", permitted, failed)
	}
}

func sortedRows(rows string) string {
	list := strings.Split(rows, "; ")
	sort.Strings(list)
	return strings.Join(list, "\n")
}
