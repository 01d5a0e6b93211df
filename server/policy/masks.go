package policy

import (
	"fmt"
	"sort"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// maskRefusal is the refusal of a masked column outside a select list. It
// names nothing but what the principal wrote.
func maskRefusal(p place, what string) *refusal {
	where := "inside an expression"
	if p.rule == "masked_column_predicate" {
		where = "where its value would decide which rows, groups or order come back"
	}
	return refuse(p.rule, "Name a masked column in a select list only, by itself; use another column here.",
		"a masked column may not stand %s: %s", where, what)
}

func renameRefusal() *refusal {
	return refuse("masked_column_rename", "Leave out the list of column names, or name columns with AS in the select list.",
		"a list of column names after an alias may not rename a masked column by its position")
}

// unresolved refuses a reference that nothing in sight answers to. It names
// nothing but what the principal wrote.
func unresolved(fields []string) *refusal {
	if rowsOfWrites[fields[0]] {
		return refuse("statement_not_allowed", "Name the columns alone, without old or new.",
			"%q is no table in sight, and the row before or after a write may not be named under rules about tables", fields[0])
	}
	return refuse("function_not_allowed", "Check the spelling, and call functions as name(argument).",
		"%s is no column of the tables in sight", quoted(strings.Join(fields, "."))).undefinedName("42703")
}

func unsafeFilter(format string, args ...any) *refusal {
	return refuse("row_filter_unsafe", "Ask your operator how to do this under the policy's row filters.", format, args...)
}

// compiledMask is a mask of the profile.
type compiledMask struct {
	table  pattern
	column string // lower case
	kind   MaskKind
	// lost: the table is there, and nowhere it has the column. Perhaps that has
	// another name now, under which nothing would hide it.
	lost bool
}

func compileMasks(masks []Mask, catalog *Catalog) ([]compiledMask, error) {
	out := make([]compiledMask, 0, len(masks))
	for i, m := range masks {
		p, err := parsePattern(m.Table)
		if err != nil {
			return nil, fmt.Errorf("masking_rules[%d].table: %w", i, err)
		}
		switch m.Kind {
		case Redact, Null, Hash:
		default:
			return nil, fmt.Errorf("masking_rules[%d].kind: %q is none of redact, null, hash", i, m.Kind)
		}
		column, err := columnName(m.Column)
		if err != nil {
			return nil, fmt.Errorf("masking_rules[%d].column: %w", i, err)
		}
		c := compiledMask{table: p, column: lower(column), kind: m.Kind}
		for _, have := range out {
			if have.table.name == p.name && have.table.schema == p.schema && have.column == c.column && have.kind != c.kind {
				return nil, fmt.Errorf("masking_rules[%d]: column %q of %q is already masked as %s", i, m.Column, m.Table, have.kind)
			}
		}
		c.lost = c.misses(catalog)
		out = append(out, c)
	}
	return out, nil
}

func (m *compiledMask) misses(catalog *Catalog) bool {
	if catalog == nil {
		return false
	}
	there := false
	for name, rel := range catalog.Relations {
		if !m.table.restricts(name) {
			continue
		}
		there = true
		for _, c := range rel.Columns {
			if lower(c.Name) == m.column {
				return false
			}
		}
	}
	return there
}

// columnName reads a column's name as a rule has it, in quotes or without.
func columnName(text string) (string, error) {
	if text == "" {
		return "", fmt.Errorf("it is empty")
	}
	if text[0] != '"' {
		return text, nil
	}
	name, tail, err := identifier(text)
	if err == nil && tail != "" {
		err = fmt.Errorf("want one column name")
	}
	return name, err
}

// maskText is the SQL of the expression that stands for a masked column.
// reference is its SQL. A NULL stays NULL, and the type stays what it is, as
// far as clients are told it: PostgreSQL describes a domain as its base type.
func maskText(reference string, kind MaskKind, typ uint32, catalog *Catalog) (string, bool) {
	info, ok := baseType(typ, catalog)
	if kind == Null || ok && !textLike(info) {
		return "CASE WHEN false THEN " + reference + " END", true // of the column's own type, whatever it is
	}
	if !ok {
		return "", false
	}
	name := quoteName(info.Schema) + "." + quoteName(info.Name)
	if info.Schema == "pg_catalog" && info.Name == "bpchar" {
		name = "bpchar" // qualified it would be written as char, which is char(1)
	}
	if kind == Redact {
		return "CASE WHEN " + reference + " IS NULL THEN NULL ELSE '[redacted]'::" + name + " END", true
	}
	return "pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(" + reference +
		"::pg_catalog.text, 'UTF8')), 'hex')::" + name, true
}

// textLike types take any text of any length. name cuts at 63 bytes, which
// would make of a hash something else, and so it is none of them.
func textLike(t TypeInfo) bool {
	return t.Category == 'S' && t.Element == 0 && !(t.Schema == "pg_catalog" && (t.Name == "name" || t.Name == "char"))
}

// baseType is the type below all domains.
func baseType(oid uint32, catalog *Catalog) (TypeInfo, bool) {
	for range 32 {
		info, ok := catalog.Types[oid]
		if !ok || info.Name == "" || info.Schema == "" {
			return TypeInfo{}, false
		}
		if info.Base == 0 {
			return info, true
		}
		oid = info.Base
	}
	return TypeInfo{}, false
}

// outputKinds are the masks of the output columns by position.
func outputKinds(s shape) map[int]MaskKind {
	kinds := make(map[int]MaskKind)
	for i, c := range s.columns {
		if c.mask != "" {
			kinds[i] = c.mask
		}
	}
	if len(kinds) == 0 {
		return nil
	}
	return kinds
}

// maskedColumns lists every masked column of each relation that
// the statement touches, and every output column that carries one.
func (a *analysis) maskedColumns(out shape) []MaskedColumn {
	set := make(map[MaskedColumn]bool)
	for _, rules := range a.touched {
		for name, kind := range rules.masks {
			set[MaskedColumn{name, kind}] = true
		}
	}
	for _, c := range out.columns {
		if c.mask != "" {
			set[MaskedColumn{c.name, c.mask}] = true
		}
	}
	list := make([]MaskedColumn, 0, len(set))
	for m := range set {
		list = append(list, m)
	}
	sort.Slice(list, func(i, j int) bool {
		return list[i].Column+":"+string(list[i].Kind) < list[j].Column+":"+string(list[j].Kind)
	})
	return list
}

// mask replaces a masked column of a write's target in RETURNING. It keeps the
// name that the client sees.
func (a *analysis) mask(r returned) *refusal {
	text, ok := a.returnedText(r.ref, r.column)
	if !ok {
		return untyped()
	}
	expr, err := parseExpression(text)
	if err != nil {
		return untyped()
	}
	if r.target.Name == "" {
		r.target.Name = r.column.name
	}
	r.target.Val = expr
	return nil
}

func (a *analysis) returnedText(ref *pg.ColumnRef, c column) (string, bool) {
	if a.rules.catalog == nil {
		return "", false
	}
	fields, _ := columnFields(ref)
	return maskText(quoteNames(fields), c.mask, c.typ, a.rules.catalog)
}

func untyped() *refusal {
	return refuse("masked_column_expression", "Leave the column out.", "the type of a masked column is not known, so it cannot be masked")
}

// recognizeMask says whether an item of RETURNING is a masked column of the
// target that was replaced already.
func (a *analysis) recognizeMask(t *pg.ResTarget, ns *namespace) (column, bool) {
	if !a.again {
		return column{}, false
	}
	var ref *pg.ColumnRef
	if when := firstWhen(t.Val); when != nil && when.Result.GetColumnRef() != nil {
		ref = when.Result.GetColumnRef()
	} else if when != nil {
		ref = when.Expr.GetNullTest().GetArg().GetColumnRef()
	} else if ref = hashedReference(t.Val); ref == nil {
		return column{}, false
	}
	fields, star := columnFields(ref)
	if star || len(fields) == 0 {
		return column{}, false
	}
	m := ns.resolve(fields)
	if !m.known || m.row != nil || m.mask == "" || !m.live {
		return column{}, false
	}
	text, ok := a.returnedText(ref, m.column)
	if !ok || !sameExpression(t.Val, text) {
		return column{}, false
	}
	c := m.column
	c.live, c.name = false, outputName(t)
	return c, true
}

func firstWhen(n *pg.Node) *pg.CaseWhen {
	if c := n.GetCaseExpr(); c != nil && len(c.Args) > 0 {
		return c.Args[0].GetCaseWhen()
	}
	return nil
}

// hashedReference digs the column out of encode(sha256(convert_to(c::text, …
func hashedReference(n *pg.Node) *pg.ColumnRef {
	for range 6 {
		switch e := n.GetNode().(type) {
		case *pg.Node_TypeCast:
			n = e.TypeCast.Arg
		case *pg.Node_FuncCall:
			if len(e.FuncCall.Args) == 0 {
				return nil
			}
			n = e.FuncCall.Args[0]
		case *pg.Node_ColumnRef:
			return e.ColumnRef
		default:
			return nil
		}
	}
	return nil
}
