package policy

import (
	"strings"
)

// checkFunctions keeps dangerous families from everybody and, where rules
// speak of relations, everything whose code is not PostgreSQL's own: what a
// user-defined function reads cannot be seen from here.
func (e *Engine) checkFunctions(s *statement) *refusal {
	for _, f := range s.functions {
		if r := e.checkFunction(s, f); r != nil {
			return r
		}
	}
	if !e.ruled && !e.narrowed {
		return nil
	}
	for _, f := range s.functions {
		if r := e.checkInput(s, f); r != nil {
			return r
		}
	}
	for _, name := range s.keywords {
		if !e.keyword(name) {
			return refuse("function_not_allowed", functionHint, "function %q is not one of PostgreSQL's own", name)
		}
	}
	for _, op := range s.operators {
		if !e.operator(s, op) {
			return refuse("function_not_allowed", functionHint,
				"operator %q is not one of PostgreSQL's own", strings.Join(op, "."))
		}
	}
	for _, c := range s.casts {
		if !e.harmlessCast(s, c) {
			return refuse("function_not_allowed", "Cast to one of PostgreSQL's own types.",
				"the cast to %q may call a function that is not one of PostgreSQL's own", strings.Join(stringsOf(c.TypeName.Names), "."))
		}
	}
	for _, n := range s.types {
		if r := e.checkType(s, n); r != nil {
			return r
		}
	}
	for _, m := range s.samples {
		if name := m[len(m)-1]; name != "system" && name != "bernoulli" {
			return refuse("function_not_allowed", "Use TABLESAMPLE SYSTEM or BERNOULLI.",
				"the sampling method %q is not one of PostgreSQL's own", name)
		}
	}
	if r := e.checkImplicit(s); r != nil {
		return r
	}
	return e.checkAttributes(s)
}

const functionHint = "Write it with PostgreSQL's own functions and operators; pg_catalog.NAME picks a built-in one where an extension offers the same name."

func (e *Engine) checkFunction(s *statement, f functionRef) *refusal {
	name := f.name[len(f.name)-1]
	if name == "set_config" {
		if e.setsWhatSETMay(f) {
			return nil
		}
		return refuse("function_not_allowed", "Name the setting in a literal; role, search_path and others may not be changed.",
			"function %q may change only what SET may, named in a literal", name)
	}
	if dangerous(name) {
		return refuse("function_not_allowed", "There is no policy that permits it.",
			"function %q is never permitted: it reaches files, other sessions, settings or data past the policy", name)
	}
	switch e.reach(s, f) {
	case reachBuiltin:
		return nil
	case reachUnknown, reachForeign:
		if e.ruled {
			return refuse("function_not_allowed", functionHint,
				"function %q is not one of PostgreSQL's own, and this policy has rules about tables", strings.Join(f.name, "."))
		}
		if e.narrowed && !e.stable(s, f) {
			return refuse("function_not_allowed", functionHint,
				"function %q may write, and this policy limits what is written", strings.Join(f.name, "."))
		}
	case reachVolatile:
		if !e.ruled {
			return nil
		}
		if !sequenceFunction(f) {
			return refuse("function_not_allowed", "Leave the call out, or ask your operator how to do this under the policy's rules about tables.",
				"function %q has effects or results that this policy cannot account for", strings.Join(f.name, "."))
		}
		if len(e.allowed)+len(e.denied) > 0 && f.call != nil && len(f.call.Args) > 0 {
			if _, ok := literal(f.call.Args[0]); !ok {
				return refuse("function_not_allowed", "Name the sequence in a literal.",
					"the sequence of %q cannot be told", name)
			}
		}
	}
	return nil
}

// typeCalled says whether a call is a cast in the form of a call to one of
// PostgreSQL's own types.
func (e *Engine) typeCalled(f functionRef) bool {
	if f.args != 1 || len(f.name) == 2 && f.name[0] != "pg_catalog" {
		return false
	}
	for _, t := range e.types(f.name[len(f.name)-1]) {
		if t.Schema == "pg_catalog" {
			return true
		}
	}
	return false
}

// builtinOnly says whether a view's definition calls nothing but built-in
// functions and operators.
func (e *Engine) builtinOnly(s *statement) bool {
	for _, f := range s.functions {
		if r := e.reach(s, f); r == reachForeign || r == reachUnknown || dangerous(f.name[len(f.name)-1]) || e.checkInput(s, f) != nil {
			return false
		}
	}
	for _, op := range s.operators {
		if !e.operator(s, op) {
			return false
		}
	}
	for _, c := range s.casts {
		if !e.harmlessCast(s, c) {
			return false
		}
	}
	return true
}

// readsOnly says whether a view's definition calls nothing that may write.
func (e *Engine) readsOnly(s *statement) bool {
	for _, f := range s.functions {
		if r := e.reach(s, f); (r == reachForeign || r == reachUnknown) && !e.stable(s, f) {
			return false
		}
	}
	return true
}

// keyword says whether what reads like a call is PostgreSQL's own: to a server
// that is older than the parser here, JSON_VALUE(…) is a function like others.
func (e *Engine) keyword(name string) bool {
	if e.catalog == nil {
		return true
	}
	for _, o := range e.overloads(functionRef{name: []string{name}}) {
		if !o.Builtin {
			return false
		}
	}
	return true
}

// types are the types of a name, in whichever schema.
func (e *Engine) types(name string) []TypeInfo {
	e.typesOnce.Do(func() {
		e.typesByName = make(map[string][]TypeInfo, len(e.catalog.Types))
		for _, t := range e.catalog.Types {
			e.typesByName[t.Name] = append(e.typesByName[t.Name], t)
		}
	})
	return e.typesByName[name]
}

// checkAttributes refuses a call in the form of an attribute: PostgreSQL reads
// u.f as f(u) when u has no column f.
func (e *Engine) checkAttributes(s *statement) *refusal {
	if len(e.rowFunctions) == 0 {
		return nil
	}
	names := append([]string(nil), s.fields...)
	for _, c := range s.columns {
		if parts := stringsOf(c.Fields); len(parts) > 1 {
			names = append(names, parts[len(parts)-1])
		}
	}
	for _, name := range names {
		if e.rowFunctions[name] && !s.everyRelationHas(name) {
			return refuse("function_not_allowed", functionHint, "%q may call a function that is not one of PostgreSQL's own", name)
		}
	}
	return nil
}

func (s *statement) everyRelationHas(column string) bool {
	for _, r := range s.refs {
		if r.relation == nil || !r.relation.has(column) {
			return false
		}
	}
	return len(s.refs) > 0
}

func (r *Relation) has(column string) bool {
	for _, c := range r.Columns {
		if c.Name == column {
			return true
		}
	}
	return false
}
