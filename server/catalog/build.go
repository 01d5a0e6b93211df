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
	}
}

func (b *builder) relation(r *policy.Relation) {
	b.byOID[r.OID] = r
	b.catalog.Relations[r.RelationName] = r
}

func (b *builder) reads(view, relation uint32, number int16) {
	b.read[view] = append(b.read[view], readColumn{relation, number})
}

// finish fills in what the columns of views come from. The dependencies that
// PostgreSQL records say what a definition mentions, not where: each column
// of a view is taken to come from every one of them.
func (b *builder) finish() *policy.Catalog {
	done := map[uint32][]policy.ColumnRef{}
	for oid, r := range b.byOID {
		if len(b.read[oid]) == 0 {
			continue
		}
		sources := b.sources(oid, done)
		for i := range r.Columns {
			r.Columns[i].Sources = sources
		}
	}
	return b.catalog
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
