package policy

import (
	"errors"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// from is a view's body as an item of FROM, under the name and with the
// columns that the view has.
func (b *viewBody) from(view *Relation, fence bool) string {
	text := b.texts[0]
	if fence {
		text = b.texts[1]
	}
	text = "(" + text + ") AS " + within
	if len(view.Columns) == 0 {
		return text
	}
	names := make([]string, len(view.Columns))
	for i, c := range view.Columns {
		names[i] = quoteName(c.Name)
	}
	return text + " (" + strings.Join(names, ", ") + ")"
}

// lockedViews refuses row locks on what is replaced by a view's definition:
// they would be asked of its groups and joins.
func (a *analysis) lockedViews(s *statement) (r *refusal) {
	if !s.locks {
		return nil
	}
	views := make(map[*pg.Node]use)
	for _, u := range a.uses {
		if u.body != nil {
			views[u.holder] = u
		}
	}
	var look func(m proto.Message, locked bool)
	look = func(m proto.Message, locked bool) {
		switch n := m.(type) {
		case *pg.Node:
			if u, ok := views[n]; ok && locked && r == nil {
				r = refuse("row_filter_unsafe", "Lock rows of the tables themselves.",
					"view %q shows rows of tables that have a row filter, and none of them can be locked by way of it", u.rangeVar.Relname)
			}
		case *pg.SelectStmt:
			locked = locked || len(n.LockingClause) > 0
			eachChild(n, func(field string, child proto.Message) {
				look(child, locked && (field == "FromClause" || field == "Larg" || field == "Rarg"))
			})
			return
		case *pg.JoinExpr:
			look(n.Larg, locked)
			look(n.Rarg, locked)
			if n.Quals != nil {
				look(n.Quals, false)
			}
			return
		}
		eachChild(m, func(_ string, child proto.Message) { look(child, locked) })
	}
	look(s.node, false)
	return r
}

// foreignRights says whether a view reads tables under row-level security by
// the rights of another role. What stands for the view is read by this one's,
// to whom PostgreSQL may show other rows.
func (r *ruleSet) foreignRights(view *Relation) bool {
	if view.Invoker || view.Owner == r.catalog.Role {
		return false
	}
	return slices.ContainsFunc(r.engine.lineage(view).reads, func(n RelationName) bool {
		rel := r.catalog.Relations[n]
		return rel != nil && rel.RowSecurity
	})
}

// viewQuery parses a view's definition and makes sure that each name in it
// means to the sessions of this role what it means to the view. PostgreSQL
// prints names of pg_catalog bare, and qualifies all others.
func (r *ruleSet) viewQuery(view *Relation) (*pg.Node, error) {
	if r.foreignRights(view) {
		return nil, errors.New("it reads tables with row-level security by the rights of its owner")
	}
	if r.engine.searchPath()[0] != "pg_catalog" {
		return nil, errors.New("the role's search_path does not begin with pg_catalog")
	}
	s, ok := readDefinition(view.Definition)
	if !ok {
		return nil, errUnexamined
	}
	if s.locks {
		return nil, errors.New("it takes row locks")
	}
	for _, ref := range s.refs {
		if ref.rangeVar.Schemaname == "" {
			ref.rangeVar.Schemaname = "pg_catalog"
		}
		if r.engine.resolveRef(ref, newBatch()); ref.relation == nil {
			return nil, errUnexamined
		}
	}
	p := pinning{engine: r.engine, in: s}
	p.pin(s.node)
	r.pinTypes(s.node)
	return s.node, p.err
}

// pinning qualifies the names of functions, operators and the like.
type pinning struct {
	engine *Engine
	in     *statement // its relations resolved
	err    error
}

func (p *pinning) fail(what string) {
	if p.err == nil {
		p.err = errors.New(what)
	}
}

var system = pg.MakeStrNode("pg_catalog")

func inSystem(names []*pg.Node) []*pg.Node {
	if len(names) == 1 {
		return []*pg.Node{proto.Clone(system).(*pg.Node), names[0]}
	}
	return names
}

func (p *pinning) pin(m proto.Message) {
	switch n := m.(type) {
	case *pg.FuncCall:
		// unnest of several arrays is PostgreSQL's own by its bare name alone.
		if names := stringsOf(n.Funcname); len(n.Args) < 2 || !slices.Equal(names, []string{"unnest"}) {
			n.Funcname = inSystem(n.Funcname)
		}
	case *pg.A_Expr:
		switch n.Kind {
		case pg.A_Expr_Kind_AEXPR_OP, pg.A_Expr_Kind_AEXPR_OP_ANY, pg.A_Expr_Kind_AEXPR_OP_ALL:
			n.Name = inSystem(n.Name)
		default: // the grammar has no place for a schema
			p.unpinned(stringsOf(n.Name)...)
		}
	case *pg.SubLink:
		if n.SubLinkType == pg.SubLinkType_ANY_SUBLINK && len(n.OperName) == 0 {
			p.unpinned("=")
		}
		n.OperName = inSystem(n.OperName)
	case *pg.CaseExpr:
		if n.Arg != nil {
			p.unpinned("=")
		}
	case *pg.JoinExpr:
		if len(n.UsingClause) > 0 {
			p.unpinned("=")
		}
		if n.IsNatural {
			p.fail("it has a NATURAL JOIN")
		}
	case *pg.SortBy:
		p.unpinned(stringsOf(n.UseOp)...)
	case *pg.CollateClause:
		n.Collname = inSystem(n.Collname)
	case *pg.TypeCast:
		p.constant(n)
	}
	eachChild(m, func(_ string, child proto.Message) { p.pin(child) })
}

// unpinned refuses an operator that cannot be qualified where a session might
// find another than PostgreSQL's own or an extension's.
func (p *pinning) unpinned(names ...string) {
	if len(names) > 0 && !p.engine.operator(p.in, names) {
		p.fail("it compares by an operator that is not one of PostgreSQL's own")
	}
}

// constant pins the name in a literal that stands for an object, and refuses
// those that settings of the session decide how to read.
func (p *pinning) constant(n *pg.TypeCast) {
	names := stringsOf(n.TypeName.GetNames())
	value := n.Arg.GetAConst().GetSval()
	if len(names) == 0 || value == nil {
		return
	}
	switch name := names[len(names)-1]; name {
	case "regclass", "regconfig", "regdictionary":
		if _, tail, err := identifier(value.Sval); err == nil && tail == "" {
			value.Sval = "pg_catalog." + value.Sval
		}
	case "regproc", "regprocedure", "regoper", "regoperator", "regtype", "regrole", "regnamespace", "regcollation", "money":
		p.fail("it has a constant of type " + name)
	}
}
