package policy

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Transactions matter to two rules that the wire keeps. Under RollBack nothing
// is ever committed: the wire opens a transaction around what has none, and
// COMMIT becomes ROLLBACK here. Under MaxAffectedRows the wire undoes what
// changed too many rows, back to a point that it sets before the text runs; a
// text that ends the transaction itself, or takes that point away, would keep
// its changes.

// reservedSavepoints begin the names of the wire's own savepoints.
const reservedSavepoints = "pgbeam"

// transactionTag is the tag of a statement that begins or ends a transaction
// or a part of one, and nothing for any other.
func transactionTag(stmt *pg.Node) string {
	n := stmt.GetTransactionStmt()
	if n == nil {
		return ""
	}
	return transactionClass(n).tag
}

// checkSavepoint keeps the wire's own savepoints out of the principal's reach.
func (e *Engine) checkSavepoint(s *statement) *refusal {
	n := s.node.GetTransactionStmt()
	if n == nil || !e.profile.RollBack && e.profile.MaxAffectedRows == 0 {
		return nil
	}
	if strings.HasPrefix(strings.ToLower(n.SavepointName), reservedSavepoints) {
		return refuse("statement_not_allowed", "Choose another name.",
			"savepoints whose names begin with %q are PgBeam's own", reservedSavepoints)
	}
	return nil
}

// checkTransactions looks at all statements of a text together. It returns the
// place of the one that is refused.
func (e *Engine) checkTransactions(statements []*statement) (int, *refusal) {
	if len(statements) < 2 {
		return 0, nil
	}
	counted, control := false, 0
	for i, s := range statements {
		if t := s.class.tag; t == "PREPARE" || t == "EXECUTE" {
			return i, refuse("statement_not_allowed", "Send the statements one by one.", "%s may not stand in a text of several statements", t)
		}
		if r := checkDiscard(s); r != nil {
			return i, r
		}
		tag := transactionTag(s.node)
		counted = counted || len(s.writes) > 0
		if tag != "" && control == 0 {
			control = i + 1
		}
		if !e.profile.RollBack {
			continue
		}
		switch {
		case (tag == "BEGIN" || tag == "START TRANSACTION") && i > 0:
			return i, misplaced(tag, "first")
		case (tag == "COMMIT" || tag == "ROLLBACK") && slices.ContainsFunc(statements[i+1:], func(s *statement) bool { return !s.out.Resets }):
			return i, misplaced(tag, "last")
		}
	}
	if e.profile.MaxAffectedRows > 0 && counted && control > 0 {
		return control - 1, refuse("max_affected_rows", "Send the statements one by one.",
			"this credential may change at most %d rows at a time, which cannot be counted where a text holds writes and transaction control",
			e.profile.MaxAffectedRows)
	}
	return 0, nil
}

func misplaced(tag, where string) *refusal {
	return refuse("statement_not_allowed", "Send the statements one by one.",
		"this credential's changes are rolled back, and in a text of several statements %s may only stand %s", tag, where)
}

// rollBack is the rewriter of RollBack.
type rollBack struct{}

func (rollBack) rewrite(s *statement) *refusal {
	n := s.node.GetTransactionStmt()
	if n.GetKind() != pg.TransactionStmtKind_TRANS_STMT_COMMIT {
		return nil
	}
	n.Kind = pg.TransactionStmtKind_TRANS_STMT_ROLLBACK
	s.changed = true
	s.notes = append(s.notes, "COMMIT becomes ROLLBACK: this credential's changes are never kept")
	return nil
}
