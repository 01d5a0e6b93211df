package catalog

import (
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// builder puts a catalog together from rows.
type builder struct {
	catalog *policy.Catalog
	byOID   map[uint32]*policy.Relation
	read    map[uint32][]readColumn // by view
	origins map[uint32]map[int16]origin
}

// readColumn is a column that a view's definition mentions; number 0 is the
// relation itself, mentioned or not.
type readColumn struct {
	relation uint32
	number   int16
}

func newBuilder() *builder {
	return &builder{
		catalog: &policy.Catalog{
			Relations: map[policy.RelationName]*policy.Relation{},
			Functions: map[policy.RelationName][]policy.Function{},
			Types:     map[uint32]policy.TypeInfo{},
		},
		byOID: map[uint32]*policy.Relation{},
		read:  map[uint32][]readColumn{},

		origins: map[uint32]map[int16]origin{},
	}
}

func (b *builder) relation(r *policy.Relation) {
	b.byOID[r.OID] = r
	b.catalog.Relations[r.RelationName] = r
}

func (b *builder) reads(view, relation uint32, number int16) {
	b.read[view] = append(b.read[view], readColumn{relation, number})
}

// finish fills in what the columns of views come from. Where a column is no
// plain one of what the view reads, the dependencies that PostgreSQL records
// say what the definition mentions, not where: the column is taken to come
// from all of it.
func (b *builder) finish() *policy.Catalog {
	done := map[uint32][]policy.ColumnRef{}
	for oid, r := range b.byOID {
		if len(b.read[oid]) == 0 {
			continue
		}
		for i := range r.Columns {
			r.Columns[i].Sources = b.columnSources(oid, r.Columns[i].Number, done, 0)
		}
	}
	return b.catalog
}

// maxViews is how deep views are followed through views.
const maxViews = 64

// columnSources are the columns of tables that one column of a view comes
// from.
func (b *builder) columnSources(view uint32, number int16, done map[uint32][]policy.ColumnRef, depth int) []policy.ColumnRef {
	from := b.origins[view][number]
	source := b.byOID[from.relation]
	if source == nil || depth == maxViews {
		return b.sources(view, done)
	}
	if len(b.read[from.relation]) > 0 { // a view
		return b.columnSources(from.relation, from.number, done, depth+1)
	}
	for _, c := range source.Columns {
		if c.Number == from.number {
			return []policy.ColumnRef{{Relation: source.RelationName, Column: c.Name}}
		}
	}
	return b.sources(view, done)
}

// sources are the columns of tables that a view mentions, at any depth.
func (b *builder) sources(view uint32, done map[uint32][]policy.ColumnRef) []policy.ColumnRef {
	if list, ok := done[view]; ok {
		return list
	}
	done[view] = nil // views form no circle; a broken catalog may
	var list []policy.ColumnRef
	seen := map[policy.ColumnRef]bool{}
	add := func(refs ...policy.ColumnRef) {
		for _, ref := range refs {
			if !seen[ref] {
				seen[ref] = true
				list = append(list, ref)
			}
		}
	}
	// A reference to a whole row is recorded as one to the relation alone. It
	// prints as "alias.*"; the columns of a star are printed one by one.
	whole := strings.Contains(b.byOID[view].Definition, ".*")
	for _, read := range b.read[view] {
		source := b.byOID[read.relation]
		if source == nil {
			continue
		}
		if len(b.read[source.OID]) > 0 { // a view
			add(b.sources(source.OID, done)...)
			continue
		}
		for _, c := range source.Columns {
			if whole || c.Number == read.number {
				add(policy.ColumnRef{Relation: source.RelationName, Column: c.Name})
			}
		}
	}
	done[view] = list
	return list
}
