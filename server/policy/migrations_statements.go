package policy

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// statement examines one statement and takes in what it changes.
func (m *migration) statement(stmt *pg.Node) {
	switch n := stmt.GetNode().(type) {
	case *pg.Node_TransactionStmt:
		m.transaction(n.TransactionStmt)
	case *pg.Node_VariableSetStmt:
		m.setting(n.VariableSetStmt)
	case *pg.Node_CreateSchemaStmt:
		m.createSchema(n.CreateSchemaStmt)
	case *pg.Node_CreateStmt:
		m.see(object{kind: aTable, RelationName: m.relation(n.CreateStmt.GetRelation())}, sighting{perhaps: n.CreateStmt.GetIfNotExists()})
	case *pg.Node_CreateTableAsStmt:
		kind := aTable
		if n.CreateTableAsStmt.GetObjtype() == pg.ObjectType_OBJECT_MATVIEW {
			kind = aMatview
		}
		m.see(object{kind: kind, RelationName: m.relation(n.CreateTableAsStmt.GetInto().GetRel())},
			sighting{perhaps: n.CreateTableAsStmt.GetIfNotExists()})
	case *pg.Node_SelectStmt:
		if into := intoOf(n.SelectStmt); into != nil {
			m.see(object{kind: aTable, RelationName: m.relation(into.GetRel())}, sighting{})
		}
	case *pg.Node_CreateEnumStmt:
		m.createType(stringsOf(n.CreateEnumStmt.GetTypeName()))
	case *pg.Node_CreateDomainStmt:
		m.createType(stringsOf(n.CreateDomainStmt.GetDomainname()))
	case *pg.Node_CreateRangeStmt:
		m.createType(stringsOf(n.CreateRangeStmt.GetTypeName()))
	case *pg.Node_CompositeTypeStmt:
		m.see(object{kind: aType, RelationName: m.relation(n.CompositeTypeStmt.GetTypevar())}, sighting{})
	case *pg.Node_AlterEnumStmt:
		m.alterEnum(n.AlterEnumStmt)
	case *pg.Node_AlterDomainStmt:
		m.alterDomain(n.AlterDomainStmt)
	case *pg.Node_AlterTableStmt:
		if n.AlterTableStmt.GetObjtype() == pg.ObjectType_OBJECT_TABLE {
			m.alterTable(n.AlterTableStmt)
		}
	case *pg.Node_RenameStmt:
		m.rename(n.RenameStmt)
	case *pg.Node_AlterObjectSchemaStmt:
		m.moveTable(n.AlterObjectSchemaStmt)
	case *pg.Node_IndexStmt:
		m.createIndex(n.IndexStmt)
	case *pg.Node_ReindexStmt:
		m.reindex(n.ReindexStmt)
	case *pg.Node_RefreshMatViewStmt:
		m.refresh(n.RefreshMatViewStmt)
	case *pg.Node_LockStmt:
		m.lock(n.LockStmt)
	case *pg.Node_ClusterStmt:
		m.cluster(n.ClusterStmt)
	case *pg.Node_VacuumStmt:
		m.vacuum(n.VacuumStmt)
	default:
		m.destroying(stmt)
	}
}

// setting follows the schema that unqualified names mean.
func (m *migration) setting(n *pg.VariableSetStmt) {
	if n.GetKind() != pg.VariableSetKind_VAR_SET_VALUE || len(n.GetArgs()) == 0 {
		return
	}
	value := n.GetArgs()[0].GetAConst().GetSval().GetSval()
	switch n.GetName() {
	case "search_path":
		if value != "$user" {
			m.schema = value
		}
	case "session_replication_role":
		if value == "replica" {
			m.report(disableTrigger, "triggers and foreign keys of every table are off until session_replication_role is origin again")
		}
	}
}

func (m *migration) createSchema(n *pg.CreateSchemaStmt) {
	m.see(object{kind: aSchema, RelationName: RelationName{Name: n.GetSchemaname()}}, sighting{perhaps: n.GetIfNotExists()})
	outer := m.schema
	m.schema = n.GetSchemaname()
	for _, element := range n.GetSchemaElts() {
		m.statement(element)
	}
	m.schema = outer
}

func (m *migration) createType(parts []string) {
	m.see(object{kind: aType, RelationName: m.named(parts)}, sighting{})
}

func (m *migration) alterEnum(n *pg.AlterEnumStmt) {
	name := m.named(stringsOf(n.GetTypeName()))
	if n.GetOldVal() != "" || !m.inTransaction || m.has(object{kind: aType, RelationName: name}) {
		return
	}
	m.report(enumValueInTransaction, "the new value of %s cannot be used before this transaction ends, and PostgreSQL before 12 refuses it here",
		strings.Join(stringsOf(n.GetTypeName()), "."))
}

// alterDomain examines constraints, which hold for every table that has a
// column of the domain.
func (m *migration) alterDomain(n *pg.AlterDomainStmt) {
	if m.has(object{kind: aType, RelationName: m.named(stringsOf(n.GetTypeName()))}) {
		return
	}
	name := strings.Join(stringsOf(n.GetTypeName()), ".")
	switch n.GetSubtype() {
	case "C":
		switch c := n.GetDef().GetConstraint(); {
		case c.GetContype() == pg.ConstrType_CONSTR_NOTNULL:
			m.domainNotNull(name)
		case !c.GetSkipValidation():
			m.report(addCheckNotValidMissing, "every table with a column of type %s is scanned, and writes to them wait meanwhile", name)
		}
	case "O":
		m.domainNotNull(name)
	}
}

func (m *migration) domainNotNull(name string) {
	m.reportAs(setNotNull, severityError, "add CHECK (VALUE IS NOT NULL) NOT VALID to the domain instead, then validate it",
		"every table with a column of type %s is scanned, and writes to them wait meanwhile", name)
}

func (m *migration) rename(n *pg.RenameStmt) {
	rel := n.GetRelation()
	switch n.GetRenameType() {
	case pg.ObjectType_OBJECT_TABLE:
		m.moved(rel, RelationName{m.relation(rel).Schema, n.GetNewname()}, n.GetNewname())
	case pg.ObjectType_OBJECT_COLUMN:
		if n.GetRelationType() == pg.ObjectType_OBJECT_TABLE && !m.isNew(rel) {
			if added := m.column(rel, n.GetSubname()); m.has(added) {
				m.see(m.column(rel, n.GetNewname()), m.objects[added])
				m.forget(added)
				return
			}
			m.report(renameColumn, "statements that name %s.%s fail from the moment it is %s", shownName(rel), n.GetSubname(), n.GetNewname())
		}
	}
}

func (m *migration) moveTable(n *pg.AlterObjectSchemaStmt) {
	if n.GetObjectType() == pg.ObjectType_OBJECT_TABLE {
		rel := n.GetRelation()
		m.moved(rel, RelationName{n.GetNewschema(), rel.GetRelname()}, qualified(n.GetNewschema(), rel.GetRelname()))
	}
}

func (m *migration) moved(rel *pg.RangeVar, to RelationName, shown string) {
	from := object{kind: aTable, RelationName: m.relation(rel)}
	if s, ok := m.objects[from]; ok {
		m.forget(from)
		m.see(object{kind: aTable, RelationName: to}, s)
		return
	}
	m.report(renameTable, "statements that name %s fail from the moment it is %s", shownName(rel), shown)
}

func (m *migration) createIndex(n *pg.IndexStmt) {
	rel := n.GetRelation()
	if m.isNew(rel) {
		name := RelationName{m.relation(rel).Schema, n.GetIdxname()}
		m.see(object{kind: anIndex, RelationName: name}, sighting{})
		return
	}
	if n.GetConcurrent() || !rel.GetInh() { // ON ONLY a partitioned table builds nothing
		return
	}
	m.report(missingConcurrently, "CREATE INDEX blocks writes to %s until the index is built", shownName(rel))
}

func (m *migration) reindex(n *pg.ReindexStmt) {
	if option(n.GetParams(), "concurrently") {
		return
	}
	switch n.GetKind() {
	case pg.ReindexObjectType_REINDEX_OBJECT_TABLE:
		if !m.isNew(n.GetRelation()) {
			m.report(reindexNotConcurrently, "REINDEX blocks writes to %s, and reads that would use its indexes, until all of them are built", shownName(n.GetRelation()))
		}
	case pg.ReindexObjectType_REINDEX_OBJECT_INDEX:
		if !m.has(object{kind: anIndex, RelationName: m.relation(n.GetRelation())}) {
			m.report(reindexNotConcurrently, "REINDEX blocks writes to the table of %s, and reads that would use it, until it is built", shownName(n.GetRelation()))
		}
	case pg.ReindexObjectType_REINDEX_OBJECT_SYSTEM:
		m.reportAs(reindexNotConcurrently, severityError, "do it when nobody uses the database: system catalogs cannot be reindexed concurrently",
			"REINDEX SYSTEM blocks nearly everything while it rebuilds the system catalogs")
	default:
		m.report(reindexNotConcurrently, "REINDEX blocks writes to one table after another until all their indexes are built")
	}
}

func (m *migration) refresh(n *pg.RefreshMatViewStmt) {
	rel := n.GetRelation()
	switch {
	case n.GetConcurrent() || m.isNew(rel):
	case n.GetSkipData():
		m.report(refreshMatviewNotConcurrently, "%s cannot be read until it is refreshed again, this time with data", shownName(rel))
	default:
		m.report(refreshMatviewNotConcurrently, "REFRESH blocks reads of %s until its query has run", shownName(rel))
	}
}

// lockModes are PostgreSQL's, by number; those that let reads and writes go on
// have no word here.
var lockModes = map[int32]string{
	5: "writes", // SHARE
	6: "writes", // SHARE ROW EXCLUSIVE
	7: "writes", // EXCLUSIVE
	8: "reads and writes",
}

func (m *migration) lock(n *pg.LockStmt) {
	what, blocks := lockModes[n.GetMode()]
	if !blocks {
		return
	}
	for _, r := range n.GetRelations() {
		if rel := r.GetRangeVar(); !m.isNew(rel) {
			m.report(lockTable, "LOCK TABLE blocks %s of %s until the transaction ends", what, shownName(rel))
		}
	}
}

func (m *migration) cluster(n *pg.ClusterStmt) {
	switch rel := n.GetRelation(); {
	case rel == nil:
		m.report(clusterTable, "CLUSTER rewrites every table that was clustered before, and blocks reads and writes of each meanwhile")
	case !m.isNew(rel):
		m.report(clusterTable, "CLUSTER rewrites %s and blocks reads and writes of it meanwhile", shownName(rel))
	}
}

func (m *migration) vacuum(n *pg.VacuumStmt) {
	if !n.GetIsVacuumcmd() || !option(n.GetOptions(), "full") {
		return
	}
	if len(n.GetRels()) == 0 {
		m.report(vacuumFull, "VACUUM FULL rewrites every table of the database, and blocks reads and writes of each meanwhile")
	}
	for _, r := range n.GetRels() {
		if rel := r.GetVacuumRelation().GetRelation(); !m.isNew(rel) {
			m.report(vacuumFull, "VACUUM FULL rewrites %s and blocks reads and writes of it meanwhile", shownName(rel))
		}
	}
}

// option reports whether a boolean option is given and not off.
func option(options []*pg.Node, name string) bool {
	on := false
	for _, o := range options {
		d := o.GetDefElem()
		if d.GetDefname() != name {
			continue
		}
		switch arg := d.GetArg(); {
		case arg.GetString_() != nil:
			on = !strings.EqualFold(arg.GetString_().GetSval(), "false") && !strings.EqualFold(arg.GetString_().GetSval(), "off")
		case arg.GetInteger() != nil:
			on = arg.GetInteger().GetIval() != 0
		case arg.GetBoolean() != nil:
			on = arg.GetBoolean().GetBoolval()
		default:
			on = true
		}
	}
	return on
}
