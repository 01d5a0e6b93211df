package policy

import (
	"regexp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// A predicate means what its author wrote only while the session's settings
// are what they were: another time zone moves current_date, another DateStyle
// reads '02/01/2026' as another day, and a function may look at any setting.
// What could change a filter's rows, the principal may not set.

// sway is which settings a filter's outcome may depend on.
type sway struct {
	times bool // the time zone, and how dates and intervals are read and written
	forms bool // how other values are
	any   bool // any that an application could make up: code reads them that is not seen here
}

var (
	timeSettings = nameSet(`timezone datestyle intervalstyle`)
	formSettings = nameSet(`extra_float_digits bytea_output xmlbinary xmloption lc_monetary lc_numeric lc_time default_text_search_config`)
)

// Sways says whether a setting could change which rows a filter lets through.
func (e *Engine) Sways(name string) bool {
	name = strings.ToLower(name)
	for _, f := range e.profile.Filters {
		predicate := strings.ToLower(f.Predicate)
		if strings.Contains(predicate, "'"+name+"'") || strings.Contains(name, ".") && strings.Contains(predicate, name) {
			return true
		}
	}
	e.swayOnce.Do(func() { e.sway = e.readSway() })
	return e.sway.times && timeSettings[name] || e.sway.forms && formSettings[name] || e.sway.any && strings.Contains(name, ".")
}

// Swayable says whether a setting could be one that a row filter depends on,
// and is not PgBeam's own.
func Swayable(name string) bool {
	name = strings.ToLower(name)
	return timeSettings[name] || formSettings[name] || strings.Contains(name, ".") && !strings.HasPrefix(name, "pgbeam.")
}

func (e *Engine) readSway() sway {
	var all sway
	for _, f := range e.profile.Filters {
		expr, err := parsePredicate(f.Predicate)
		if err != nil {
			return sway{true, true, true}
		}
		r := &swayReader{engine: e, types: make(map[string][]uint32), statement: read(expr, "")}
		if p, err := parsePattern(f.Table); err == nil && e.catalog != nil {
			for _, rel := range e.matching(p) {
				r.columns(rel)
			}
		}
		r.relations()
		r.calls()
		r.visit(expr)
		all.times = all.times || r.times || r.dated && (r.spelled || r.written)
		all.forms, all.any = all.forms || r.forms, all.any || r.any
	}
	return all
}

// swayReader reads one predicate.
type swayReader struct {
	engine    *Engine
	statement *statement
	types     map[string][]uint32 // of the columns that its names may mean
	sway
	dated   bool // it looks at dates
	spelled bool // a literal may be a date that is read by the settings
	written bool // it may make text of a date
}

func (r *swayReader) columns(rel *Relation) {
	for _, c := range rel.Columns {
		r.types[c.Name] = append(r.types[c.Name], c.Type)
	}
}

// relations collects the columns of what sub-selects read. What the query of a
// view depends on is not seen here.
func (r *swayReader) relations() {
	for _, ref := range r.statement.refs {
		if r.engine.catalog == nil {
			continue
		}
		r.engine.resolveRef(ref, newBatch())
		if ref.relation == nil || ref.relation.Kind == 'v' {
			r.sway = sway{true, true, true}
			continue
		}
		r.columns(ref.relation)
	}
}

func (r *swayReader) calls() {
	for _, f := range r.statement.functions {
		r.call(f)
	}
	for _, op := range r.statement.operators {
		last := op[len(op)-1]
		if !r.engine.operator(r.statement, op) {
			r.sway = sway{true, true, true}
		}
		r.forms = r.forms || strings.HasPrefix(last, "@@")
		r.written = r.written || !comparisons[last] && last != "+" && last != "-"
	}
	for _, c := range r.statement.casts {
		if r.engine.catalog != nil && !r.engine.harmlessCast(r.statement, c) {
			r.any = true
		}
	}
}

// nows are the functions that tell the time.
var nows = nameSet(`now clock_timestamp statement_timestamp transaction_timestamp`)

// settled are functions that no setting changes, for deciding without a catalog.
var settled = nameSet(`lower upper btrim ltrim rtrim length left right substr substring split_part md5 abs mod starts_with position
	strpos replace concat array_position cardinality any_value min max count sum`)

func (r *swayReader) call(f functionRef) {
	name := f.name[len(f.name)-1]
	r.written = true
	switch {
	case name == "current_setting" && f.call != nil && len(f.call.Args) > 0:
		_, ok := literal(f.call.Args[0])
		r.any = r.any || !ok
		return
	case nows[name] && f.args == 0:
		r.times = true
		return
	case r.engine.catalog == nil || len(r.engine.catalog.Functions) == 0:
		if !settled[name] {
			r.times, r.forms = true, true
			r.any = r.any || reachByName(f) != reachBuiltin
		}
		return
	}
	known := r.engine.overloads(f)
	for _, o := range known {
		r.any = r.any || !o.Builtin
		if o.Volatility != 'i' {
			r.times, r.forms = true, true
		}
	}
	if len(known) == 0 {
		r.sway = sway{true, true, true}
	}
}

// Literals that may be a date, and those that are one whatever the settings.
var (
	isoDate    = regexp.MustCompile(`^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?$`)
	someMoment = regexp.MustCompile(`(?i)\d\D*\d\D*\d|^\s*(now|today|tomorrow|yesterday)`)
)

func (r *swayReader) visit(m proto.Message) {
	switch n := m.(type) {
	case *pg.Node:
		if n == nil {
			return
		}
	case *pg.A_Const:
		if text := n.GetSval().GetSval(); someMoment.MatchString(text) {
			r.spelled = r.spelled || !isoDate.MatchString(text)
			r.times = r.times || r.engine.catalog == nil // of which type is not known
		}
	case *pg.ColumnRef:
		r.column(n)
		return
	case *pg.A_Expr:
		// A date is compared with a moment by the time zone.
		r.times = r.times || r.engine.catalog == nil && n.Lexpr.GetColumnRef() != nil && n.Rexpr.GetColumnRef() != nil && strings.ContainsAny(operatorOf(n), "<>")
	case *pg.SQLValueFunction:
		switch n.Op {
		case pg.SQLValueFunctionOp_SVFOP_CURRENT_ROLE, pg.SQLValueFunctionOp_SVFOP_CURRENT_USER, pg.SQLValueFunctionOp_SVFOP_USER,
			pg.SQLValueFunctionOp_SVFOP_SESSION_USER, pg.SQLValueFunctionOp_SVFOP_CURRENT_CATALOG, pg.SQLValueFunctionOp_SVFOP_CURRENT_SCHEMA:
		default:
			r.times = true
		}
	case *pg.TypeName:
		r.castTo(n)
	case *pg.JsonFuncExpr, *pg.JsonTable, *pg.RangeTableFunc, *pg.XmlExpr, *pg.XmlSerialize:
		r.times, r.forms = true, true
	}
	eachChild(m, func(_ string, child proto.Message) { r.visit(child) })
}

func (r *swayReader) column(n *pg.ColumnRef) {
	if r.engine.catalog == nil {
		return
	}
	fields, star := columnFields(n)
	if star || len(fields) == 0 || len(r.types[fields[len(fields)-1]]) == 0 {
		r.times, r.forms = true, true // a whole row, or what a sub-select puts out
		return
	}
	for _, oid := range r.types[fields[len(fields)-1]] {
		r.value(oid)
	}
}

func (r *swayReader) castTo(n *pg.TypeName) {
	names := stringsOf(n.Names)
	if len(names) == 0 {
		return
	}
	name := names[len(names)-1]
	if r.engine.catalog == nil {
		switch castFamilies[name] {
		case 0, dates, timestamps, zonedTimestamps:
			r.times, r.forms = true, true
		}
		return
	}
	r.written = true
	known := r.engine.types(name)
	for _, t := range known {
		r.value(t.OID)
	}
	if len(known) == 0 {
		r.times, r.forms = true, true
	}
}

// value notes a value of a type.
func (r *swayReader) value(oid uint32) {
	base := r.engine.base(oid)
	switch family(base) {
	case integers, texts, paddedTexts, booleans, uuids, oids:
		return
	case dates, timestamps:
		r.dated = true
		return
	case zonedTimestamps:
		r.times = true
		return
	}
	plain := []uint32{18, 19, 114, 650, 829, 869, 1700, 3802} // "char", name, json, cidr, macaddr, inet, numeric, jsonb
	if !slices.Contains(plain, base) && r.engine.catalog.Types[base].Category != 'E' {
		r.times, r.forms = true, true
	}
}

func operatorOf(n *pg.A_Expr) string {
	names := stringsOf(n.Name)
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}
