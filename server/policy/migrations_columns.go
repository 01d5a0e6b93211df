package policy

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// addColumn examines a new column of a table in use. PostgreSQL keeps a
// constant default beside the table; anything that differs from row to row has
// to be written into each.
func (m *migration) addColumn(rel *pg.RangeVar, c *pg.ColumnDef, perhaps bool) {
	filled, notNull := false, false
	var others []*pg.Constraint
	if types := stringsOf(c.GetTypeName().GetNames()); len(types) == 1 && slices.Contains(serialTypes, types[0]) {
		filled = true
		m.rewrites(rel, c, types[0]+" takes a number for every row")
	}
	for _, node := range c.GetConstraints() {
		switch k := node.GetConstraint(); k.GetContype() {
		case pg.ConstrType_CONSTR_NOTNULL:
			notNull = true
		case pg.ConstrType_CONSTR_IDENTITY:
			filled = true
			m.rewrites(rel, c, "an identity takes a number for every row")
		case pg.ConstrType_CONSTR_GENERATED:
			filled = true
			m.rewrites(rel, c, "a generated column is computed for every row")
		case pg.ConstrType_CONSTR_DEFAULT:
			if k.GetRawExpr().GetAConst().GetIsnull() {
				continue
			}
			filled = true
			if mayBeVolatile(k.GetRawExpr()) {
				m.rewrites(rel, c, "the default may differ from row to row")
			}
		default:
			others = append(others, k)
		}
	}
	if notNull && !filled {
		m.report(addNotNullNoDefault, "%s.%s has no value for the rows that are there, so that this fails unless %s is empty", shownName(rel), c.GetColname(), shownName(rel))
	}
	for _, k := range others {
		if k.GetContype() == pg.ConstrType_CONSTR_FOREIGN && !filled {
			continue // nulls refer to nothing: PostgreSQL skips the look-up
		}
		m.addConstraint(rel, k)
	}
	m.see(m.column(rel, c.GetColname()), sighting{typeName: c.GetTypeName(), perhaps: perhaps})
}

var serialTypes = []string{"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"}

func (m *migration) rewrites(rel *pg.RangeVar, c *pg.ColumnDef, why string) {
	m.report(addColumnVolatileDefault, "%s is rewritten to add %s, and reads and writes wait meanwhile: %s", shownName(rel), c.GetColname(), why)
}

// steadyFunctions give the same result for every row of a statement, if their
// arguments do.
var steadyFunctions = []string{
	"abs", "array_fill", "btrim", "cardinality", "ceil", "ceiling", "chr", "coalesce", "concat", "concat_ws",
	"current_database", "current_schema", "current_setting", "date_part", "date_trunc", "decode", "encode", "floor",
	"format", "greatest", "int4range", "int8range", "json_build_array", "json_build_object", "jsonb_build_array",
	"jsonb_build_object", "least", "left", "length", "lower", "lpad", "ltrim", "make_date", "make_interval",
	"make_timestamp", "make_timestamptz", "md5", "now", "numrange", "quote_ident", "quote_literal", "repeat",
	"replace", "right", "round", "rpad", "rtrim", "sha256", "statement_timestamp", "timezone", "to_char", "to_date",
	"to_json", "to_jsonb", "to_number", "to_timestamp", "to_tsvector", "transaction_timestamp", "trunc", "tsrange",
	"tstzrange", "upper",
}

// mayBeVolatile reports whether an expression may differ from row to row. What
// it does not know may.
func mayBeVolatile(expr *pg.Node) bool {
	switch n := expr.GetNode().(type) {
	case nil, *pg.Node_AConst, *pg.Node_SqlvalueFunction:
		return false
	case *pg.Node_TypeCast:
		return mayBeVolatile(n.TypeCast.GetArg())
	case *pg.Node_CollateClause:
		return mayBeVolatile(n.CollateClause.GetArg())
	case *pg.Node_AArrayExpr:
		return slices.ContainsFunc(n.AArrayExpr.GetElements(), mayBeVolatile)
	case *pg.Node_RowExpr:
		return slices.ContainsFunc(n.RowExpr.GetArgs(), mayBeVolatile)
	case *pg.Node_CoalesceExpr:
		return slices.ContainsFunc(n.CoalesceExpr.GetArgs(), mayBeVolatile)
	case *pg.Node_BoolExpr:
		return slices.ContainsFunc(n.BoolExpr.GetArgs(), mayBeVolatile)
	case *pg.Node_List:
		return slices.ContainsFunc(n.List.GetItems(), mayBeVolatile)
	case *pg.Node_AExpr:
		return mayBeVolatile(n.AExpr.GetLexpr()) || mayBeVolatile(n.AExpr.GetRexpr())
	case *pg.Node_FuncCall:
		name := stringsOf(n.FuncCall.GetFuncname())
		steady := len(name) == 1 || len(name) == 2 && name[0] == "pg_catalog"
		return !steady || !slices.Contains(steadyFunctions, name[len(name)-1]) || slices.ContainsFunc(n.FuncCall.GetArgs(), mayBeVolatile)
	}
	return true
}

// columnType examines a change of type. Where the migration itself gave the
// column its type, it is known whether the values stay as they are; else
// whether they can.
func (m *migration) columnType(rel *pg.RangeVar, cmd *pg.AlterTableCmd) {
	def := cmd.GetDef().GetColumnDef()
	to := def.GetTypeName()
	o := m.column(rel, cmd.GetName())
	from, added := m.objects[o]
	m.see(o, sighting{typeName: to, perhaps: from.perhaps || !added})
	castsOnly := def.GetRawDefault() == nil
	where := qualified(shownName(rel), cmd.GetName())
	switch length, text := textLength(to); {
	case from.typeName != nil && !from.perhaps && castsOnly && widens(from.typeName, to):
	case text && castsOnly && length == 0 && from.typeName == nil:
		m.reportAs(alterColumnType, severityInfo, "check the type that it has now",
			"nothing is rewritten if %s is of type varchar or text; if it is of another type, the table is", where)
	case text && castsOnly && from.typeName == nil:
		m.reportAs(alterColumnType, severityWarning, "check the type that it has now, or use text with a CHECK on its length",
			"nothing is rewritten if %s is a varchar of at most %d; else the table is, or the change fails", where, length)
	default:
		m.report(alterColumnType, "%s is rewritten with its indexes, and reads and writes wait meanwhile", shownName(rel))
	}
}

// textLength is the limit of varchar(n), 0 for varchar and text; false for
// other types.
func textLength(t *pg.TypeName) (int32, bool) {
	name := stringsOf(t.GetNames())
	if len(name) == 0 || len(t.GetArrayBounds()) > 0 || len(name) == 2 && name[0] != "pg_catalog" || len(name) > 2 {
		return 0, false
	}
	switch name[len(name)-1] {
	case "text":
		return 0, true
	case "varchar":
		if len(t.GetTypmods()) == 1 {
			return t.GetTypmods()[0].GetAConst().GetIval().GetIval(), true
		}
		return 0, true
	}
	return 0, false
}

// widens reports that every value of one type is one of the other, bit for bit.
func widens(from, to *pg.TypeName) bool {
	have, ok := textLength(from)
	want, text := textLength(to)
	return ok && text && (want == 0 || have > 0 && have <= want)
}
