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
	origins map[uint32]map[int16]viewColumn
	// generated are the columns that a generated column is computed from.
	generated map[readColumn][]readColumn
	// foreignKey is the object id of the last one.
	foreignKey uint32
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
			Indexes:   map[policy.RelationName]policy.Index{},
			Functions: map[policy.RelationName][]policy.Function{},
			Types:     map[uint32]policy.TypeInfo{},
			Operators: map[string][]policy.Operator{},
		},
		byOID: map[uint32]*policy.Relation{},
		read:  map[uint32][]readColumn{},

		origins:   map[uint32]map[int16]viewColumn{},
		generated: map[readColumn][]readColumn{},
	}
}

func (b *builder) relation(r *policy.Relation) {
	b.byOID[r.OID] = r
	b.catalog.Relations[r.RelationName] = r
}

func (b *builder) reads(view, relation uint32, number int16) {
	b.read[view] = append(b.read[view], readColumn{relation, number})
}

// finish fills in where columns come from.
func (b *builder) finish() *policy.Catalog {
	done := map[readColumn]*ancestry{}
	for oid, r := range b.byOID {
		for i := range r.Columns {
			from := b.ancestry(readColumn{oid, r.Columns[i].Number}, done)
			r.Columns[i].Sources, r.Columns[i].Computed = from.columns, from.computed
		}
	}
	return b.catalog
}

// ancestry is where the value of a column comes from.
type ancestry struct {
	columns  []policy.ColumnRef
	computed bool
}

// ancestry follows a column through views and generated columns. Where the
// tree of a view does not tell what a column comes from, the dependencies that
// PostgreSQL records say what the definition mentions, not where: the column
// is taken to come from all of it.
func (b *builder) ancestry(of readColumn, done map[readColumn]*ancestry) *ancestry {
	if have := done[of]; have != nil {
		return have
	}
	out := &ancestry{}
	done[of] = out // views form no circle; a broken catalog may
	var from []readColumn
	if column, ok := b.origins[of.relation][of.number]; ok {
		for _, o := range column.from {
			from = append(from, readColumn{o.relation, o.number})
		}
		out.computed = !column.plain
	} else if mentioned := b.mentioned(of.relation); len(mentioned) > 0 {
		from, out.computed = mentioned, true
	} else if generated := b.generated[of]; len(generated) > 0 {
		from, out.computed = generated, true
	}
	seen := map[policy.ColumnRef]bool{}
	add := func(refs ...policy.ColumnRef) {
		for _, ref := range refs {
			if !seen[ref] {
				seen[ref] = true
				out.columns = append(out.columns, ref)
			}
		}
	}
	for _, source := range from {
		if name, ok := b.columnName(source); ok {
			add(policy.ColumnRef{Relation: b.byOID[source.relation].RelationName, Column: name})
			above := b.ancestry(source, done)
			add(above.columns...)
			out.computed = out.computed || above.computed
		}
	}
	return out
}

func (b *builder) columnName(of readColumn) (string, bool) {
	if r := b.byOID[of.relation]; r != nil {
		for _, c := range r.Columns {
			if c.Number == of.number {
				return c.Name, true
			}
		}
	}
	return "", false
}

// mentioned are the columns that a view's definition mentions. A reference to
// a whole row is recorded as one to the relation alone. It prints as
// "alias.*"; the columns of a star are printed one by one.
func (b *builder) mentioned(view uint32) []readColumn {
	read := b.read[view]
	if len(read) == 0 || !strings.Contains(b.byOID[view].Definition, ".*") {
		return read
	}
	var all []readColumn
	for _, r := range read {
		if source := b.byOID[r.relation]; source != nil && r.number == 0 {
			for _, c := range source.Columns {
				all = append(all, readColumn{r.relation, c.Number})
			}
		}
	}
	return all
}
