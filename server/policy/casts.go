package policy

import (
	"cmp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// harmlessCast permits casts that run no code but PostgreSQL's own and that of
// a type's input and output. A string goes through the type's input; a number
// is cast from a type of its own, and a parameter from what a client declares
// it to be, which Parameters keeps to types whose casts are harmless.
func (e *Engine) harmlessCast(s *statement, c *pg.TypeCast) bool {
	names := stringsOf(c.TypeName.GetNames())
	if len(names) == 0 {
		return false
	}
	if v := c.Arg.GetAConst(); v != nil && (v.Isnull || v.GetSval() != nil) {
		return true
	}
	if e.catalog == nil || len(e.catalog.Types) == 0 {
		return true
	}
	found := false
	for _, t := range e.types(names[len(names)-1]) {
		found = true
		target := e.base(t.OID)
		for _, cast := range e.catalog.Casts {
			if !cast.Native && e.base(cast.Target) == target && e.held(s).may(e.core(cast.Source), true) {
				return false
			}
		}
	}
	return found
}

// checks says whether making a value of a type runs the code of somebody's
// function: of a domain whose CHECK calls one, inside arrays, composites and
// ranges too.
func (e *Engine) checks(oid uint32) bool { return e.checksBelow(oid, map[uint32]bool{}) }

func (e *Engine) checksBelow(oid uint32, seen map[uint32]bool) bool {
	if oid == 0 || seen[oid] {
		return false
	}
	seen[oid] = true
	t := e.catalog.Types[oid]
	return t.Checks || e.checksBelow(t.below(), seen) ||
		slices.ContainsFunc(t.Parts, func(part uint32) bool { return e.checksBelow(part, seen) })
}

// checkImplicit refuses a statement in which PostgreSQL may call a function of
// somebody's, unasked, to make a value of one type from one of another.
func (e *Engine) checkImplicit(s *statement) *refusal {
	if e.catalog == nil {
		return nil
	}
	for _, c := range e.catalog.Casts {
		if c.Native || !c.Assigns {
			continue
		}
		source, target := e.core(c.Source), e.core(c.Target)
		h := e.held(s)
		switch {
		// Values of PostgreSQL's own types are wanted in every statement.
		case source != 0 && h.types[source] && (target == 0 || h.types[target]):
			return refuse("function_not_allowed", "Read the two in statements of their own.",
				"types %q and %q may be cast by a function that is not one of PostgreSQL's own", e.catalog.Types[c.Source].Name, e.catalog.Types[c.Target].Name)
		// And they are in every statement.
		case source == 0 && e.storesIn(s, e.base(c.Target)):
			return refuse("function_not_allowed", "Ask your operator to store it for you.",
				"what is stored as %q may be cast by a function that is not one of PostgreSQL's own", e.catalog.Types[c.Target].Name)
		}
	}
	return nil
}

// storesIn says whether s stores a value in a column that is, or has inside, a
// type.
func (e *Engine) storesIn(s *statement, oid uint32) bool {
	if len(s.stored) == 0 {
		return false
	}
	for _, r := range s.refs {
		if !r.target || r.relation == nil {
			continue
		}
		for _, c := range r.relation.Columns {
			if (s.stored[""] || s.stored[c.Name]) && e.madeOf(c.Type, oid, map[uint32]bool{}) {
				return true
			}
		}
	}
	return false
}

// madeOf says whether values of a type are, or have inside, those of another.
func (e *Engine) madeOf(oid, of uint32, seen map[uint32]bool) bool {
	if oid == of {
		return true
	}
	if oid == 0 || seen[oid] {
		return false
	}
	seen[oid] = true
	t := e.catalog.Types[oid]
	return e.madeOf(t.below(), of, seen) || slices.ContainsFunc(t.Parts, func(part uint32) bool { return e.madeOf(part, of, seen) })
}

// checkType refuses a type whose values cannot be made without such code: what
// it reads would be told by whether it accepts a value.
func (e *Engine) checkType(s *statement, n *pg.TypeName) *refusal {
	names := stringsOf(n.Names)
	if e.catalog == nil || len(names) == 0 {
		return nil
	}
	name := names[len(names)-1]
	known := e.types(name)
	for _, t := range known {
		if (len(names) == 1 || t.Schema == names[len(names)-2]) && e.checks(t.OID) {
			return checkedType(strings.Join(names, "."))
		}
	}
	if len(known) == 0 && !serials[name] && !s.made[name] {
		return refuse("function_not_allowed", "Check the spelling and name the schema.",
			"type %q is not known in this database, and this policy has rules about tables", strings.Join(names, ".")).undefinedName("42704")
	}
	return nil
}

// serials are written like types where a column is made, and are none.
var serials = nameSet(`serial serial2 serial4 serial8 smallserial bigserial`)

// checkInput looks at functions that make values of a type which no TypeName
// names: what PostgreSQL 16 has for trying a cast to a type that a text names,
// those that fill a row of a table that the statement reads, and the input
// functions of whole classes of types.
func (e *Engine) checkInput(s *statement, f functionRef) *refusal {
	name := f.name[len(f.name)-1]
	switch name {
	case "json_populate_record", "json_populate_recordset", "jsonb_populate_record", "jsonb_populate_recordset", "jsonb_populate_record_valid":
		return e.checkRows(s)
	case "pg_input_is_valid", "pg_input_error_info":
	default:
		if e.toldType(f) {
			return refuse("function_not_allowed", "Write a cast.", "the type that %q makes a value of cannot be told", name)
		}
		return nil
	}
	if args := f.call.GetArgs(); len(args) == 2 {
		if t := typeNamed(args[1].GetAConst().GetSval().GetSval()); t != nil {
			return e.checkType(s, t)
		}
	}
	return refuse("function_not_allowed", "Name the type in a literal.", "the type that %q is asked about cannot be told", name)
}

// toldType says whether a call may arrive at an input function that is told by
// an object id which type, or which type inside, it makes a value of.
func (e *Engine) toldType(f functionRef) bool {
	if e.catalog == nil || f.call == nil {
		return false
	}
	_, builtin := e.candidates(f)
	const cstringOID, oidOID = 2275, 26
	return slices.ContainsFunc(builtin, func(o Function) bool {
		return len(o.Arguments) > 1 && o.Arguments[0] == cstringOID && o.Arguments[1] == oidOID
	})
}

// checkRows refuses relations that have a column of a type that checkType
// refuses.
func (e *Engine) checkRows(s *statement) *refusal {
	for _, ref := range s.refs {
		if ref.relation == nil {
			continue
		}
		for _, c := range ref.relation.Columns {
			if e.checks(c.Type) {
				return checkedType(e.catalog.Types[c.Type].Name)
			}
		}
	}
	return nil
}

// typeNamed is the type that a text names, nil where it is none.
func typeNamed(text string) *pg.TypeName {
	tree, err := parse("SELECT NULL::" + text)
	if err != nil || len(tree.Stmts) != 1 {
		return nil
	}
	targets := tree.Stmts[0].GetStmt().GetSelectStmt().GetTargetList()
	if len(targets) != 1 {
		return nil
	}
	return targets[0].GetResTarget().GetVal().GetTypeCast().GetTypeName()
}

func checkedType(name string) *refusal {
	return refuse("function_not_allowed", "Use the type below the domain.", "type %q checks its values with a function that is not one of PostgreSQL's own", name)
}

// firstOfUsers is the first object id that PostgreSQL gives to what users make.
const firstOfUsers = 16384

// Parameters says why parameters may not be of the types that a client
// declares, by their object ids; nil when they may.
func (e *Engine) Parameters(types []uint32) *Decision {
	if e.catalog == nil || !e.ruled && !e.narrowed {
		return nil
	}
	for _, oid := range types {
		if e.checks(oid) {
			return checkedType(e.catalog.Types[oid].Name).blocked(nil, 0)
		}
		if _, known := e.catalog.Types[oid]; !known && oid >= firstOfUsers {
			return refuse("function_not_allowed", "Leave the type of the parameter out.", "a parameter is declared of a type that is not known in this database").
				blocked(nil, 0).unresolvedIf(true)
		}
		core := e.core(oid)
		if core != 0 && slices.ContainsFunc(e.catalog.Casts, func(c Cast) bool { return !c.Native && e.core(c.Source) == core }) {
			return refuse("function_not_allowed", "Declare the parameter as text, or leave its type out.",
				"casts of type %q call functions that are not PostgreSQL's own", e.catalog.Types[oid].Name).blocked(nil, 0)
		}
	}
	return nil
}

// base is the type below arrays and domains.
func (e *Engine) base(oid uint32) uint32 {
	for range 32 {
		below := e.catalog.Types[oid].below()
		if below == 0 {
			break
		}
		oid = below
	}
	return oid
}

// below is the type that a domain or an array is made of, 0 of any other.
func (t TypeInfo) below() uint32 { return cmp.Or(t.Base, t.Element) }
