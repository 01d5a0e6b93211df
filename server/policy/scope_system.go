package policy

import (
	"maps"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Tables have system columns and sub-selects have none: a bare ctid below the
// sub-select that stands for a table would be that of another table, further
// out. So the sub-select puts out those that the statement names. Where all of
// its columns are asked for they would come as well, and the statement is
// refused.

var systemColumns = map[string]bool{"ctid": true, "tableoid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true}

// wholly notes that all columns of an item are asked for.
func (a *analysis) wholly(items ...*fromItem) {
	for _, item := range items {
		if item.holder != nil {
			a.whole[item.holder] = true
		}
	}
}

// supply has the sub-select for u put out the system columns that the statement
// may mean of it.
func (a *analysis) supply(u *use, said *mentions) *refusal {
	if u.rules.relation == nil || u.body != nil || !slices.Contains([]byte("rpmf"), u.rules.relation.Kind) {
		return nil
	}
	name := u.rangeVar.Relname
	if alias := u.rangeVar.GetAlias().GetAliasname(); alias != "" {
		name = alias
	}
	meant := said.system[""]
	for _, d := range said.dotted {
		meant = meant || d[0] == name && systemColumns[d[1]]
	}
	if !meant {
		return nil
	}
	for _, c := range slices.Sorted(maps.Keys(said.system)) {
		if c != "" {
			u.system = append(u.system, c)
		}
	}
	if !a.whole[u.holder] {
		return nil
	}
	rule := "masked_column_expression"
	if u.rules.filtered() {
		rule = "row_filter_unsafe"
	}
	return refuse(rule, "List the columns of the table.",
		"system column %q is not to be had beside a star or the whole row of table %q, which has masks or a row filter", u.system[0], u.rangeVar.Relname)
}

// supplied are the system columns at the end of a select list that replace
// has put in.
func supplied(s *pg.SelectStmt) []string {
	for i, n := range s.TargetList {
		fields, star := columnFields(n.GetResTarget().GetVal().GetColumnRef())
		if star || len(fields) != 2 || fields[0] != within || !systemColumns[fields[1]] {
			continue
		}
		var names []string
		for _, n := range s.TargetList[i:] {
			fields, _ := columnFields(n.GetResTarget().GetVal().GetColumnRef())
			names = append(names, fields[max(0, len(fields)-1):]...)
		}
		return names
	}
	return nil
}
