package policy_test

import (
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// filters are one for each table, as "table: predicate".
func filters(list ...string) policy.Profile {
	var p policy.Profile
	for _, text := range list {
		table, predicate, _ := strings.Cut(text, ": ")
		p.Filters = append(p.Filters, policy.Filter{Table: table, Predicate: predicate})
	}
	return p
}

// written is a statement and what comes of it: rows as run has them, which
// begin with the check's column, or the check's error.
type written struct{ sql, rows string }

const violated = "violated"

func write(t *testing.T, e *policy.Engine, cases []written) {
	t.Helper()
	conn, _ := database(t)
	for _, c := range cases {
		d := e.Evaluate(c.sql)
		last := d.Statements[len(d.Statements)-1]
		if d.Verdict != policy.RowFilter || last.Check == nil || !d.Checked {
			t.Errorf("%s: %s %s, check %v", c.sql, d.Verdict, d.Reason, last.Check)
			continue
		}
		seen, rows := run(t, conn, d.SQL, true)
		if last.Check.Violated(seen) {
			rows = violated
		}
		if rows != c.rows || leaked(seen) {
			t.Errorf("%s\n  as %s\n  gives %s\n  want  %s (received %s)", c.sql, d.SQL, rows, c.rows, seen)
		}
	}
}

func TestWrittenRowsSatisfyTheFilter(t *testing.T) {
	_, catalog := database(t)
	write(t, compile(t, policy.Profile{Filters: tenantFilter}, catalog), []written{
		{"INSERT INTO orders VALUES (1, 42, 1, 1, 'x')", "t"},
		{"INSERT INTO orders VALUES (1, 42, 1, 1, 'x'), (2, 42, 1, 1, 'y') RETURNING id, item", "t,1,x; t,2,y"},
		{"INSERT INTO public.orders AS o (id, tenant_id) VALUES (1, 42) RETURNING *", "t,1,42,∅,∅,∅"},
		{"INSERT INTO orders SELECT id + 100, tenant_id FROM orders WHERE id > 0 RETURNING id", "t,110; t,111; t,112"},
		{"WITH n AS (SELECT 1 AS id) INSERT INTO orders SELECT id, 42 FROM n RETURNING id", "t,1"},
		{"INSERT INTO orders VALUES (1, 42), (2, 7)", violated},
		{"INSERT INTO orders VALUES (1, 7) RETURNING 1 / (tenant_id - 7)", violated},
		{"INSERT INTO orders (id) VALUES (1)", ""}, // NULL in tenant_id: refused by the table itself
		{"INSERT INTO orders VALUES (10, 42) ON CONFLICT DO NOTHING", ""},
		{"INSERT INTO orders VALUES (20, 42) ON CONFLICT DO NOTHING RETURNING item", ""},
		{"INSERT INTO orders VALUES (1, 7) ON CONFLICT DO NOTHING", violated},
		{"INSERT INTO orders VALUES (10, 42) ON CONFLICT (id) DO UPDATE SET amount = 6 RETURNING id, amount", "t,10,6"},
		{"INSERT INTO orders VALUES (20, 42) ON CONFLICT (id) DO UPDATE SET tenant_id = 42 RETURNING item", ""},
		{"INSERT INTO orders VALUES (20, 42) ON CONFLICT (id) DO UPDATE SET item = 'x' WHERE 1 / orders.amount > 0 RETURNING item", ""},
		{"INSERT INTO orders VALUES (10, 42) ON CONFLICT (id) DO UPDATE SET tenant_id = 7", violated},
		{"INSERT INTO orders AS o VALUES (10, 7, 1, 2) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount WHERE o.amount > 1 AND excluded.tenant_id = 7 RETURNING o.amount", "t,2"},
		{"INSERT INTO orders AS o VALUES (10, 42) ON CONFLICT (id) DO UPDATE SET amount = 0 WHERE o.amount > 5 OR o.id = 3 RETURNING o.amount", ""},
		{"INSERT INTO events VALUES (9, 42, 'x') RETURNING tableoid::regclass", "t,events_42"},
		{"INSERT INTO events VALUES (9, 7, 'x')", violated},
		{"INSERT INTO events_rest VALUES (9, 7, 'x')", violated},
		{"INSERT INTO events_42 VALUES (9, 42, 'x') RETURNING id", "t,9"},
		{"UPDATE orders SET tenant_id = 42 WHERE id IN (10, 20) RETURNING id", "t,10"},
		{"UPDATE orders SET tenant_id = 7 WHERE id = 10", violated},
		{"UPDATE orders SET (item, tenant_id) = ('x', 7) WHERE id = 20", ""},
		{"UPDATE orders AS o SET tenant_id = o.id - 10 + 42 FROM users u WHERE u.id = o.user_id AND u.id = 1 RETURNING u.name", "t,ann"},
		{"UPDATE orders AS o SET tenant_id = 42 + u.id FROM users u WHERE u.id = o.user_id", violated},
		{"UPDATE events SET tenant_id = 7 WHERE id = 1", violated},
		{"UPDATE events SET tenant_id = 42 WHERE id > 0 RETURNING id", "t,1"},
	})
}

func TestACheckIsOfTheStatementItself(t *testing.T) {
	catalog := extended(t, `CREATE TABLE parts (id int PRIMARY KEY, raw int, half int GENERATED ALWAYS AS (raw / 2) STORED);
		CREATE VIEW my_docs AS SELECT id, team FROM docs;
		CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far_away FOREIGN DATA WRAPPER nowhere;
		CREATE TABLE spans (id int, day int) PARTITION BY LIST (day);
		CREATE FOREIGN TABLE spans_old PARTITION OF spans DEFAULT SERVER far_away;
		CREATE FUNCTION current_team() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'`)
	enforce(t, compile(t, filters("orders: tenant_id = 42", "parts: half < 5", "spans: day = 1", "docs: id IN (SELECT max(id) FROM docs)",
		"my_docs: team = 1", "plain: label = 'one' OR user_id = current_team()", "members: EXISTS (SELECT FROM users WHERE users.id = user_id)"), catalog), []effect{
		{"WITH i AS (INSERT INTO orders VALUES (1, 42) RETURNING id) SELECT id FROM i", "row_filter_unsafe", ""},
		{"WITH i AS (UPDATE orders SET tenant_id = 42 WHERE id = 10 RETURNING id) SELECT id FROM i", "row_filter_unsafe", ""},
		{"WITH i AS (UPDATE orders SET item = 'x' WHERE id = 10 RETURNING id) SELECT id FROM i", "ok", "10"},
		{"WITH i AS (INSERT INTO orders VALUES (1, 42) RETURNING id) INSERT INTO orders SELECT id + 1, 42 FROM i", "row_filter_unsafe", ""},
		{"EXPLAIN INSERT INTO orders VALUES (1, 42)", "row_filter_unsafe", ""},
		{"MERGE INTO orders o USING plain p ON p.id = o.id WHEN NOT MATCHED THEN INSERT VALUES (1, 42)", "row_filter_unsafe", ""},
		{"INSERT INTO docs VALUES (9, 1, 'x')", "row_filter_unsafe", ""},   // it reads itself
		{"UPDATE docs SET id = 9 WHERE id = 2", "row_filter_unsafe", ""},   // so here
		{"INSERT INTO my_docs VALUES (9, 1)", "row_filter_unsafe", ""},     // a view
		{"INSERT INTO spans VALUES (1, 1)", "row_filter_unsafe", ""},       // a partition is far away
		{"UPDATE spans SET day = 1 WHERE id = 1", "row_filter_unsafe", ""}, // so here
		{"INSERT INTO plain VALUES (9, 'one')", "row_filter_unsafe", ""},   // a function may read what it likes
		{"INSERT INTO orders DEFAULT VALUES", "ok", ""},                    // the table refuses it
		{"INSERT INTO parts (id, raw) VALUES (1, 9) RETURNING half", "ok", "t,4"},
		{"INSERT INTO parts (id, raw) VALUES (1, 10)", "ok", ""},
		{"INSERT INTO members VALUES (2, 1) RETURNING team", "ok", "t,1"},
		{"INSERT INTO members VALUES (99, 1) RETURNING team", "ok", ""},
		{"UPDATE members SET user_id = 3 WHERE user_id = 1", "ok", "t"},
	})
	e := compile(t, filters("orders: tenant_id = 42", "parts: half < 5", "members: team % 2 = 1"), catalog)
	for sql, want := range map[string]*policy.Check{
		"INSERT INTO orders VALUES (1, 42)":                                   {Alone: true},
		"INSERT INTO orders VALUES (1, 42) RETURNING id":                      {},
		"PREPARE p AS INSERT INTO orders VALUES (1, 42)":                      {Alone: true},
		"INSERT INTO members VALUES (1, 1) RETURNING 1":                       {Fallible: true},
		"UPDATE orders SET tenant_id = 42 WHERE id = 1":                       {Alone: true},
		"UPDATE parts SET raw = 1 WHERE id = 1":                               {Alone: true}, // the filter reads what is computed from it
		"UPDATE orders SET item = 'x' WHERE id = 1":                           nil,
		"DELETE FROM orders WHERE id = 1":                                     nil,
		"INSERT INTO plain SELECT id FROM orders":                             nil,
		"SELECT id FROM orders":                                               nil,
		"INSERT INTO plain SELECT 1 ON CONFLICT DO NOTHING":                   nil,
		"UPDATE plain SET label = o.item FROM orders o WHERE o.id = plain.id": nil,
	} {
		d := e.Evaluate(sql)
		if d.Rule != "ok" || d.Checked != (want != nil) {
			t.Errorf("%s: %s, checked %v", sql, d.Reason, d.Checked)
			continue
		}
		got := d.Statements[0].Check
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: check %+v, want %+v", sql, got, want)
		}
		noted := strings.Contains(strings.Join(d.Notes, "\n"), "rolled back if a written row does not satisfy the row filter")
		if noted != (want != nil) {
			t.Errorf("%s: notes %q", sql, d.Notes)
		}
	}
}

// The row is what BEFORE triggers make of it, and one that they drop is none.
func TestACheckSeesWhatTriggersMakeOfARow(t *testing.T) {
	catalog := extended(t, `CREATE TABLE tickets (id int PRIMARY KEY, tenant_id int DEFAULT 42, title text);
		CREATE FUNCTION assign() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.title = 'drop' THEN RETURN NULL; END IF;
			IF NEW.title = 'move' THEN NEW.tenant_id := 7; END IF;
			IF NEW.title = 'keep' THEN NEW.tenant_id := 42; END IF;
			RETURN NEW; END $$;
		CREATE TRIGGER assign BEFORE INSERT OR UPDATE ON tickets FOR EACH ROW EXECUTE FUNCTION assign()`)
	write(t, compile(t, filters("tickets: tenant_id = 42"), catalog), []written{
		{"INSERT INTO tickets (id) VALUES (1) RETURNING id", "t,1"},
		{"INSERT INTO tickets VALUES (1, 42, 'move') RETURNING id", violated},
		{"INSERT INTO tickets VALUES (1, 7, 'keep') RETURNING tenant_id", "t,42"},
		{"INSERT INTO tickets VALUES (1, 7, 'drop'), (2, 42, '') RETURNING id", "t,2"},
	})
}

// Masked columns may decide in a filter; what comes back is masked.
func TestChecksAndMasksCompose(t *testing.T) {
	_, catalog := database(t)
	p := filters("orders: item IN ('pen', 'ink') AND tenant_id = 42")
	p.Masks = []policy.Mask{{Table: "orders", Column: "item", Kind: policy.Redact}, {Table: "users", Column: "phone", Kind: policy.Null}}
	e := compile(t, p, catalog)
	write(t, e, []written{
		{"INSERT INTO orders VALUES (1, 42, 1, 1, 'pen') RETURNING *", "t,1,42,1,1,[redacted]"},
		{"INSERT INTO orders VALUES (1, 42, 1, 1, 'cap') RETURNING item", violated},
		{"INSERT INTO orders (id, tenant_id, item) SELECT id, 42, 'ink' FROM users WHERE name = 'ann' RETURNING item AS what, id", "t,[redacted],1"},
		{"UPDATE orders SET item = 'pen' WHERE tenant_id = 42 RETURNING id, orders.item", "t,10,[redacted]; t,11,[redacted]"},
		{"UPDATE orders SET item = 'cap' WHERE id = 10", violated},
	})
	d := e.Evaluate("INSERT INTO orders VALUES (1, 42, 1, 1, 'pen') RETURNING id, item")
	if d.Statements[0].Outputs[1] != policy.Redact || len(d.Statements[0].Outputs) != 1 {
		t.Errorf("outputs %v are not those of the client's columns", d.Statements[0].Outputs)
	}
}

func TestACheckIsDecidedByNamesAlone(t *testing.T) {
	e := compile(t, filters("orders: tenant_id = 42", "docs: id IN (SELECT id FROM docs)"), nil)
	for sql, rule := range map[string]string{
		"INSERT INTO orders VALUES (1, 42)":                                           "ok",
		"UPDATE orders SET tenant_id = 42 WHERE id = 1":                               "ok",
		"INSERT INTO docs VALUES (1, 42)":                                             "row_filter_unsafe",
		"WITH i AS (INSERT INTO orders VALUES (1, 42) RETURNING id) SELECT id FROM i": "row_filter_unsafe",
	} {
		if d := e.Evaluate(sql); d.Rule != rule {
			t.Errorf("%s: %s %s, want %s", sql, d.Rule, d.Reason, rule)
		} else if rule == "ok" && (d.Predicate != "orders.tenant_id = 42" || d.Verdict != policy.RowFilter) {
			t.Errorf("%s: %s %q", sql, d.Verdict, d.Predicate)
		}
	}
}
