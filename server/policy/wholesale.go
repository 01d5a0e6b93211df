package policy

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// wholesale names a statement that reaches relations without naming them.
func wholesale(stmt *pg.Node) string {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_VacuumStmt:
		if len(n.VacuumStmt.Rels) == 0 {
			return "VACUUM or ANALYZE of the whole database"
		}
	case *pg.Node_ReindexStmt:
		if n.ReindexStmt.Relation == nil {
			return "REINDEX of a schema or database"
		}
	case *pg.Node_ClusterStmt:
		if n.ClusterStmt.Relation == nil {
			return "CLUSTER of the whole database"
		}
	case *pg.Node_GrantStmt:
		if n.GrantStmt.Targtype != pg.GrantTargetType_ACL_TARGET_OBJECT || n.GrantStmt.Objtype == pg.ObjectType_OBJECT_SCHEMA {
			return "GRANT or REVOKE on a schema"
		}
	case *pg.Node_AlterDefaultPrivilegesStmt:
		return "ALTER DEFAULT PRIVILEGES"
	case *pg.Node_AlterTableStmt:
		if attributes(stmt, cascades) {
			return "ALTER TYPE … CASCADE"
		}
	}
	return ""
}

// attributes says whether one of the changes that an ALTER TYPE makes to the
// attributes of a composite type is such a one.
func attributes(stmt *pg.Node, such func(*pg.AlterTableCmd) bool) bool {
	return stmt.GetAlterTableStmt().GetObjtype() == pg.ObjectType_OBJECT_TYPE &&
		slices.ContainsFunc(stmt.GetAlterTableStmt().Cmds, func(c *pg.Node) bool { return such(c.GetAlterTableCmd()) })
}

// cascades: the tables of the type are changed with it.
func cascades(c *pg.AlterTableCmd) bool { return c.GetBehavior() == pg.DropBehavior_DROP_CASCADE }

// replaces: what there was of an attribute is gone.
func replaces(c *pg.AlterTableCmd) bool { return c.GetSubtype() != pg.AlterTableType_AT_AddColumn }

// looksAtValues says whether an ALTER DOMAIN holds the values of every column
// of the domain to a constraint.
func looksAtValues(n *pg.AlterDomainStmt) bool {
	switch n.GetSubtype() {
	case "C": // ADD CONSTRAINT
		return !n.Def.GetConstraint().GetSkipValidation()
	case "O", "V": // SET NOT NULL, VALIDATE CONSTRAINT
		return true
	}
	return false
}

// renamesTable: PostgreSQL lets ALTER INDEX rename a table too.
func (s *statement) renamesTable() bool {
	for _, r := range s.refs {
		if r.relation != nil && s.node.GetRenameStmt().GetRenameType() == pg.ObjectType_OBJECT_INDEX && r.relation.Name == r.rangeVar.Relname {
			return true
		}
	}
	return false
}

// temporaryDomain says whether a statement makes a domain in the schema of the
// session's temporary objects, where types are looked for first. It has a name
// of its own as well, and the database's may stand in front.
func temporaryDomain(stmt *pg.Node) bool {
	names := stringsOf(stmt.GetCreateDomainStmt().GetDomainname())
	return len(names) > 1 && strings.HasPrefix(names[len(names)-2], "pg_temp")
}

// renames says whether a statement gives another name to something that names
// in statements mean: a relation, schema, column or type. Until it commits no
// catalog tells of it.
func renames(stmt *pg.Node) bool {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_AlterObjectSchemaStmt:
		return true
	case *pg.Node_RenameStmt:
		switch n.RenameStmt.RenameType {
		case pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_TABCONSTRAINT, pg.ObjectType_OBJECT_DOMCONSTRAINT,
			pg.ObjectType_OBJECT_TRIGGER, pg.ObjectType_OBJECT_POLICY, pg.ObjectType_OBJECT_STATISTIC_EXT,
			pg.ObjectType_OBJECT_TSCONFIGURATION, pg.ObjectType_OBJECT_TSDICTIONARY:
			return false
		}
		return true
	}
	return false
}
