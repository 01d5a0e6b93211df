package property

import "strings"

// predicates are what a filter may say; %s is the name of the table.
var predicates = []filter{
	{"", "tenant_id = 42", words("tenant_id")},
	{"", "tenant_id IN (42, 8)", words("tenant_id")},
	{"", "tenant_id <> 42", words("tenant_id")},
	{"", "id % 2 = 0", words("id")},
	// These cost more than what a statement says: PostgreSQL would do that first.
	{"", "(tenant_id + 0) * 2 - 2 * (1 + 1) + 4 - tenant_id = 42", words("tenant_id")},
	{"", "position('zq' IN reverse(reverse(upper(lower(tenant_id || '-' || id))))) = 0 AND tenant_id % 7 = 0 AND tenant_id / 7 > 1", words("tenant_id id")},
	{"", "NOT id BETWEEN 3 AND 11", words("id")},
	{"", "user_id IS NOT NULL", words("user_id")},
	{"", "user_id IN (SELECT u.id FROM users u WHERE u.tenant_id = 42)", words("user_id tenant_id id")},
	{"", "EXISTS (SELECT FROM orders o WHERE o.user_id = %s.user_id AND o.qty > 1)", words("user_id qty")},
	{"", "amount > 500 AND status IS DISTINCT FROM 'void'", words("amount status")},
	{"", "amount / (qty + 1) > 60 OR placed >= '2026-01-09'", words("amount qty placed")},
	{"", "status = 'open'", words("status")},
	{"", "price < 200 AND note IS NOT NULL", words("price note")},
	{"", "score > 900300 AND email LIKE 'zq%'", words("score email")},
	{"", "code ~ '^[0-9]+$'", words("code")},
	{"", "level < 10", words("level")},
	{"", "title = 'pen' OR tenant_id < 42", words("title tenant_id")},
	{"", "listed IS NOT FALSE", words("listed")},
	{"", `"Id" < 4 OR "select" IS NULL`, words(`"Id" "select"`)},
	{"", "current_setting('pgbeam.principal_type') = 'agent' AND id > 2", words("id")},
	{"", "id <> 1 -- not the first", words("id")},
	{"", "false", nil},
	{"", "true", nil},
}

var words = strings.Fields

// fits says whether r has what a filter needs.
func (f filter) fits(r *relation) bool {
	if strings.Contains(f.Predicate, "%s") && len(r.family()) > 1 {
		return false // a partition has another name
	}
	inside := strings.Contains(f.Predicate, "SELECT")
	for i, column := range f.columns {
		if (i == 0 || !inside) && !r.has(column) {
			return false
		}
	}
	return true
}
