package policy_test

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// Who may write to the table that a filter reads would choose what to see.
func TestWhatAFilterReadsIsNotThePrincipalsToChange(t *testing.T) {
	catalog := extended(t, `CREATE TABLE seats (user_id int, team int, note text); CREATE VIEW seated AS SELECT user_id AS u, team AS t, note FROM seats;
		CREATE TABLE old_seats () INHERITS (seats); INSERT INTO seats VALUES (1, 1, 'x')`)
	byTable := policy.Profile{Filters: []policy.Filter{{Table: "docs", Predicate: "team IN (SELECT s.team FROM seats s WHERE s.user_id = 1)"}}}
	enforce(t, compile(t, byTable, catalog), []effect{
		{"UPDATE seats SET team = 2 WHERE user_id = 1; SELECT body FROM docs", "row_filter_unsafe", ""},
		{"UPDATE seats SET (note, user_id) = ('x', 1) WHERE team = 2", "row_filter_unsafe", ""},
		{"UPDATE seated SET note = 'x' WHERE u = 1", "row_filter_unsafe", ""},
		{"UPDATE ONLY old_seats SET team = 2 WHERE user_id = 1", "row_filter_unsafe", ""},
		{"INSERT INTO seats VALUES (1, 2); SELECT body FROM docs", "row_filter_unsafe", ""},
		{"INSERT INTO old_seats VALUES (1, 2)", "row_filter_unsafe", ""},
		{"INSERT INTO seated VALUES (1, 2)", "row_filter_unsafe", ""},
		{"WITH i AS (INSERT INTO seats VALUES (1, 2)) SELECT 1", "row_filter_unsafe", ""},
		{"DELETE FROM seats WHERE team = 1", "row_filter_unsafe", ""},
		{"MERGE INTO seats s USING (VALUES (2)) v (t) ON s.team = v.t WHEN NOT MATCHED THEN INSERT VALUES (1, v.t)", "row_filter_unsafe", ""},
		{"MERGE INTO seats s USING (VALUES (1)) v (t) ON s.team = v.t WHEN MATCHED THEN UPDATE SET team = 2", "row_filter_unsafe", ""},
		{"ALTER TABLE seats ALTER COLUMN team TYPE int USING 2", "row_filter_unsafe", ""},
		{"ALTER TABLE seats ADD COLUMN body text", "row_filter_unsafe", ""},
		{"CREATE TABLE more () INHERITS (seats)", "row_filter_unsafe", ""},
		{"ALTER TABLE plain INHERIT seats", "row_filter_unsafe", ""},

		{"UPDATE seats SET note = 'y' WHERE user_id = 1 RETURNING note", "ok", "y"},
		{"MERGE INTO seats s USING (VALUES (1)) v (t) ON s.team = v.t WHEN MATCHED THEN UPDATE SET note = 'z'", "ok", ""},
		{"SELECT team FROM seats; SELECT body FROM docs", "ok", "1mine"},
		{"CREATE TABLE plans (doc int REFERENCES docs_of, LIKE seats)", "table_not_allowed", ""},
		{"CREATE TABLE plans (LIKE seats)", "ok", ""},
		{"CREATE INDEX ON seats (team)", "ok", ""},
		{"UPDATE plain SET label = 'x' WHERE id = 1 RETURNING label", "ok", "x"},
		{"INSERT INTO plain VALUES (9, 'nine')", "ok", ""},
	})
	// A table that has a filter itself is the principal's, as far as what
	// another filter reads of it names its rows.
	own := policy.Profile{Filters: []policy.Filter{{Table: "docs", Predicate: "team IN (SELECT s.team FROM seats s WHERE s.user_id = 1)"}, {Table: "seats", Predicate: "user_id = 1"},
		{Table: "orders", Predicate: "tenant_id = 42"}, {Table: "plain", Predicate: "id IN (SELECT o.id FROM orders o WHERE o.tenant_id = 42)"}}}
	enforce(t, compile(t, own, catalog), []effect{
		{"INSERT INTO seats VALUES (1, 2)", "row_filter_unsafe", ""},
		{"UPDATE seats SET team = 2 WHERE note = 'x'", "row_filter_unsafe", ""},
		{"DELETE FROM seats WHERE note = 'x'", "row_filter_unsafe", ""},
		{"DELETE FROM orders WHERE id = 10 RETURNING item", "ok", "pen"},
		{"UPDATE orders SET id = 13 WHERE id = 12 RETURNING id", "ok", "13"},
	})
	byView := policy.Profile{Filters: []policy.Filter{{Table: "docs", Predicate: "team IN (SELECT t FROM seated WHERE u = 1)"}}}
	enforce(t, compile(t, byView, catalog), []effect{
		{"UPDATE seats SET note = 'y' WHERE user_id = 1", "row_filter_unsafe", ""},
		{"CREATE OR REPLACE VIEW seated AS SELECT 1 AS u, 2 AS t, '' AS note", "row_filter_unsafe", ""},
		{"SELECT body FROM docs", "ok", "mine"},
	})
}

// A key that other rows follow decides what they say.
func TestForeignKeysDoNotMoveRowsIntoSight(t *testing.T) {
	catalog := extended(t, `CREATE TABLE lands (id int PRIMARY KEY, code int UNIQUE, name text, king int UNIQUE);
		CREATE TABLE towns (id int PRIMARY KEY, land_id int REFERENCES lands ON UPDATE CASCADE, code int REFERENCES lands (code) ON UPDATE CASCADE ON DELETE SET DEFAULT, king int REFERENCES lands (king) ON DELETE CASCADE);
		CREATE TABLE streets (town_id int REFERENCES towns ON DELETE CASCADE, code int, UNIQUE (town_id, code));
		CREATE TABLE houses (town_id int, code int, street text, FOREIGN KEY (town_id, code) REFERENCES streets (town_id, code) ON UPDATE SET NULL);
		CREATE VIEW realms AS SELECT id AS realm, name FROM lands; INSERT INTO lands VALUES (1, 1, 'x', 1)`)
	on := func(table, predicate string) *policy.Engine {
		return compile(t, policy.Profile{Filters: []policy.Filter{{Table: table, Predicate: predicate}}}, catalog)
	}
	enforce(t, on("towns", "land_id = 1"), []effect{
		{"UPDATE lands SET id = 1 WHERE id = 2", "row_filter_unsafe", ""},
		{"UPDATE realms SET realm = 1 WHERE realm = 2", "row_filter_unsafe", ""},
		{"PREPARE p AS UPDATE lands SET id = 1 WHERE id = 2", "row_filter_unsafe", ""},
		{"UPDATE lands SET code = 1, name = 'y' WHERE id = 1", "ok", ""},
		{"UPDATE realms SET name = 'z' WHERE realm = 1 RETURNING name", "ok", "z"},
		{"DELETE FROM lands WHERE id = 9", "ok", ""},
	})
	enforce(t, on("towns", "code = 1"), []effect{
		{"UPDATE lands SET code = 1 WHERE id = 1", "row_filter_unsafe", ""},
		{"DELETE FROM lands WHERE id = 9", "row_filter_unsafe", ""},
		{"UPDATE lands SET id = 1 WHERE id = 1", "ok", ""},
	})
	enforce(t, on("orders", "id NOT IN (SELECT s.code FROM streets s)"), []effect{
		{"DELETE FROM lands WHERE id = 9", "row_filter_unsafe", ""},
		{"DELETE FROM towns WHERE id = 9", "row_filter_unsafe", ""},
		{"DELETE FROM houses WHERE street = 'x'", "ok", ""},
	})
	enforce(t, on("houses", "code = 1"), []effect{
		{"UPDATE streets SET town_id = 1 WHERE code = 2", "row_filter_unsafe", ""},
		{"DELETE FROM streets WHERE code = 2", "ok", ""},
	})
	enforce(t, on("houses", "street = 'a'"), []effect{
		{"UPDATE streets SET town_id = 1 WHERE code = 2", "ok", ""},
	})
}
