package policy

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// A foreign key may have rows of one table follow those of another: ON UPDATE
// CASCADE gives the new key to all that refer to it, hidden ones included. Who
// could change by it what a filter looks at would choose what to see.

// change is what a write does to a relation: it assigns to a column, or deletes
// rows where column is empty.
type change struct {
	relation RelationName
	column   string
}

// cascades refuses a write that changes what a filter looks at by way of
// foreign keys.
func (a *analysis) cascades(v *pg.RangeVar, rules *relationRules, assigned []*pg.Node, deletes bool) {
	if a.binding != nil || rules.relation == nil || len(a.rules.filters) == 0 || len(a.rules.catalog.ForeignKeys) == 0 {
		return
	}
	var first []string
	for _, t := range assigned {
		first = append(first, t.GetResTarget().GetName())
	}
	if deletes {
		first = append(first, "")
	}
	for _, column := range first {
		for next := range a.rules.following(rules.relation, column) {
			if !a.rules.decides(next) {
				continue
			}
			if column == "" {
				a.refuse(unsafeFilter("rows of table %q decide, by a foreign key, which rows this credential may see, and are not deleted by it", v.GetRelname()))
			} else {
				a.refuse(unsafeFilter("column %q decides, by a foreign key, which rows this credential may see and cannot be changed by it", column))
			}
			return
		}
	}
}

// following are the changes that foreign keys make after one to a column of a
// relation.
func (r *ruleSet) following(rel *Relation, column string) map[change]bool {
	var open []change
	for _, n := range r.engine.lineage(rel).reads {
		open = append(open, change{n, column})
	}
	for _, source := range rel.sourcesOf(column) { // of a view's
		open = append(open, change{source.Relation, source.Column})
	}
	found := make(map[change]bool)
	for len(open) > 0 {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		for _, k := range r.catalog.ForeignKeys {
			if k.References != at.relation {
				continue
			}
			for _, column := range k.follow(at.column) {
				if next := (change{k.Table, column}); !found[next] {
					found[next] = true
					open = append(open, next)
				}
			}
		}
	}
	return found
}

// follow are the columns that change after a key did, or after rows were
// deleted where it is empty; an empty one means that rows are deleted then.
func (k *ForeignKey) follow(key string) []string {
	action, columns := k.OnDelete, []string{""}
	if key != "" {
		at := slices.Index(k.Keys, key)
		if at < 0 {
			return nil
		}
		action, columns = k.OnUpdate, k.Columns[at:at+1]
	}
	switch action {
	case 'c':
		return columns
	case 'n', 'd':
		return k.Columns
	}
	return nil
}

// decides says whether a filter looks at what a change changes. Rows that are
// deleted show no others, but to a filter of another table.
func (r *ruleSet) decides(c change) bool {
	rel := r.catalog.Relations[c.relation]
	rules := r.of(rel, c.relation)
	if c.column != "" && rules.changes(c.column) {
		return true
	}
	for _, s := range r.supporting(rel, c.relation) {
		if (s.all || c.column == "" || s.columns[c.column]) && !s.own(rules) {
			return true
		}
	}
	return false
}
