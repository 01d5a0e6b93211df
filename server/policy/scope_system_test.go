package policy_test

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// System columns are there behind a filter and a mask as they are without: a
// statement that deletes in batches by ctid must not delete everything in
// sight.
func TestSystemColumnsAreThoseOfTheTable(t *testing.T) {
	_, catalog := database(t)
	filtered := compile(t, policy.Profile{Filters: append([]policy.Filter{{Table: "events", Predicate: "tenant_id = 42"}}, tenantFilter...)}, catalog)
	enforce(t, filtered, []effect{
		{"DELETE FROM orders WHERE ctid IN (SELECT ctid FROM orders WHERE id = 12 LIMIT 1) RETURNING *", "ok", "12,42,∅,1,cap"},
		{"DELETE FROM orders WHERE ctid = ANY (ARRAY(SELECT ctid FROM orders WHERE id = 12 FOR UPDATE SKIP LOCKED)) RETURNING id", "ok", "12"},
		{"SELECT p.id FROM plain p WHERE NOT EXISTS (SELECT FROM orders WHERE ctid <> p.ctid)", "ok", ""},
		{"UPDATE orders SET item = 'x' FROM orders o WHERE o.ctid = orders.ctid AND o.id = 10 RETURNING orders.id", "ok", "10"},
		{"SELECT id FROM orders WHERE ctid IS NOT NULL AND cmin IS NOT NULL ORDER BY id", "ok", "10; 11; 12"},
		{"SELECT o.id, o.xmin IS NULL, o.tableoid::regclass, p.label FROM orders o, plain p WHERE o.id = 10 AND p.id = 1", "ok", "10,f,orders,one"},
		{"SELECT id, tableoid::regclass FROM events", "ok", "1,events_42"},
		{"SELECT p.ctid IS NULL, o.* FROM plain p, orders o WHERE p.id = 1 AND o.id = 10", "ok", "f,10,42,1,5,pen"},
		{"SELECT * FROM orders WHERE ctid IS NOT NULL", "row_filter_unsafe", ""},
		{"SELECT ctid, o.* FROM orders o", "row_filter_unsafe", ""},
		{"SELECT o, o.ctid FROM orders o", "row_filter_unsafe", ""},
		{"SELECT count(orders.ctid) FROM orders NATURAL JOIN plain", "row_filter_unsafe", ""},
		{"SELECT * FROM (SELECT id, ctid FROM orders WHERE id = 10) o WHERE o.ctid IS NULL", "ok", ""},
	})
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT email, ctid IS NULL, u.xmin IS NULL FROM users u WHERE id = 1 FOR UPDATE OF u", "ok", "[redacted],f,f"},
		{"SELECT ctid, * FROM users", "masked_column_expression", ""},
		{"SELECT ctid IS NULL, name FROM users WHERE id = 1", "ok", "f,ann"},
	})
}
