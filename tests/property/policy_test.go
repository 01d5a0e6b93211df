package property

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// profile is a random policy as the API takes it.
type profile struct {
	Name       string   `json:"name"`
	AccessMode string   `json:"access_mode"`
	Allow      []string `json:"table_allowlist,omitempty"`
	Deny       []string `json:"table_denylist,omitempty"`
	Masks      []mask   `json:"masking_rules,omitempty"`
	Filters    []filter `json:"row_filters,omitempty"`
	MaxRows    int      `json:"max_rows,omitempty"`

	failing map[string]bool // drawn views that fail for rows in sight
}

type mask struct {
	Table  string `json:"table"`
	Column string `json:"column"`
	Kind   string `json:"kind"`
}

type filter struct {
	Table     string   `json:"table"`
	Predicate string   `json:"predicate"`
	columns   []string // that it names
}

func (p *profile) GoString() string { return p.String() }
func (p *profile) String() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// access is what a policy leaves of a relation.
type access struct {
	relation *relation
	masks    map[string]string // kind by column
	filters  []filter
	listed   bool // lists let it be named
	why      string
	unsafe   bool // it shows rows of a filtered relation in a way that cannot be filtered
	expanded bool // it is a view that is computed from filtered tables
	skipped  bool // it is a view of which it is not known here what it shows
}

func (a *access) filtered() bool { return a.unsafe || a.expanded || len(a.filters) > 0 }
func (a *access) ruled() bool    { return a.filtered() || len(a.masks) > 0 }
func (a *access) usable() bool   { return a.listed && !a.unsafe && !a.skipped }

// filterReads says whether a filter names a column of the relation.
func (a *access) filterReads(column string) bool {
	return slices.ContainsFunc(a.filters, func(f filter) bool { return slices.Contains(f.columns, column) })
}

// checkable says whether written rows may be held to the filters, and by hand
// as well: not where a filter reads the table itself, nor where it reads what a
// mask overwrites by hand.
func (a *access) checkable() bool {
	for _, f := range a.filters {
		if strings.Contains(f.Predicate, " FROM "+a.relation.name+" ") {
			return false
		}
		for _, column := range f.columns {
			if a.masks[column] != "" {
				return false
			}
		}
	}
	return true
}

// swayed are the columns of a table by which filters of others decide; none
// where filters of its own keep what may be written to it among rows in sight.
func (p *profile) swayed(a *access) []string {
	var list []string
	own := len(a.filters) > 0
	for _, f := range p.Filters {
		if !strings.Contains(f.Predicate, " FROM "+a.relation.name+" ") {
			continue
		}
		for _, column := range f.columns {
			if a.relation.has(column) {
				list = append(list, column)
				own = own && (a.filterReads(column) || slices.Equal(a.relation.key, []string{column}))
			}
		}
	}
	if own {
		return nil
	}
	return list
}

// reads are the relations whose rules reading r is subject to.
func (r *relation) below() []*relation {
	list := r.family()
	for _, b := range r.sources() {
		list = append(list, b.below()...)
		list = append(list, b.above()...)
	}
	return list
}

// sources are what a view reads.
func (r *relation) sources() []*relation {
	var list []*relation
	if r.reads != "" {
		list = append(list, named(r.reads))
	}
	for _, name := range r.bases {
		list = append(list, named(name))
	}
	return list
}

func (r *relation) above() []*relation {
	list := []*relation{r}
	if r.parent != "" {
		list = append(list, named(r.parent).above()...)
	}
	return list
}

func bare(table string) string {
	table = strings.ToLower(table)
	if i := strings.LastIndexByte(table, '.'); i >= 0 {
		table = table[i+1:]
	}
	return strings.Trim(table, `"`)
}

func (r *relation) is(table string) bool { return bare(table) == bare(r.name) }

func (p *profile) masksOf(r *relation, column string) (kind string) {
	for _, m := range p.Masks {
		if r.is(m.Table) && strings.EqualFold(strings.Trim(m.Column, `"`), strings.Trim(column, `"`)) {
			kind = both(kind, m.Kind)
		}
	}
	return kind
}

// both is what two masks on one value come to.
func both(a, b string) string {
	if a == "" || b == "" || a == b {
		return cmp.Or(a, b)
	}
	return "null"
}

// access works out what p leaves of r, by the rules that the documentation
// gives: children and views have the rules of what they come from.
func (p *profile) access(r *relation) *access {
	a := &access{relation: r, masks: map[string]string{}, listed: true}
	var line []*relation
	line = append(line, r.above()...)
	for _, c := range r.family() {
		if c != r {
			line = append(line, c)
		}
	}
	for _, c := range r.columns {
		kind := ""
		for _, n := range line {
			kind = both(kind, p.masksOf(n, c.name))
		}
		if r.reads != "" {
			from := named(r.reads)
			if c.source != "" {
				kind = both(kind, p.masksOf(from, c.source))
			}
			for _, column := range c.of {
				if p.masksOf(from, column) != "" {
					kind = both(kind, "null")
				}
			}
		}
		if kind != "" {
			a.masks[c.name] = kind
		}
	}
	for _, f := range p.Filters {
		own := slices.ContainsFunc(r.above(), func(n *relation) bool { return n.is(f.Table) })
		if own {
			a.filters = append(a.filters, f)
		} else if slices.ContainsFunc(r.family(), func(n *relation) bool { return n.is(f.Table) }) {
			a.unsafe = true
		}
	}
	a.skipped = p.failing[r.name]
	for _, b := range r.sources() {
		from := p.access(b)
		a.unsafe = a.unsafe || from.unsafe
		a.expanded = a.expanded || from.filtered()
		// Where a random query has a masked column, its lineage is not known here.
		a.skipped = a.skipped || r.drawn && (from.skipped || len(from.masks) > 0)
	}
	for _, d := range p.Deny {
		touched := append(r.below(), r.above()...)
		if slices.ContainsFunc(touched, func(n *relation) bool { return n.is(d) }) {
			a.listed, a.why = false, "denied to this credential"
		}
	}
	if a.listed && len(p.Allow) > 0 && !slices.ContainsFunc(p.Allow, func(t string) bool {
		return r.is(t) || r.partition && named(r.parent).is(t)
	}) {
		a.listed, a.why = false, "not in this credential's allowlist"
	}
	return a
}

// drawProfile makes a random policy in which something is left to read.
var drawProfile = rapid.Custom(func(t *rapid.T) *profile {
	d := draw{t}
	for {
		p := &profile{AccessMode: pick(d, "read_only", "read_write")}
		for _, r := range relations {
			if r.partition && !d.chance(8) || r.view != "" && !d.chance(3) {
				continue
			}
			if d.chance(2) && !r.drawn {
				for range 1 + d.below(3) {
					c := r.columns[d.below(len(r.columns))]
					if p.masksOf(r, c.name) == "" {
						p.Masks = append(p.Masks, mask{p.spelled(d, r), c.name, pick(d, "redact", "hash", "null")})
					}
				}
			}
			if d.chance(2) && (r.view == "" || d.chance(2)) {
				for range 1 + d.below(3)/2 {
					f := predicates[d.below(len(predicates))]
					if f.fits(r) {
						p.Filters = append(p.Filters, filter{p.spelled(d, r), strings.ReplaceAll(f.Predicate, "%s", r.name), f.columns})
					}
				}
			}
		}
		if d.chance(4) {
			for _, r := range relations {
				if !d.chance(3) {
					p.Allow = append(p.Allow, p.spelled(d, r))
				}
			}
		}
		if d.chance(4) {
			r := relations[d.below(len(relations))]
			p.Allow = slices.DeleteFunc(p.Allow, func(t string) bool { return r.is(t) })
			p.Deny = append(p.Deny, p.spelled(d, r))
		}
		if d.chance(6) {
			p.MaxRows = 1 + d.below(12)
		}
		left := 0
		for _, r := range relations {
			if p.access(r).usable() {
				left++
			}
		}
		if left >= 3 && len(p.Masks)+len(p.Filters) > 0 {
			return p
		}
	}
})

// spelled is a way to write a relation's name in a rule.
func (p *profile) spelled(d draw, r *relation) string {
	switch {
	case r.schema != "public":
		return r.schema + "." + r.name
	case d.chance(3):
		return "public." + r.name
	case d.chance(4):
		return strings.ToUpper(r.name)
	}
	return r.name
}
