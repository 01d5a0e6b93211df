package policy

import (
	"cmp"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Name resolution follows PostgreSQL's rules for which FROM item a name means,
// as far as it decides which columns are ruled; where two answers are possible
// the one that hides more is taken. It is not what keeps values hidden: that
// is done by replacing relations at their source (rewrite.go), so a mistake
// here refuses or permits a statement but shows nothing.

// column is one column of a FROM item or of a query's output.
type column struct {
	name string
	mask MaskKind // "" for one that is not masked
	typ  uint32   // 0 where it is not known
	live bool     // of a write's target, which no sub-select stands for

	collated bool // its collation is another than the database's
}

// shape is a row type: what a FROM item or a query puts out.
type shape struct {
	columns []column
	open    bool // there are more columns, not known to us
	// hidden are masked columns that are among the unknown ones.
	hidden map[string]MaskKind
}

func (s shape) masked() bool {
	for _, c := range s.columns {
		if c.mask != "" {
			return true
		}
	}
	return len(s.hidden) > 0
}

// append adds the columns of another shape, as a star does.
func (s *shape) append(other shape) {
	s.columns = append(s.columns, other.columns...)
	s.open = s.open || other.open
	for name, kind := range other.hidden {
		s.hide(name, kind)
	}
}

func (s *shape) hide(name string, kind MaskKind) {
	if s.hidden == nil {
		s.hidden = make(map[string]MaskKind)
	}
	s.hidden[name] = kind
}

// find returns the column of that name; unsure when it may be among the
// unknown ones. Of several, a masked one.
func (s shape) find(name string) (c column, found, unsure bool) {
	for _, have := range s.columns {
		if have.name == name && (!found || have.mask != "") {
			c, found = have, true
		}
	}
	if kind := cmp.Or(s.hidden[name], s.hidden[lower(name)]); kind != "" { // rules match without regard to case
		return column{name: name, mask: kind}, true, false
	}
	return c, found, s.open && !found
}

// rename puts the names of an alias column list in place, by position.
func (s shape) rename(names []string) shape {
	if len(names) == 0 {
		return s
	}
	out := shape{columns: append([]column(nil), s.columns...), open: s.open, hidden: s.hidden}
	for i, name := range names {
		if i < len(out.columns) {
			out.columns[i].name = name
		} else if out.open {
			out.columns = append(out.columns, column{name: name})
		}
	}
	return out
}

// renames says whether a list of n names covers a masked column.
func (s shape) renames(n int) bool {
	for i, c := range s.columns {
		if i < n && c.mask != "" {
			return true
		}
	}
	return n > 0 && len(s.hidden) > 0
}

// fromItem is one name that a FROM clause brings into sight.
type fromItem struct {
	name   string   // "" for an unnamed sub-select
	schema string   // of a table that has no alias
	holder *pg.Node // of a ruled relation: where it stands in FROM
	shape
}

// namespace is what the names in an expression can mean, innermost first.
type namespace struct {
	items []*fromItem
	star  shape // what an unqualified star expands to, in its order
	ctes  *cteFrame
	outer *namespace
}

// match is what a column reference means.
type match struct {
	column
	item   *fromItem // that the column is of
	row    *fromItem // set for a whole-row reference
	known  bool
	unsure bool // it may name a column that we do not know
}

// resolve finds what a column reference means. fields are its names without a
// trailing star. A column further out comes before a whole row nearby.
func (ns *namespace) resolve(fields []string) match {
	if len(fields) > 3 {
		fields = fields[len(fields)-3:]
	}
	unsure := false
	for at := ns; at != nil; at = at.outer {
		m := at.columnHere(fields)
		if m.known {
			return m
		}
		unsure = unsure || m.unsure
		// A qualifier means the nearest item of its name, and no other further out.
		if n := len(fields); n > 1 && at.item(fields[max(0, n-3):n-1]) != nil {
			break
		}
	}
	if item := ns.itemAnywhere(fields); item != nil {
		return match{item: item, row: item, known: true}
	}
	return match{unsure: unsure}
}

// columnHere looks for a column at this level.
func (ns *namespace) columnHere(fields []string) match {
	last := fields[len(fields)-1]
	var found match
	consider := func(item *fromItem) {
		c, ok, unsure := item.find(last)
		found.unsure = found.unsure || unsure
		if ok && (!found.known || c.mask != "") {
			found.column, found.item, found.known = c, item, true
		}
	}
	switch len(fields) {
	case 1:
		for _, item := range ns.items {
			consider(item)
		}
	case 2:
		for _, item := range ns.items {
			if item.name == fields[0] {
				consider(item)
			}
		}
	case 3:
		for _, item := range ns.items {
			if item.name == fields[1] && item.schema == fields[0] {
				consider(item)
			}
		}
	}
	return found
}

// item finds the FROM item that name, or schema and name, mean at this level.
func (ns *namespace) item(fields []string) *fromItem {
	var found *fromItem
	for _, item := range ns.items {
		matches := len(fields) == 1 && item.name == fields[0] ||
			len(fields) == 2 && item.schema == fields[0] && item.name == fields[1] && item.schema != ""
		if matches && (found == nil || item.masked()) {
			found = item
		}
	}
	return found
}

// itemAnywhere finds it at this level or further out.
func (ns *namespace) itemAnywhere(fields []string) *fromItem {
	if len(fields) > 2 {
		fields = fields[len(fields)-2:]
	}
	for at := ns; at != nil; at = at.outer {
		if item := at.item(fields); item != nil {
			return item
		}
	}
	return nil
}

// cteFrame is the names that one WITH clause defines.
type cteFrame struct {
	ctes []*cte
}

// cte is one common table expression. It is analyzed when first referred to,
// so that order does not matter under RECURSIVE.
type cte struct {
	node *pg.CommonTableExpr
	in   *namespace // what its query sees
	done bool
	busy bool // being analyzed: a reference is to itself
	shape
}

// cte finds the common table expression that an unqualified name means.
func (ns *namespace) cte(name string) *cte {
	for at := ns; at != nil; at = at.outer {
		if at.ctes == nil {
			continue
		}
		for i := len(at.ctes.ctes) - 1; i >= 0; i-- {
			if c := at.ctes.ctes[i]; c.node.Ctename == name {
				return c
			}
		}
	}
	return nil
}

// columnFields splits a reference into its names and whether a star ends it.
func columnFields(n *pg.ColumnRef) (fields []string, star bool) {
	for _, f := range n.GetFields() {
		if f.GetAStar() != nil {
			star = true
		}
	}
	return stringsOf(n.GetFields()), star
}
