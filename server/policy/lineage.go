package policy

import pg "github.com/pganalyze/pg_query_go/v6"

// lineage is what reading a relation reads.
type lineage struct {
	// reads are the relation itself, what a view selects from at any depth,
	// partitions and inheritance children, and the parents of all of these,
	// whose rules their children inherit.
	reads []RelationName
	// opaque: a definition could not be read, names what is not known, or calls
	// a function that is not built in.
	opaque bool
	// writes: a definition calls a function that may write.
	writes bool
}

// lineage is computed once for each relation that statements name.
func (e *Engine) lineage(rel *Relation) *lineage {
	if l, ok := e.lineages.Load(rel.RelationName); ok {
		return l.(*lineage)
	}
	l := &lineage{}
	seen := make(map[RelationName]bool)
	e.trace(rel, l, seen)
	for _, n := range append([]RelationName(nil), l.reads...) {
		e.climb(n, l, seen)
	}
	e.lineages.Store(rel.RelationName, l)
	return l
}

// trace goes down: to children, and through definitions.
func (e *Engine) trace(rel *Relation, l *lineage, seen map[RelationName]bool) {
	if seen[rel.RelationName] {
		return
	}
	seen[rel.RelationName] = true
	l.reads = append(l.reads, rel.RelationName)
	for _, child := range e.childrenOf[rel.RelationName] {
		e.trace(child, l, seen)
	}
	if rel.Kind != 'v' && rel.Kind != 'm' || isSystem(rel.Schema) {
		return
	}
	s, ok := readDefinition(rel.Definition)
	if !ok {
		l.opaque = true
		return
	}
	b := newBatch()
	for _, ref := range s.refs {
		e.resolveRef(ref, b)
	}
	l.opaque = l.opaque || !e.builtinOnly(s)
	l.writes = l.writes || !e.readsOnly(s)
	for _, ref := range s.refs {
		switch {
		case ref.relation != nil:
			e.trace(ref.relation, l, seen)
		case ref.system:
			if !seen[ref.name] {
				seen[ref.name] = true
				l.reads = append(l.reads, ref.name)
			}
		default:
			l.opaque = true
		}
	}
}

// climb adds the parents of a relation.
func (e *Engine) climb(n RelationName, l *lineage, seen map[RelationName]bool) {
	rel := e.catalog.Relations[n]
	if rel == nil {
		return
	}
	for _, parent := range rel.Parents {
		if !seen[parent] {
			seen[parent] = true
			l.reads = append(l.reads, parent)
			e.climb(parent, l, seen)
		}
	}
}

// readDefinition parses a view's SELECT.
func readDefinition(sql string) (*statement, bool) {
	tree, err := parse(sql)
	if err != nil || len(tree.Stmts) != 1 {
		return nil, false
	}
	s := read(tree.Stmts[0].Stmt, sql)
	if _, ok := s.node.GetNode().(*pg.Node_SelectStmt); !ok || s.unknown != "" {
		return nil, false
	}
	return s, true
}
