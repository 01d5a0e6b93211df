package policy

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// reach is what a call may arrive at.
type reach int

const (
	reachBuiltin  reach = iota // built in and harmless
	reachVolatile              // built in, with effects
	reachForeign               // not built in
	reachUnknown
)

// reach resolves a call. Which overload PostgreSQL takes depends on the types
// of the arguments, so every one counts that takes as many arguments, and
// whose types the statement may hold.
func (e *Engine) reach(s *statement, f functionRef) reach {
	name := f.name[len(f.name)-1]
	if len(f.name) > 2 {
		return reachUnknown
	}
	if e.catalog == nil || len(e.catalog.Functions) == 0 {
		return reachByName(f)
	}
	found := reachUnknown
	foreign, peers := e.candidates(f)
	for _, o := range peers {
		if o.Volatility == 'v' && !harmlessVolatile[name] {
			found = reachVolatile
		} else if found == reachUnknown {
			found = reachBuiltin
		}
	}
	for _, o := range foreign {
		if e.mayTake(s, o, f.args, peers) {
			return reachForeign
		}
	}
	if found == reachUnknown && (e.typeCalled(f) || extracts(f)) {
		return reachBuiltin
	}
	return found
}

// extracts says whether a call is EXTRACT(… FROM …), which is no function of
// that name until PostgreSQL 14.
func extracts(f functionRef) bool {
	return f.call.GetFuncformat() == pg.CoercionForm_COERCE_SQL_SYNTAX && slices.Equal(f.name, []string{"pg_catalog", "extract"})
}

// candidates are the overloads that take as many arguments as a call has:
// those that are not PostgreSQL's own, and those that are.
func (e *Engine) candidates(f functionRef) (foreign, builtin []Function) {
	for _, o := range e.overloads(f) {
		switch {
		case !e.takes(o, f.args):
		case o.Builtin:
			builtin = append(builtin, o)
		default:
			foreign = append(foreign, o)
		}
	}
	return foreign, builtin
}

// reachByName decides without a catalog.
func reachByName(f functionRef) reach {
	name := f.name[len(f.name)-1]
	if len(f.name) == 2 && !isSystem(f.name[0]) {
		return reachForeign
	}
	switch {
	case builtinFunctions()[name], harmlessVolatile[name]:
		return reachBuiltin
	case sequenceFunction(f):
		return reachVolatile
	}
	return reachUnknown
}

// overloads are the functions that a call by this name may mean. One that
// takes the same types as one of a schema searched earlier is hidden by it.
func (e *Engine) overloads(f functionRef) []Function {
	name := f.name[len(f.name)-1]
	if len(f.name) == 2 {
		return e.catalog.Functions[RelationName{f.name[0], name}]
	}
	var all []Function
	for _, schema := range e.searchPath() {
		for _, o := range e.catalog.Functions[RelationName{schema, name}] {
			hidden := slices.ContainsFunc(all, func(have Function) bool {
				return have.Schema != o.Schema && slices.Equal(have.Arguments, o.Arguments)
			})
			if !hidden {
				all = append(all, o)
			}
		}
	}
	return all
}

// takes says whether o can be called with n arguments. Defaults may stand for
// missing ones, and a last argument of array type may be variadic. Aggregates
// count direct and aggregated arguments together.
func (e *Engine) takes(o Function, n int) bool {
	if n <= len(o.Arguments) || o.Kind == 'a' {
		return true
	}
	if len(o.Arguments) == 0 {
		return false
	}
	last := o.Arguments[len(o.Arguments)-1]
	const anyOID, anyArray = 2276, 2277
	return last == anyOID || last == anyArray || e.catalog.Types[last].Element != 0
}

// mayTake says whether a call of n arguments in s may arrive at o, beside the
// built-in overloads of its name. It may not where o takes a type of which the
// statement holds no value: extensions like citext and vector give their own
// types functions such as max, sum and replace.
func (e *Engine) mayTake(s *statement, o Function, n int, peers []Function) bool {
	if len(peers) == 0 {
		return true
	}
	held := e.held(s)
	for i, t := range o.Arguments {
		if i == n && o.Kind != 'a' {
			break
		}
		// A string literal takes a type like text where no text is to be had.
		word := e.catalog.Types[t].Category == 'S' && !slices.ContainsFunc(peers, func(p Function) bool {
			return i < len(p.Arguments) && e.catalog.Types[p.Arguments[i]].Category == 'S'
		})
		if !word && !held.may(e.core(t), o.Native || o.Extension) {
			return false
		}
	}
	return true
}

// held is which types of values a statement holds, besides PostgreSQL's own.
type held struct {
	types  map[uint32]bool
	all    bool // perhaps any
	params bool // and what a client declares its parameters to be
}

// may says whether there may be a value of the type. Code that came with an
// extension is no danger to who names its type for a parameter.
func (h *held) may(t uint32, trusted bool) bool {
	return t == 0 || h.all || h.types[t] || h.params && !trusted
}

// held looks at the columns of the relations that s names and at the types
// that it casts to.
func (e *Engine) held(s *statement) *held {
	if s.held != nil {
		return s.held
	}
	h := &held{types: make(map[uint32]bool), params: s.params}
	s.held = h
	add := func(t uint32) {
		core := e.core(t)
		h.types[core] = true
		// What is inside a composite or a range is not known here.
		if c := e.catalog.Types[core].Category; core != 0 && (c == 'C' || c == 'R' || c == 0) {
			h.all = true
		}
	}
	for _, c := range e.catalog.Casts {
		if c.Implicit && e.core(c.Source) == 0 {
			add(c.Target)
		}
	}
	for _, r := range s.refs {
		if r.relation == nil {
			h.all = h.all || !r.create
			continue
		}
		for _, c := range r.relation.Columns {
			add(c.Type)
		}
	}
	for _, n := range s.types {
		names := stringsOf(n.Names)
		if len(names) == 0 || len(names) == 2 && names[0] == "pg_catalog" {
			continue
		}
		known := e.types(names[len(names)-1])
		h.all = h.all || len(known) == 0
		for _, t := range known {
			add(t.OID)
		}
	}
	for before := -1; before != len(h.types) && !h.all; {
		before = len(h.types)
		for _, op := range s.operators {
			for _, o := range e.catalog.Operators[op[len(op)-1]] {
				if h.may(e.core(o.Left), true) && h.may(e.core(o.Right), true) {
					add(o.Result)
				}
			}
		}
		for _, f := range s.functions {
			foreign, peers := e.candidates(f)
			for _, o := range foreign {
				if !e.mayTake(s, o, f.args, peers) {
					continue
				}
				add(o.Returns)
				h.all = h.all || e.catalog.Types[o.Returns].Category == 'P' // a record, or of any type
			}
		}
	}
	return h
}

// core is the type below arrays and domains, 0 for one of PostgreSQL's own.
func (e *Engine) core(oid uint32) uint32 {
	for range 32 {
		t, ok := e.catalog.Types[oid]
		switch {
		case !ok:
			return oid
		case t.Base != 0:
			oid = t.Base
		case t.Element != 0 && t.Schema != "pg_catalog":
			oid = t.Element
		case t.Schema == "pg_catalog":
			return 0
		default:
			return oid
		}
	}
	return oid
}

// stable says whether every function a call may mean promises not to write.
// An aggregate promises nothing for the functions that it calls; those of
// extensions are known to only compute.
func (e *Engine) stable(s *statement, f functionRef) bool {
	if e.profile.ReadOnly {
		return true // its transactions are READ ONLY
	}
	if e.catalog == nil {
		return false
	}
	foreign, peers := e.candidates(f)
	for _, o := range foreign {
		if e.mayTake(s, o, f.args, peers) && (o.Kind == 'a' && !o.Extension || o.Volatility == 'v' || o.Volatility == 0) {
			return false
		}
	}
	return len(foreign)+len(peers) > 0
}

// operator says whether an operator's code is PostgreSQL's own or compiled, as
// that of extensions is. Without a catalog its name alone decides.
func (e *Engine) operator(s *statement, name []string) bool {
	if len(name) == 0 {
		return true
	}
	last := name[len(name)-1]
	if e.catalog == nil {
		return builtinOperators[last] && (len(name) == 1 || name[0] == "pg_catalog")
	}
	known := builtinOperators[last] && (len(name) == 1 || name[0] == "pg_catalog")
	for _, o := range e.catalog.Operators[last] {
		if len(name) == 2 && o.Schema != name[0] || len(name) == 1 && !slices.Contains(e.searchPath(), o.Schema) {
			continue
		}
		if !o.Native && e.held(s).may(e.core(o.Left), false) && e.held(s).may(e.core(o.Right), false) {
			return false
		}
		known = known || o.Native
	}
	return known
}
