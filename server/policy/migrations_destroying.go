package policy

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// destroying examines the statements that take data away.
func (m *migration) destroying(stmt *pg.Node) {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_DropStmt:
		m.drop(n.DropStmt)
	case *pg.Node_TruncateStmt:
		for _, r := range n.TruncateStmt.GetRelations() {
			if rel := r.GetRangeVar(); !m.isEmpty(m.relation(rel)) {
				m.report(truncateTable, "TRUNCATE destroys every row of %s and blocks reads and writes of it", shownName(rel))
			}
		}
	case *pg.Node_DropdbStmt:
		m.report(dropTable, "DROP DATABASE destroys every table of %s", n.DropdbStmt.GetDbname())
	case *pg.Node_DropOwnedStmt:
		m.report(dropTable, "DROP OWNED destroys every table that the role owns, and revokes its privileges")
	}
}

func (m *migration) drop(n *pg.DropStmt) {
	cascade := n.GetBehavior() == pg.DropBehavior_DROP_CASCADE
	for _, o := range n.GetObjects() {
		parts := partsOf(o)
		shown := strings.Join(parts, ".")
		switch n.GetRemoveType() {
		case pg.ObjectType_OBJECT_TABLE:
			name := m.named(parts)
			if !m.isEmpty(name) {
				m.report(dropTable, "DROP TABLE destroys %s and its rows", shown)
			}
			m.forget(object{kind: aTable, RelationName: name})
		case pg.ObjectType_OBJECT_INDEX:
			index := object{kind: anIndex, RelationName: m.named(parts)}
			if !n.GetConcurrent() && !m.has(index) {
				m.report(dropIndexNotConcurrently, "DROP INDEX waits for the statements that use the table of %s, and everybody else waits behind it", shown)
			}
			m.forget(index)
		case pg.ObjectType_OBJECT_MATVIEW:
			m.forget(object{kind: aMatview, RelationName: m.named(parts)})
		case pg.ObjectType_OBJECT_SCHEMA:
			schema := object{kind: aSchema, RelationName: RelationName{Name: shown}}
			if s, created := m.objects[schema]; cascade && (!created || s.perhaps) {
				m.report(dropTable, "DROP SCHEMA … CASCADE destroys every table of %s", shown)
			}
			m.forget(schema)
		case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN:
			typ := object{kind: aType, RelationName: m.named(parts)}
			if cascade && !m.has(typ) {
				m.report(dropColumn, "CASCADE destroys every column of type %s, with its values", shown)
			}
			m.forget(typ)
		case pg.ObjectType_OBJECT_EXTENSION:
			if cascade {
				m.report(dropColumn, "CASCADE destroys every column of a type that comes from %s, with its values", shown)
			}
		}
	}
}
