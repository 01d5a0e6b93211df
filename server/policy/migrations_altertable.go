package policy

import pg "github.com/pganalyze/pg_query_go/v6"

func (m *migration) column(rel *pg.RangeVar, name string) object {
	return object{aColumn, m.relation(rel), name}
}

func (m *migration) check(rel *pg.RangeVar, name string) object {
	return object{aCheck, m.relation(rel), name}
}

// proves takes in what a valid CHECK says about every row.
func (m *migration) proves(rel *pg.RangeVar, s sighting) {
	name := m.relation(rel)
	m.see(object{kind: aRowProof, RelationName: name}, sighting{})
	for _, column := range s.notNull {
		m.see(object{aNotNullProof, name, column}, sighting{})
	}
}

// dropsCheck forgets what the CHECK proved; what another one proves as well
// goes with it.
func (m *migration) dropsCheck(rel *pg.RangeVar, name string) {
	check := m.check(rel, name)
	s, ok := m.objects[check]
	if !ok {
		return
	}
	m.forget(check)
	m.forget(object{kind: aRowProof, RelationName: check.RelationName})
	for _, column := range s.notNull {
		m.forget(object{aNotNullProof, check.RelationName, column})
	}
}

// alterTable examines the changes of a table that was there before. Of a new
// one, only the loss of rows that it may hold matters.
func (m *migration) alterTable(n *pg.AlterTableStmt) {
	rel := n.GetRelation()
	isNew, isEmpty := m.isNew(rel), m.isEmpty(m.relation(rel))
	for _, node := range n.GetCmds() {
		cmd := node.GetAlterTableCmd()
		switch cmd.GetSubtype() {
		case pg.AlterTableType_AT_DropColumn:
			if !isEmpty {
				m.dropsColumn(rel, cmd)
			}
		case pg.AlterTableType_AT_AttachPartition:
			m.attachPartition(rel, cmd.GetDef().GetPartitionCmd().GetName())
		default:
			if !isNew {
				m.alterInUse(rel, cmd)
			}
		}
	}
}

func (m *migration) alterInUse(rel *pg.RangeVar, cmd *pg.AlterTableCmd) {
	switch cmd.GetSubtype() {
	case pg.AlterTableType_AT_AddColumn:
		m.addColumn(rel, cmd.GetDef().GetColumnDef(), cmd.GetMissingOk())
	case pg.AlterTableType_AT_AlterColumnType:
		m.columnType(rel, cmd)
	case pg.AlterTableType_AT_SetNotNull:
		if !m.has(object{aNotNullProof, m.relation(rel), cmd.GetName()}) {
			m.report(setNotNull, "every row of %s is read to see that %s is not null, and reads and writes wait meanwhile", shownName(rel), cmd.GetName())
		}
	case pg.AlterTableType_AT_AddConstraint:
		m.addConstraint(rel, cmd.GetDef().GetConstraint())
	case pg.AlterTableType_AT_ValidateConstraint:
		if s, ok := m.objects[m.check(rel, cmd.GetName())]; ok {
			m.proves(rel, s)
		}
	case pg.AlterTableType_AT_DropConstraint:
		m.dropsCheck(rel, cmd.GetName())
	case pg.AlterTableType_AT_DisableTrig:
		m.report(disableTrigger, "trigger %s of %s does not run for anybody until it is enabled again", cmd.GetName(), shownName(rel))
	case pg.AlterTableType_AT_DisableTrigUser:
		m.report(disableTrigger, "no trigger of %s runs for anybody until they are enabled again", shownName(rel))
	case pg.AlterTableType_AT_DisableTrigAll:
		m.report(disableTrigger, "no trigger of %s runs for anybody until they are enabled again; foreign keys are not enforced either", shownName(rel))
	}
}

func (m *migration) dropsColumn(rel *pg.RangeVar, cmd *pg.AlterTableCmd) {
	added := m.column(rel, cmd.GetName())
	if s, ok := m.objects[added]; !ok || s.perhaps {
		m.report(dropColumn, "DROP COLUMN destroys the values of %s in %s, and nothing brings them back", cmd.GetName(), shownName(rel))
	}
	m.forget(added)
}

// attachPartition examines the partition: it is the one that is locked and
// scanned, whether the partitioned table is new or not.
func (m *migration) attachPartition(rel, partition *pg.RangeVar) {
	if m.isNew(partition) || m.has(object{kind: aRowProof, RelationName: m.relation(partition)}) {
		return // that the CHECK says the same as the bounds is not examined
	}
	m.report(attachPartitionWithoutCheck, "every row of %s is read to see that it belongs to this partition of %s, and reads and writes of it wait meanwhile, unless a CHECK proves it",
		shownName(partition), shownName(rel))
}

func (m *migration) addConstraint(rel *pg.RangeVar, c *pg.Constraint) {
	switch c.GetContype() {
	case pg.ConstrType_CONSTR_CHECK:
		if !c.GetSkipValidation() {
			m.report(addCheckNotValidMissing, "every row of %s is checked, and reads and writes wait meanwhile", shownName(rel))
		}
		s := sighting{notNull: provesNotNull(c.GetRawExpr())}
		m.see(m.check(rel, c.GetConname()), s)
		if !c.GetSkipValidation() {
			m.proves(rel, s)
		}
	case pg.ConstrType_CONSTR_FOREIGN:
		if !c.GetSkipValidation() {
			m.report(addForeignKeyNotValidMissing, "every row of %s is looked up in %s, and writes to both wait meanwhile", shownName(rel), shownName(c.GetPktable()))
		}
	case pg.ConstrType_CONSTR_UNIQUE:
		if c.GetIndexname() == "" {
			m.report(addUniqueConstraint, "the unique index of %s is built while reads and writes wait", shownName(rel))
		}
	case pg.ConstrType_CONSTR_EXCLUSION:
		m.reportAs(addUniqueConstraint, severityError, "do it when nobody uses the table: PostgreSQL has no concurrent way for EXCLUDE",
			"the index of the exclusion constraint of %s is built while reads and writes wait", shownName(rel))
	case pg.ConstrType_CONSTR_PRIMARY:
		if c.GetIndexname() == "" {
			m.report(addPrimaryKey, "the index of the primary key of %s is built while reads and writes wait", shownName(rel))
		}
	}
}

// provesNotNull are the columns that are not null wherever a condition holds.
func provesNotNull(condition *pg.Node) []string {
	if t := condition.GetNullTest(); t != nil {
		fields := stringsOf(t.GetArg().GetColumnRef().GetFields())
		if t.GetNulltesttype() == pg.NullTestType_IS_NOT_NULL && len(fields) > 0 {
			return fields[len(fields)-1:]
		}
	}
	var columns []string
	if b := condition.GetBoolExpr(); b.GetBoolop() == pg.BoolExprType_AND_EXPR {
		for _, arg := range b.GetArgs() {
			columns = append(columns, provesNotNull(arg)...)
		}
	}
	return columns
}
