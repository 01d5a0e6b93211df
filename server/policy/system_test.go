package policy_test

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// However it is asked for, and whether or not a rule speaks of relations.
func TestWhatTheSystemKeepsOfCredentialsIsNotRead(t *testing.T) {
	catalog := extended(t, `CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far;
		CREATE USER MAPPING FOR postgres SERVER away OPTIONS (password 'SECRET')`)
	cases := []effect{
		{"SELECT umoptions FROM pg_user_mappings", "table_not_allowed", ""},
		{"SELECT u.umoptions::text FROM pg_user_mapping u", "table_not_allowed", ""},
		{"SELECT * FROM pg_user_mappings", "table_not_allowed", ""},
		{"SELECT u FROM pg_user_mappings u", "table_not_allowed", ""},
		{"SELECT u.to_json FROM pg_user_mappings u", "table_not_allowed", ""},
		{"SELECT to_json(pg_user_mappings) FROM pg_user_mappings", "table_not_allowed", ""},
		{"SELECT x FROM pg_user_mappings u(a, b, c, d, e, x)", "table_not_allowed", ""},
		{"SELECT 1 FROM pg_user_mappings u NATURAL JOIN pg_user_mapping v", "table_not_allowed", ""},
		{"SELECT 1 FROM pg_user_mappings u JOIN plain USING (umoptions)", "table_not_allowed", ""},
		{"SELECT srvid FROM pg_user_mappings WHERE umoptions IS NOT NULL", "table_not_allowed", ""},
		{"SELECT s FROM (SELECT u FROM pg_user_mappings u) s", "table_not_allowed", ""},
		{"TABLE pg_user_mappings", "table_not_allowed", ""},
		{"SELECT rolname FROM pg_authid", "table_not_allowed", ""},
		{"CREATE TEMP VIEW v AS SELECT umoptions FROM pg_user_mappings", "table_not_allowed", ""},
	}
	for _, p := range []policy.Profile{{}, {Masks: usersMasks}} {
		enforce(t, compile(t, p, catalog), cases)
	}
}
