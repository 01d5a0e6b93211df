package policy

import (
	"strings"
	"testing"
)

// What the drivers and poolers of the field send to a connection that goes back
// to its pool.
func TestResetsOfPoolsArePermitted(t *testing.T) {
	for name, p := range map[string]Profile{
		"no rules": {}, "read only": {ReadOnly: true}, "rolled back": {RollBack: true}, "capped": {MaxAffectedRows: 1},
		"ruled": {ReadOnly: true, Masks: []Mask{{"users", "email", Redact}}, Filters: []Filter{{"orders", "tenant = 1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, mustCompile(t, p, nil), []ruling{
				{"SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;", "ok"},
				{"DISCARD ALL", "ok"},
				{"SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();DISCARD SEQUENCES;DISCARD TEMP", "ok"},
				{"ROLLBACK; RESET ALL", "ok"},
				{"RESET SESSION AUTHORIZATION", "ok"},
				{"RESET ROLE", "ok"},
				{"DISCARD PLANS; DISCARD TEMPORARY; DISCARD SEQUENCES", "ok"},
				{"UNLISTEN jobs", "ok"},
				{"SELECT pg_catalog.pg_advisory_unlock_all()", "ok"},
				{"SET timezone TO DEFAULT; RESET work_mem", "ok"},

				{"SET SESSION AUTHORIZATION app", "setting_not_allowed"},
				{"SET SESSION AUTHORIZATION 'default'", "setting_not_allowed"},
				{"SET ROLE NONE", "setting_not_allowed"},
				{"RESET search_path", "setting_not_allowed"},
				{"RESET statement_timeout", "setting_not_allowed"},
				{"RESET pgbeam.credential_id", "setting_not_allowed"},
				{"SET search_path TO DEFAULT", "setting_not_allowed"},
				{"LISTEN jobs", "statement_not_allowed"},
				{"DISCARD ALL; SELECT 1", "statement_not_allowed"},
				{"SELECT 1; DISCARD ALL", "statement_not_allowed"},
				{"ROLLBACK; DISCARD ALL", "statement_not_allowed"},
				{"ALTER ROLE app RESET ALL", "statement_not_allowed"},
				{"ALTER DATABASE shop RESET ALL", "statement_not_allowed"},
				{"SELECT pg_advisory_unlock(1)", "function_not_allowed"},
				{"SELECT pg_advisory_unlock_shared(1)", "function_not_allowed"},
			})
		})
	}
}

func TestResetsAreStatementsOfKindSet(t *testing.T) {
	resets := []string{"RESET ALL", "DISCARD ALL", "DISCARD TEMP", "UNLISTEN *", "SET SESSION AUTHORIZATION DEFAULT", "RESET ROLE", "ROLLBACK; RESET ALL"}
	denies := mustCompile(t, Profile{DenyStatements: []string{"set"}}, nil)
	allows := mustCompile(t, Profile{AllowStatements: []string{"select", "transaction"}}, nil)
	for _, sql := range resets {
		check(t, denies, []ruling{{sql, "statement_denied"}})
		check(t, allows, []ruling{{sql, "statement_not_allowed"}})
	}
	check(t, allows, []ruling{{"SELECT pg_advisory_unlock_all()", "ok"}, {"CLOSE ALL", "ok"}})
}

// What resets is free of the budget, and what unbinds is bound again by the
// wire.
func TestWhatResetsAndWhatUnbinds(t *testing.T) {
	e := mustCompile(t, Profile{}, nil)
	for sql, want := range map[string]string{
		"RESET ALL": "resets unbinds", "SET SESSION AUTHORIZATION DEFAULT": "resets unbinds", "RESET SESSION AUTHORIZATION": "resets unbinds",
		"RESET ROLE": "resets", "RESET timezone": "resets", "SET timezone TO DEFAULT": "resets", "DISCARD ALL": "resets", "DISCARD TEMP": "resets", "UNLISTEN *": "resets",
		"CLOSE ALL": "resets", "CLOSE c": "resets", "DEALLOCATE ALL": "resets", "DEALLOCATE p": "resets",
		"SELECT pg_advisory_unlock_all()": "resets", "select PG_CATALOG.pg_advisory_unlock_all() ;": "resets",

		"SET timezone TO 'UTC'": "", "SELECT 1": "", "SELECT pg_advisory_unlock_all(), 1": "", "SELECT pg_advisory_unlock_all() FROM orders": "",
		"SELECT pg_advisory_unlock_all() LIMIT 1": "", "WITH a AS (SELECT 1) SELECT pg_advisory_unlock_all()": "", "SELECT pg_advisory_unlock_all() UNION ALL SELECT 1": "",
		"SELECT pg_advisory_unlock_all(id) FROM orders": "", "SELECT other.pg_advisory_unlock_all()": "", "SELECT lower('x')": "",
	} {
		d := e.Evaluate(sql)
		if len(d.Statements) != 1 {
			t.Fatalf("%s: %s", sql, d.Reason)
		}
		var got []string
		if d.Statements[0].Resets {
			got = append(got, "resets")
		}
		if d.Statements[0].Unbinds {
			got = append(got, "unbinds")
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: %q, want %q", sql, g, want)
		}
	}
}

func TestRollBackLetsATransactionEndBeforeAReset(t *testing.T) {
	check(t, mustCompile(t, Profile{RollBack: true}, nil), []ruling{
		{"ROLLBACK; RESET ALL; DEALLOCATE ALL", "ok"},
		{"BEGIN; ROLLBACK; SELECT pg_advisory_unlock_all(); RESET ALL", "ok"},
		{"ROLLBACK; RESET ALL; INSERT INTO t VALUES (1)", "statement_not_allowed"},
		{"ROLLBACK; SET timezone = 'UTC'", "statement_not_allowed"},
	})
}
