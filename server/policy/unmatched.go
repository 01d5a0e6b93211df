package policy

import (
	"fmt"
	"slices"
)

// Mismatch is a rule of a profile that is about nothing in the database.
type Mismatch struct{ Field, Reason string }

// NeedsCatalog says whether p is held to by more than names: its rules are
// about relations, or it must be known which functions write.
func (p Profile) NeedsCatalog() bool {
	return p.Ruled() || !p.ReadOnly && (len(p.AllowStatements)+len(p.DenyStatements) > 0 || p.MaxAffectedRows > 0)
}

// Unmatched lists the rules that name a relation or a column that the catalog
// does not have. They protect it once it is made; until then they do nothing,
// which a typing mistake looks like, but for a mask whose table is there: it
// keeps that table from being read. Without a catalog there is no answer.
func (e *Engine) Unmatched() []Mismatch {
	if e.catalog == nil {
		return nil
	}
	var list []Mismatch
	note := func(field, format string, args ...any) {
		list = append(list, Mismatch{field, fmt.Sprintf(format, args...)})
	}
	const noTable = "there is no table %q in the database"
	for i, p := range e.allowed {
		if !slices.ContainsFunc(e.matching(p), func(r *Relation) bool { return p.grants(r.RelationName) }) {
			note(fmt.Sprintf("table_allowlist[%d]", i), noTable, p.text)
		}
	}
	for i, p := range e.denied {
		if len(e.matching(p)) == 0 {
			note(fmt.Sprintf("table_denylist[%d]", i), noTable, p.text)
		}
	}
	if len(e.profile.Masks)+len(e.profile.Filters) == 0 {
		return list
	}
	// The profile was compiled, so its rules are read again without error.
	masks, _ := compileMasks(e.profile.Masks, e.catalog)
	for i, m := range masks {
		relations := e.matching(m.table)
		has := func(r *Relation) bool {
			return slices.ContainsFunc(r.Columns, func(c Column) bool { return lower(c.Name) == m.column })
		}
		switch {
		case len(relations) == 0:
			note(fmt.Sprintf("masking_rules[%d].table", i), noTable, m.table.text)
		case !slices.ContainsFunc(relations, has):
			note(fmt.Sprintf("masking_rules[%d].column", i), "table %q has no column %q", m.table.text, e.profile.Masks[i].Column)
		}
	}
	for i, f := range e.profile.Filters {
		if p, err := parsePattern(f.Table); err == nil && len(e.matching(p)) == 0 {
			note(fmt.Sprintf("row_filters[%d].table", i), noTable, p.text)
		}
	}
	return list
}

// matching are the relations that a pattern means, in whichever schema.
func (e *Engine) matching(p pattern) []*Relation {
	var list []*Relation
	for name, r := range e.catalog.Relations {
		if p.restricts(name) {
			list = append(list, r)
		}
	}
	return list
}
