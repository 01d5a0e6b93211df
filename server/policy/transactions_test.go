package policy

import (
	"slices"
	"testing"
)

func TestRollBackTurnsCommitIntoRollback(t *testing.T) {
	e := mustCompile(t, Profile{RollBack: true}, nil)
	for _, c := range []struct{ sql, runs, tag string }{
		{"COMMIT", "ROLLBACK", "COMMIT"},
		{"commit work", "ROLLBACK", "COMMIT"},
		{"END", "ROLLBACK", "COMMIT"},
		{"END TRANSACTION", "ROLLBACK", "COMMIT"},
		{"COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "COMMIT"},
		{"COMMIT AND NO CHAIN", "ROLLBACK", "COMMIT"},
		{"/* a */ COMMIT -- b", "ROLLBACK", "COMMIT"},
		{"ROLLBACK", "ROLLBACK", "ROLLBACK"},
		{"ABORT", "ABORT", "ROLLBACK"},
		{"ROLLBACK AND CHAIN", "ROLLBACK AND CHAIN", "ROLLBACK"},
		{"ROLLBACK TO SAVEPOINT s", "ROLLBACK TO SAVEPOINT s", "ROLLBACK TO"},
		{"SAVEPOINT s", "SAVEPOINT s", "SAVEPOINT"},
		{"RELEASE s", "RELEASE s", "RELEASE"},
		{"BEGIN", "BEGIN", "BEGIN"},
		{"START TRANSACTION", "START TRANSACTION", "START TRANSACTION"},
	} {
		d := e.Evaluate(c.sql)
		if d.Rule != "ok" || d.SQL != c.runs || len(d.Statements) != 1 || d.Statements[0].Tag != c.tag || d.Statements[0].SQL != c.runs {
			t.Errorf("%s\n  %s: runs %q, statements %+v; want %q with tag %q", c.sql, d.Rule, d.SQL, d.Statements, c.runs, c.tag)
		}
		if noted := slices.Contains(d.Notes, "COMMIT becomes ROLLBACK: this credential's changes are never kept"); noted != (c.tag == "COMMIT") {
			t.Errorf("%s\n  notes %q", c.sql, d.Notes)
		}
	}
	if d := e.Evaluate("BEGIN; INSERT INTO t VALUES ('COMMIT'); COMMIT;"); d.SQL != "BEGIN;\nINSERT INTO t VALUES ('COMMIT');\nROLLBACK" {
		t.Errorf("a whole transaction in one text runs as %q (%s)", d.SQL, d.Reason)
	}
	if d := mustCompile(t, Profile{}, nil).Evaluate("COMMIT"); d.SQL != "COMMIT" || len(d.Notes) > 0 {
		t.Errorf("without RollBack COMMIT runs as %q, notes %q", d.SQL, d.Notes)
	}
}

func TestRollBackKeepsTransactionControlAtTheEndsOfAText(t *testing.T) {
	check(t, mustCompile(t, Profile{RollBack: true}, nil), []ruling{
		{"SELECT 1; INSERT INTO t VALUES (1)", "ok"},
		{"BEGIN; INSERT INTO t VALUES (1); ROLLBACK", "ok"},
		{"BEGIN; ROLLBACK", "ok"},
		{"SAVEPOINT a; INSERT INTO t VALUES (1); ROLLBACK TO a; RELEASE a; SELECT 1", "ok"},
		{"INSERT INTO t VALUES (1); ROLLBACK", "ok"},

		{"COMMIT; INSERT INTO t VALUES (1)", "statement_not_allowed"},
		{"INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (1)", "statement_not_allowed"},
		{"ROLLBACK; INSERT INTO t VALUES (1)", "statement_not_allowed"},
		{"BEGIN; INSERT INTO t VALUES (1); END; BEGIN", "statement_not_allowed"},
		{"INSERT INTO t VALUES (1); BEGIN", "statement_not_allowed"},
		{"SELECT 1; START TRANSACTION; SELECT 1", "statement_not_allowed"},
		{"COMMIT AND CHAIN; INSERT INTO t VALUES (1)", "statement_not_allowed"},
		{"COMMIT; COMMIT", "statement_not_allowed"},
		{"BEGIN; BEGIN; COMMIT", "statement_not_allowed"},
		{"COMMIT PREPARED 'x'", "statement_not_allowed"},
		{"PREPARE TRANSACTION 'x'", "statement_not_allowed"},
		{"SAVEPOINT pgbeam_1", "statement_not_allowed"},
		{`ROLLBACK TO "PgBeam_1"`, "statement_not_allowed"},
		{"SELECT 1; RELEASE pgbeam_1", "statement_not_allowed"},
	})
}

// Over the cap the wire goes back to a point before the text; a COMMIT inside
// it would have kept the changes.
func TestMaxAffectedRowsRefusesTransactionControlBesideWrites(t *testing.T) {
	check(t, mustCompile(t, Profile{MaxAffectedRows: 5}, nil), []ruling{
		{"BEGIN", "ok"},
		{"COMMIT", "ok"},
		{"SAVEPOINT a", "ok"},
		{"INSERT INTO t VALUES (1); UPDATE t SET a = 1 WHERE b = 2", "ok"},
		{"BEGIN; SELECT 1; COMMIT", "ok"},
		{"BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "ok"},

		{"UPDATE t SET a = 1 WHERE b = 2; COMMIT", "max_affected_rows"},
		{"BEGIN; INSERT INTO t VALUES (1)", "max_affected_rows"},
		{"COMMIT; DELETE FROM t WHERE a = 1", "max_affected_rows"},
		{"SELECT 1; ROLLBACK; SELECT 2; INSERT INTO t VALUES (1)", "max_affected_rows"},
		{"INSERT INTO t VALUES (1); RELEASE a", "max_affected_rows"},
		{"SAVEPOINT pgbeam_x", "statement_not_allowed"},
		{"RELEASE pgbeam_x", "statement_not_allowed"},
	})
	check(t, mustCompile(t, Profile{}, nil), []ruling{
		{"BEGIN; INSERT INTO t VALUES (1); COMMIT; SAVEPOINT pgbeam_x", "ok"},
	})
}
