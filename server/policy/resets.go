package policy

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Pools bring a connection back to what it was after its login before somebody
// else gets it. Whatever does that is permitted: to take back one's own is no
// change of what one may. Where PostgreSQL goes further and takes back what
// binds the session to its policy, the wire sets that again, before anything
// else runs: see Statement.Unbinds.

// resetting says whether a statement does nothing but take back what a session
// has set up: settings, cursors, prepared statements, locks.
func resetting(stmt *pg.Node) bool {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_DiscardStmt, *pg.Node_DeallocateStmt, *pg.Node_ClosePortalStmt, *pg.Node_UnlistenStmt:
		return true
	case *pg.Node_VariableSetStmt:
		switch n.VariableSetStmt.Kind {
		case pg.VariableSetKind_VAR_RESET, pg.VariableSetKind_VAR_RESET_ALL, pg.VariableSetKind_VAR_SET_DEFAULT:
			return true
		}
	case *pg.Node_SelectStmt:
		return unlocksAll(n.SelectStmt)
	}
	return false
}

// unlocksAll recognizes SELECT pg_advisory_unlock_all() and nothing around it.
// A session under a policy holds no such lock.
func unlocksAll(n *pg.SelectStmt) bool {
	if len(n.TargetList) != 1 {
		return false
	}
	call := n.TargetList[0].GetResTarget().GetVal().GetFuncCall()
	names := stringsOf(call.GetFuncname())
	if len(names) == 0 || names[len(names)-1] != unlockAll || len(names) > 1 && names[0] != "pg_catalog" {
		return false
	}
	return sameNode(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: n}}, selectOf("SELECT "+strings.Join(names, ".")+"()"))
}

const unlockAll = "pg_advisory_unlock_all"

func selectOf(sql string) *pg.Node {
	tree, err := parseTree(sql)
	if err != nil || len(tree.Stmts) != 1 {
		return nil
	}
	return tree.Stmts[0].Stmt
}

// unbinding says whether a statement takes back settings that a session was
// given after its login, and who it is. DISCARD ALL does so, too, but runs in
// no transaction, and so is a matter of its own.
func unbinding(n *pg.VariableSetStmt) bool {
	return n.GetKind() == pg.VariableSetKind_VAR_RESET_ALL || restoresIdentity(n) && n.Name == sessionAuthorization
}

const sessionAuthorization = "session_authorization"

// restoresIdentity recognizes the statements that make a session who it was
// after its login, which it is: no statement is permitted that changes it. SET
// ROLE NONE is none of them. It takes away the role that ALTER ROLE … SET role
// gave.
func restoresIdentity(n *pg.VariableSetStmt) bool {
	switch n.GetKind() {
	case pg.VariableSetKind_VAR_RESET:
		return n.Name == "role" || n.Name == sessionAuthorization
	case pg.VariableSetKind_VAR_SET_DEFAULT:
		return n.Name == sessionAuthorization
	}
	return false
}

// checkDiscard keeps DISCARD ALL from a text of several statements, where
// PostgreSQL does not run it either.
func checkDiscard(s *statement) *refusal {
	if s.class.tag != discardAll {
		return nil
	}
	return refuse("statement_not_allowed", "Send it by itself.", "%s may not stand in a text of several statements", discardAll)
}

const discardAll = "DISCARD ALL"

func discardTag(n *pg.DiscardStmt) string {
	return "DISCARD " + strings.TrimPrefix(n.Target.String(), "DISCARD_")
}

func deallocateTag(n *pg.DeallocateStmt) string {
	if n.Name == "" {
		return "DEALLOCATE ALL"
	}
	return "DEALLOCATE"
}
