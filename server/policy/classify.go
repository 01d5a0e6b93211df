package policy

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// class is what kind of statement a node of the parse tree is.
type class struct {
	kind   Kind
	tag    string // the command as PostgreSQL names it
	writes bool   // it changes data, schema or a sequence
	floor  *floor // why no policy permits it; nil when one may
}

// floor is a refusal that no policy lifts.
type floor struct {
	rule, reason, hint string
}

func destructive(tag string) class {
	return class{DDL, tag, true, &floor{"destructive_ddl",
		tag + " destroys data or objects and is never permitted",
		"Ask an operator to do this outside PgBeam, or rename the object aside in a migration that is reviewed."}}
}

func never(kind Kind, tag string, writes bool, why, hint string) class {
	return class{kind, tag, writes, &floor{"statement_not_allowed", tag + " is never permitted: " + why, hint}}
}

func ddl(tag string) class { return class{DDL, tag, true, nil} }

// Reasons that several statements share.
const (
	opaqueCode   = "it brings code whose effects cannot be checked"
	opaqueHint   = "Have an operator install it outside PgBeam."
	serverWide   = "it changes the server, its roles or its settings"
	serverHint   = "Ask an operator to do this outside PgBeam."
	foreignWhy   = "it reaches outside the database"
	preparedHint = "Send the statement itself."
)

// classOf is the class of a statement; false when the node is none we know.
func classOf(stmt *pg.Node) (class, bool) {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_SelectStmt:
		if intoOf(n.SelectStmt) != nil {
			return ddl("SELECT INTO"), true
		}
		return class{Select, "SELECT", false, nil}, true
	case *pg.Node_InsertStmt:
		return class{Insert, "INSERT", true, nil}, true
	case *pg.Node_UpdateStmt:
		return class{Update, "UPDATE", true, nil}, true
	case *pg.Node_DeleteStmt:
		return class{Delete, "DELETE", true, nil}, true
	case *pg.Node_MergeStmt:
		return class{Merge, "MERGE", true, nil}, true
	case *pg.Node_ExplainStmt:
		return class{Explain, "EXPLAIN", false, nil}, true
	case *pg.Node_VariableShowStmt:
		return class{Show, "SHOW", false, nil}, true
	case *pg.Node_VariableSetStmt:
		return setClass(n.VariableSetStmt), true
	case *pg.Node_ConstraintsSetStmt:
		return class{Transaction, "SET CONSTRAINTS", false, nil}, true
	case *pg.Node_DiscardStmt:
		return class{Set, discardTag(n.DiscardStmt), false, nil}, true
	case *pg.Node_UnlistenStmt:
		return class{Set, "UNLISTEN", false, nil}, true
	case *pg.Node_TransactionStmt:
		return transactionClass(n.TransactionStmt), true
	case *pg.Node_DeclareCursorStmt:
		return class{Select, "DECLARE CURSOR", false, nil}, true
	case *pg.Node_FetchStmt:
		if n.FetchStmt.Ismove {
			return class{Select, "MOVE", false, nil}, true
		}
		return class{Select, "FETCH", false, nil}, true
	case *pg.Node_ClosePortalStmt:
		return class{Select, "CLOSE CURSOR", false, nil}, true
	case *pg.Node_DeallocateStmt:
		return class{Select, deallocateTag(n.DeallocateStmt), false, nil}, true
	case *pg.Node_PrepareStmt:
		inner, ok := classOf(n.PrepareStmt.Query)
		return class{inner.kind, "PREPARE", inner.writes, inner.floor}, ok
	case *pg.Node_ExecuteStmt:
		return class{Select, "EXECUTE", false, nil}, true
	case *pg.Node_CallStmt:
		return class{Other, "CALL", true, nil}, true
	}
	if c, ok := utilityClass(stmt); ok {
		return c, true
	}
	return schemaClass(stmt)
}

// utilityClass knows the statements that are always refused.
func utilityClass(stmt *pg.Node) (class, bool) {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_CopyStmt:
		return never(Copy, "COPY", n.CopyStmt.IsFrom, "its rows bypass masks, filters and caps", "Use SELECT to read and INSERT to write."), true
	case *pg.Node_DoStmt:
		return never(Other, "DO", true, opaqueCode, "Send the statements of the block themselves."), true
	case *pg.Node_ListenStmt:
		return never(Other, "LISTEN", false, "notifications belong to the applications of the database", "Poll a table instead."), true
	case *pg.Node_NotifyStmt:
		return never(Other, "NOTIFY", true, "notifications belong to the applications of the database", "Write a row that the application reads."), true
	case *pg.Node_LockStmt:
		return never(Other, "LOCK TABLE", true, "it blocks other sessions", "Use SELECT … FOR UPDATE on the rows you change, under a policy that permits writes."), true
	case *pg.Node_LoadStmt:
		return never(Other, "LOAD", true, opaqueCode, opaqueHint), true
	case *pg.Node_CheckPointStmt:
		return never(Other, "CHECKPOINT", true, serverWide, serverHint), true
	case *pg.Node_AlterSystemStmt:
		return never(Other, "ALTER SYSTEM", true, serverWide, serverHint), true
	case *pg.Node_TruncateStmt:
		return destructive("TRUNCATE TABLE"), true
	case *pg.Node_DropStmt:
		return destructive("DROP " + objectWord(n.DropStmt.RemoveType)), true
	case *pg.Node_DropdbStmt:
		return destructive("DROP DATABASE"), true
	case *pg.Node_DropRoleStmt:
		return destructive("DROP ROLE"), true
	case *pg.Node_DropOwnedStmt:
		return destructive("DROP OWNED"), true
	case *pg.Node_DropTableSpaceStmt:
		return destructive("DROP TABLESPACE"), true
	case *pg.Node_DropUserMappingStmt:
		return destructive("DROP USER MAPPING"), true
	case *pg.Node_DropSubscriptionStmt:
		return destructive("DROP SUBSCRIPTION"), true
	}
	tag, why, hint := "", serverWide, serverHint
	switch stmt.GetNode().(type) {
	case *pg.Node_CreateRoleStmt:
		tag = "CREATE ROLE"
	case *pg.Node_AlterRoleStmt, *pg.Node_AlterRoleSetStmt:
		tag = "ALTER ROLE"
	case *pg.Node_GrantRoleStmt:
		tag = "GRANT ROLE"
	case *pg.Node_ReassignOwnedStmt:
		tag = "REASSIGN OWNED"
	case *pg.Node_CreatedbStmt:
		tag = "CREATE DATABASE"
	case *pg.Node_AlterDatabaseStmt, *pg.Node_AlterDatabaseSetStmt, *pg.Node_AlterDatabaseRefreshCollStmt:
		tag = "ALTER DATABASE"
	case *pg.Node_CreateTableSpaceStmt:
		tag = "CREATE TABLESPACE"
	case *pg.Node_AlterTableSpaceOptionsStmt, *pg.Node_AlterTableMoveAllStmt:
		tag = "ALTER TABLESPACE"
	case *pg.Node_SecLabelStmt:
		tag = "SECURITY LABEL"
	case *pg.Node_CreateSubscriptionStmt, *pg.Node_AlterSubscriptionStmt:
		tag, why = "SUBSCRIPTION", foreignWhy
	case *pg.Node_CreatePublicationStmt, *pg.Node_AlterPublicationStmt:
		tag, why = "PUBLICATION", foreignWhy
	case *pg.Node_CreateFdwStmt, *pg.Node_AlterFdwStmt:
		tag, why = "FOREIGN DATA WRAPPER", foreignWhy
	case *pg.Node_CreateForeignServerStmt, *pg.Node_AlterForeignServerStmt:
		tag, why = "FOREIGN SERVER", foreignWhy
	case *pg.Node_CreateForeignTableStmt:
		tag, why = "CREATE FOREIGN TABLE", foreignWhy
	case *pg.Node_ImportForeignSchemaStmt:
		tag, why = "IMPORT FOREIGN SCHEMA", foreignWhy
	case *pg.Node_CreateUserMappingStmt, *pg.Node_AlterUserMappingStmt:
		tag, why = "USER MAPPING", foreignWhy
	case *pg.Node_CreateFunctionStmt:
		tag, why, hint = "CREATE FUNCTION", opaqueCode, opaqueHint
	case *pg.Node_AlterFunctionStmt:
		tag, why, hint = "ALTER FUNCTION", opaqueCode, opaqueHint
	case *pg.Node_CreateExtensionStmt:
		tag, why, hint = "CREATE EXTENSION", opaqueCode, opaqueHint
	case *pg.Node_AlterExtensionStmt, *pg.Node_AlterExtensionContentsStmt:
		tag, why, hint = "ALTER EXTENSION", opaqueCode, opaqueHint
	case *pg.Node_CreatePlangStmt:
		tag, why, hint = "CREATE LANGUAGE", opaqueCode, opaqueHint
	case *pg.Node_CreateEventTrigStmt, *pg.Node_AlterEventTrigStmt:
		tag, why, hint = "EVENT TRIGGER", opaqueCode, opaqueHint
	case *pg.Node_RuleStmt:
		tag, why, hint = "CREATE RULE", "it changes what other statements mean", opaqueHint
	case *pg.Node_CreateCastStmt:
		tag, why, hint = "CREATE CAST", opaqueCode, opaqueHint
	case *pg.Node_CreateTransformStmt:
		tag, why, hint = "CREATE TRANSFORM", opaqueCode, opaqueHint
	case *pg.Node_CreateConversionStmt:
		tag, why, hint = "CREATE CONVERSION", opaqueCode, opaqueHint
	case *pg.Node_CreateAmStmt:
		tag, why, hint = "CREATE ACCESS METHOD", opaqueCode, opaqueHint
	case *pg.Node_CreateOpClassStmt, *pg.Node_CreateOpFamilyStmt, *pg.Node_AlterOpFamilyStmt, *pg.Node_AlterOperatorStmt:
		tag, why, hint = "OPERATOR", opaqueCode, opaqueHint
	default:
		return class{}, false
	}
	return never(Other, tag, true, why, hint), true
}

// schemaClass knows the statements that change or maintain the schema.
func schemaClass(stmt *pg.Node) (class, bool) {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_DefineStmt:
		switch n.DefineStmt.Kind {
		case pg.ObjectType_OBJECT_COLLATION, pg.ObjectType_OBJECT_TSCONFIGURATION, pg.ObjectType_OBJECT_TSDICTIONARY:
			return ddl("CREATE " + objectWord(n.DefineStmt.Kind)), true
		}
		return never(DDL, "CREATE "+objectWord(n.DefineStmt.Kind), true, opaqueCode, opaqueHint), true
	case *pg.Node_CreateTableAsStmt:
		if n.CreateTableAsStmt.Objtype == pg.ObjectType_OBJECT_MATVIEW {
			return ddl("CREATE MATERIALIZED VIEW"), true
		}
		return ddl("CREATE TABLE AS"), true
	case *pg.Node_AlterTableStmt:
		return ddl("ALTER " + objectWord(n.AlterTableStmt.Objtype)), true
	case *pg.Node_RenameStmt:
		return alterClass(n.RenameStmt.RenameType), true
	case *pg.Node_AlterObjectSchemaStmt:
		return alterClass(n.AlterObjectSchemaStmt.ObjectType), true
	case *pg.Node_AlterOwnerStmt:
		return alterClass(n.AlterOwnerStmt.ObjectType), true
	case *pg.Node_AlterObjectDependsStmt:
		return alterClass(n.AlterObjectDependsStmt.ObjectType), true
	case *pg.Node_GrantStmt:
		if n.GrantStmt.Objtype == pg.ObjectType_OBJECT_PARAMETER_ACL {
			return never(DDL, "GRANT ON PARAMETER", true, serverWide, serverHint), true
		}
		if n.GrantStmt.IsGrant {
			return ddl("GRANT"), true
		}
		return ddl("REVOKE"), true
	case *pg.Node_VacuumStmt:
		if n.VacuumStmt.IsVacuumcmd {
			return ddl("VACUUM"), true
		}
		return ddl("ANALYZE"), true
	}
	tag := ""
	switch n := stmt.GetNode().(type) {
	case *pg.Node_CreateStmt:
		tag = "CREATE TABLE"
	case *pg.Node_CreateSchemaStmt:
		if len(n.CreateSchemaStmt.SchemaElts) > 0 {
			return never(DDL, "CREATE SCHEMA with objects", true, "names inside it resolve in a schema that is not there yet",
				"Create the objects with statements of their own."), true
		}
		tag = "CREATE SCHEMA"
	case *pg.Node_CreateSeqStmt:
		tag = "CREATE SEQUENCE"
	case *pg.Node_AlterSeqStmt:
		tag = "ALTER SEQUENCE"
	case *pg.Node_ViewStmt:
		tag = "CREATE VIEW"
	case *pg.Node_IndexStmt:
		tag = "CREATE INDEX"
	case *pg.Node_CreateTrigStmt:
		tag = "CREATE TRIGGER"
	case *pg.Node_CreateDomainStmt:
		tag = "CREATE DOMAIN"
	case *pg.Node_AlterDomainStmt:
		tag = "ALTER DOMAIN"
	case *pg.Node_CompositeTypeStmt, *pg.Node_CreateEnumStmt, *pg.Node_CreateRangeStmt:
		tag = "CREATE TYPE"
	case *pg.Node_AlterEnumStmt, *pg.Node_AlterTypeStmt:
		tag = "ALTER TYPE"
	case *pg.Node_CreateStatsStmt:
		tag = "CREATE STATISTICS"
	case *pg.Node_AlterStatsStmt:
		tag = "ALTER STATISTICS"
	case *pg.Node_CreatePolicyStmt:
		tag = "CREATE POLICY"
	case *pg.Node_AlterPolicyStmt:
		tag = "ALTER POLICY"
	case *pg.Node_AlterCollationStmt:
		tag = "ALTER COLLATION"
	case *pg.Node_AlterDefaultPrivilegesStmt:
		tag = "ALTER DEFAULT PRIVILEGES"
	case *pg.Node_AlterTsdictionaryStmt:
		tag = "ALTER TEXT SEARCH DICTIONARY"
	case *pg.Node_AlterTsconfigurationStmt:
		tag = "ALTER TEXT SEARCH CONFIGURATION"
	case *pg.Node_CommentStmt:
		tag = "COMMENT"
	case *pg.Node_ReindexStmt:
		tag = "REINDEX"
	case *pg.Node_ClusterStmt:
		tag = "CLUSTER"
	case *pg.Node_RefreshMatViewStmt:
		tag = "REFRESH MATERIALIZED VIEW"
	default:
		return class{}, false
	}
	return ddl(tag), true
}

// alterClass is the class of a statement that changes the name, schema, owner
// or dependencies of an object: what may not be created may not be altered so.
func alterClass(t pg.ObjectType) class {
	tag := "ALTER " + objectWord(t)
	switch t {
	case pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_ROUTINE, pg.ObjectType_OBJECT_AGGREGATE,
		pg.ObjectType_OBJECT_OPERATOR, pg.ObjectType_OBJECT_OPCLASS, pg.ObjectType_OBJECT_OPFAMILY, pg.ObjectType_OBJECT_CONVERSION,
		pg.ObjectType_OBJECT_LANGUAGE, pg.ObjectType_OBJECT_EXTENSION, pg.ObjectType_OBJECT_EVENT_TRIGGER, pg.ObjectType_OBJECT_RULE:
		return never(DDL, tag, true, opaqueCode, opaqueHint)
	case pg.ObjectType_OBJECT_ROLE, pg.ObjectType_OBJECT_DATABASE, pg.ObjectType_OBJECT_TABLESPACE, pg.ObjectType_OBJECT_LARGEOBJECT:
		return never(Other, tag, true, serverWide, serverHint)
	case pg.ObjectType_OBJECT_FDW, pg.ObjectType_OBJECT_FOREIGN_SERVER, pg.ObjectType_OBJECT_PUBLICATION, pg.ObjectType_OBJECT_SUBSCRIPTION:
		return never(Other, tag, true, foreignWhy, serverHint)
	}
	return ddl(tag)
}

func setClass(n *pg.VariableSetStmt) class {
	tag := "SET"
	switch n.Kind {
	case pg.VariableSetKind_VAR_RESET, pg.VariableSetKind_VAR_RESET_ALL:
		tag = "RESET"
	}
	if n.Name == "TRANSACTION" || strings.HasPrefix(n.Name, "transaction_") {
		return class{Transaction, tag, false, nil}
	}
	return class{Set, tag, false, nil}
}

func transactionClass(n *pg.TransactionStmt) class {
	switch n.Kind {
	case pg.TransactionStmtKind_TRANS_STMT_BEGIN:
		return class{Transaction, "BEGIN", false, nil}
	case pg.TransactionStmtKind_TRANS_STMT_START:
		return class{Transaction, "START TRANSACTION", false, nil}
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT:
		return class{Transaction, "COMMIT", false, nil}
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		return class{Transaction, "ROLLBACK", false, nil}
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		return class{Transaction, "ROLLBACK TO", false, nil}
	case pg.TransactionStmtKind_TRANS_STMT_SAVEPOINT:
		return class{Transaction, "SAVEPOINT", false, nil}
	case pg.TransactionStmtKind_TRANS_STMT_RELEASE:
		return class{Transaction, "RELEASE", false, nil}
	}
	const why = "a prepared transaction outlives the session and holds its locks"
	switch n.Kind {
	case pg.TransactionStmtKind_TRANS_STMT_PREPARE:
		return never(Transaction, "PREPARE TRANSACTION", true, why, "Use COMMIT.")
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED:
		return never(Transaction, "COMMIT PREPARED", true, why, serverHint)
	default:
		return never(Transaction, "ROLLBACK PREPARED", true, why, serverHint)
	}
}

// intoOf is the INTO of a SELECT; PostgreSQL keeps it on the leftmost arm of a
// set operation.
func intoOf(s *pg.SelectStmt) *pg.IntoClause {
	for s != nil {
		if s.IntoClause != nil {
			return s.IntoClause
		}
		s = s.Larg
	}
	return nil
}

// objectWord is the SQL of a kind of object: OBJECT_MATVIEW is MATERIALIZED VIEW.
func objectWord(t pg.ObjectType) string {
	switch t {
	case pg.ObjectType_OBJECT_MATVIEW:
		return "MATERIALIZED VIEW"
	case pg.ObjectType_OBJECT_TABCONSTRAINT, pg.ObjectType_OBJECT_COLUMN:
		return "TABLE"
	case pg.ObjectType_OBJECT_TSCONFIGURATION:
		return "TEXT SEARCH CONFIGURATION"
	case pg.ObjectType_OBJECT_TSDICTIONARY:
		return "TEXT SEARCH DICTIONARY"
	}
	return strings.ReplaceAll(strings.TrimPrefix(t.String(), "OBJECT_"), "_", " ")
}
