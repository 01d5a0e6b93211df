package policy

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// batch is what earlier statements of a text leave for later ones.
type batch struct {
	tables     map[RelationName]bool // created by it; empty of anything a rule could be about
	types      map[string]bool       // created by it
	unresolved bool                  // a name is not in the catalog, which may be old
}

func newBatch() *batch {
	return &batch{tables: make(map[RelationName]bool), types: make(map[string]bool)}
}

// remember keeps the tables that a permitted statement creates. A view or a
// child of another table is not kept: it brings a lineage.
//
// IF NOT EXISTS is not kept either: there may be a relation of that name which
// the catalog is too old to know. What ends a transaction, goes back in it or
// discards may take away what was created, and uncover what it hid.
func (b *batch) remember(s *statement) {
	if name := madeType(s.node); name != "" {
		b.types[name] = true
	}
	switch s.class.tag {
	case "COMMIT", "ROLLBACK", "ROLLBACK TO", discardAll, "DISCARD TEMP":
		clear(b.tables)
	}
	if n := s.node.GetCreateStmt(); n != nil && (n.IfNotExists || len(n.InhRelations) > 0 || n.Partbound != nil) {
		return
	}
	if s.node.GetCreateTableAsStmt().GetIfNotExists() || s.node.GetCreateSeqStmt().GetIfNotExists() {
		return
	}
	switch s.class.tag {
	case "CREATE TABLE", "CREATE TABLE AS", "SELECT INTO", "CREATE SEQUENCE":
		for _, r := range s.refs {
			if r.create {
				b.tables[r.name] = true
			}
		}
	}
}

// madeType is the name of the type that a statement makes.
func madeType(stmt *pg.Node) string {
	var names []string
	switch n := stmt.GetNode().(type) {
	case *pg.Node_CreateDomainStmt:
		names = stringsOf(n.CreateDomainStmt.Domainname)
	case *pg.Node_CreateEnumStmt:
		names = stringsOf(n.CreateEnumStmt.TypeName)
	case *pg.Node_CreateRangeStmt:
		names = stringsOf(n.CreateRangeStmt.TypeName)
	case *pg.Node_CompositeTypeStmt:
		return n.CompositeTypeStmt.Typevar.GetRelname()
	case *pg.Node_CreateStmt:
		return n.CreateStmt.Relation.GetRelname()
	}
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}

// resolve finds what each reference of s means.
func (e *Engine) resolve(s *statement, b *batch) {
	s.made = b.types
	for _, n := range s.types {
		if names := stringsOf(n.Names); e.catalog != nil && len(names) > 0 && len(e.types(names[len(names)-1])) == 0 {
			b.unresolved = true
		}
	}
	e.referToSequences(s)
	index := namesIndex(s.node)
	for _, ref := range s.refs {
		e.resolveRef(ref, b)
		if index && e.catalog != nil {
			e.resolveIndex(ref)
		}
		if e.catalog != nil && ref.relation == nil && !ref.create && !ref.known && !ref.system {
			b.unresolved = true
		}
	}
}

// namesIndex says whether what a statement names is an index.
func namesIndex(stmt *pg.Node) bool {
	return stmt.GetReindexStmt().GetKind() == pg.ReindexObjectType_REINDEX_OBJECT_INDEX ||
		stmt.GetAlterTableStmt().GetObjtype() == pg.ObjectType_OBJECT_INDEX ||
		stmt.GetRenameStmt().GetRenameType() == pg.ObjectType_OBJECT_INDEX
}

// resolveIndex has a reference to an index mean its table, whose rules it is
// held to.
func (e *Engine) resolveIndex(ref *relationRef) {
	schemas := []string{ref.rangeVar.Schemaname}
	if ref.rangeVar.Schemaname == "" {
		schemas = e.searchPath()
	}
	for _, schema := range schemas {
		n := RelationName{schema, ref.rangeVar.Relname}
		if e.catalog.Relations[n] != nil {
			return // PostgreSQL takes a table for an index here
		}
		if index, ok := e.catalog.Indexes[n]; ok {
			table := index.Table
			ref.name, ref.relation, ref.system = table, e.catalog.Relations[table], isSystem(table.Schema)
			return
		}
	}
}

func (e *Engine) resolveRef(ref *relationRef, b *batch) {
	v := ref.rangeVar
	// In database.schema.table only the current database can be meant:
	// PostgreSQL refuses any other.
	ref.name = RelationName{Schema: v.Schemaname, Name: v.Relname}
	switch {
	case v.Schemaname != "":
	case ref.create:
		ref.name.Schema = e.creationSchema(v)
	default:
		ref.name.Schema = e.searchRelation(v.Relname, b)
	}
	ref.system = isSystem(ref.name.Schema)
	ref.known = b.tables[ref.name]
	if e.catalog != nil && !ref.create {
		ref.relation = e.catalog.Relations[ref.name]
	}
}

// searchRelation is the schema that a bare name is found in. A name found
// nowhere is taken to be in the first schema of the path, where a list may
// still speak of it.
func (e *Engine) searchRelation(name string, b *batch) string {
	if b.tables[RelationName{"pg_temp", name}] {
		return "pg_temp"
	}
	if e.catalog == nil {
		if strings.HasPrefix(name, "pg_") && name != "pg_stat_statements" {
			return "pg_catalog"
		}
		return "public"
	}
	path := e.searchPath()
	for _, schema := range path {
		n := RelationName{schema, name}
		if e.catalog.Relations[n] != nil || b.tables[n] {
			return schema
		}
	}
	// A catalog may have been loaded without the system's own relations.
	if strings.HasPrefix(name, "pg_") && !e.hasSystem {
		return "pg_catalog"
	}
	return e.creationSchema(nil)
}

// searchPath is the catalog's, with pg_catalog first unless it is named.
func (e *Engine) searchPath() []string {
	for _, s := range e.catalog.SearchPath {
		if s == "pg_catalog" {
			return e.catalog.SearchPath
		}
	}
	return append([]string{"pg_catalog"}, e.catalog.SearchPath...)
}

func (e *Engine) creationSchema(v *pg.RangeVar) string {
	if v != nil && v.Relpersistence == "t" {
		return "pg_temp"
	}
	if e.catalog != nil {
		for _, s := range e.catalog.SearchPath {
			if s != "pg_catalog" && s != "pg_temp" {
				return s
			}
		}
	}
	return "public"
}

// referToSequences adds the sequences that are named by a literal, as in
// nextval('orders_id_seq'), to the references.
func (e *Engine) referToSequences(s *statement) {
	for _, f := range s.functions {
		if !sequenceFunction(f) || f.call == nil || len(f.call.Args) == 0 {
			continue
		}
		if text, ok := literal(f.call.Args[0]); ok {
			first, tail, err := identifier(foldUnquoted(text))
			v := &pg.RangeVar{Relname: first}
			if err == nil && tail != "" {
				v.Schemaname = first
				v.Relname, tail, err = identifier(tail[1:])
			}
			if err != nil || tail != "" {
				v = &pg.RangeVar{Relname: text}
			}
			s.refs = append(s.refs, &relationRef{rangeVar: v})
		}
	}
}

func sequenceFunction(f functionRef) bool {
	switch f.name[len(f.name)-1] {
	case "nextval", "currval", "setval":
		return len(f.name) == 1 || f.name[0] == "pg_catalog"
	}
	return false
}

// literal is the text of a string constant, possibly cast.
func literal(n *pg.Node) (string, bool) {
	if c := n.GetTypeCast(); c != nil {
		n = c.Arg
	}
	if v := n.GetAConst().GetSval(); v != nil {
		return v.Sval, true
	}
	return "", false
}

// foldUnquoted lower-cases what stands outside double quotes, as the input
// function of regclass does.
func foldUnquoted(s string) string {
	var out strings.Builder
	quoted := false
	for _, c := range s {
		if c == '"' {
			quoted = !quoted
		}
		if !quoted {
			c = []rune(strings.ToLower(string(c)))[0]
		}
		out.WriteRune(c)
	}
	return out.String()
}
