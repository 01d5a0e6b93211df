package provider

import (
	"slices"
	"strconv"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// change is one difference between what the program asks and what the server
// has.
type change struct {
	path    path
	kind    p.DiffKind // Add, Update or Delete
	replace bool
	input   bool                // the state has no value to compare with: the difference is among inputs
	dropped map[string][]string // of a list whose entries lost fields: their names by the entry's short form
}

// property is the name of the top-level property that changed.
func (c change) property() string { return c.path[0].(string) }

// changes finds what an update has to do. It compares the program's inputs
// with the state, which is what the server has: never with every output, as
// what the server filled in by itself is no deletion by the program. The old
// inputs tell only which properties the program has dropped since; of a whole
// resource it has dropped all that it does not set.
func (r *Resource) changes(oldInputs, state, news property.Map) []change {
	if r.Whole {
		oldInputs = state
	}
	return changesOf(nil, r.Properties, oldInputs, state, news, false)
}

func changesOf(at path, props []Property, oldInputs, state, news property.Map, replace bool) []change {
	var found []change
	for i := range props {
		prop := &props[i]
		if !prop.Input && at == nil {
			continue
		}
		here := at.with(prop.Name)
		replace := replace || prop.Replace
		was, has, want := oldInputs.Get(prop.Name), state.Get(prop.Name), news.Get(prop.Name)
		if absent(want) {
			if c, ok := dropped(here, prop, was, has); ok {
				c.replace = replace
				found = append(found, c)
			}
			continue
		}
		found = append(found, compare(here, prop, was, has, want, replace)...)
	}
	return found
}

// dropped is the change that a property makes which the program has stopped
// setting: the server has to go back to its default, unless it is there.
func dropped(at path, prop *Property, was, has property.Value) (change, bool) {
	if absent(was) || prop.Required {
		return change{}, false
	}
	clear, ok := cleared(prop)
	if !ok && prop.Type.Kind != Map && (!prop.Replace || prop.Returned) {
		// Nothing that could be sent would clear it, or the server always
		// chooses a value itself: what it has is as good as what it would take.
		return change{}, false
	}
	if equal(&prop.Type, orNothing(prop, has), orNothing(prop, decode(&prop.Type, clear))) {
		return change{}, false
	}
	return change{path: at, kind: p.Delete, input: absent(has)}, true
}

// compare finds the differences inside one property that the program sets.
func compare(at path, prop *Property, was, has, want property.Value, replace bool) []change {
	t := &prop.Type
	switch {
	case want.IsComputed():
	case absent(has) && equal(t, want, orNothing(prop, has)):
		return nil
	case t.Kind == Object && t.Short == "" && want.IsMap() && has.IsMap():
		old := property.Map{}
		if was.IsMap() {
			old = was.AsMap()
		}
		return changesOf(at, t.Fields, old, has.AsMap(), want.AsMap(), replace)
	case t.Kind == Map && want.IsMap() && has.IsMap():
		return compareMaps(at, t, has.AsMap(), want.AsMap(), replace)
	case t.Kind == Array && !t.Unordered && want.IsArray() && has.IsArray() && want.AsArray().Len() == has.AsArray().Len():
		var found []change
		for i, item := range want.AsArray().AsSlice() {
			if !covers(itemType(t), item, has.AsArray().Get(i)) {
				found = append(found, change{path: at.with(i), kind: p.Update, replace: replace})
			}
		}
		return found
	}
	lost := droppedFields(t, was, has, want)
	if covers(t, want, has) && len(lost) == 0 {
		return nil
	}
	kind := p.Update
	if absent(has) {
		kind = p.Add
	}
	return []change{{path: at, kind: kind, replace: replace, input: absent(has), dropped: lost}}
}

func compareMaps(at path, t *Type, has, want property.Map, replace bool) []change {
	var found []change
	for key, v := range want.AllStable {
		if old, ok := has.GetOk(key); !ok {
			found = append(found, change{path: at.with(key), kind: p.Add, replace: replace, input: true})
		} else if !equal(itemType(t), v, old) {
			found = append(found, change{path: at.with(key), kind: p.Update, replace: replace})
		}
	}
	for key := range has.AllStable {
		if _, ok := want.GetOk(key); !ok {
			found = append(found, change{path: at.with(key), kind: p.Delete, replace: replace})
		}
	}
	return found
}

// droppedFields names the fields of list entries that the program used to set,
// does not set any more, and that the server still has, such as the label of
// an address range. The entries are named by their short form.
func droppedFields(t *Type, was, has, want property.Value) map[string][]string {
	if t.Kind != Array || t.Items == nil || t.Items.Short == "" || !was.IsArray() || !has.IsArray() || !want.IsArray() {
		return nil
	}
	lost := map[string][]string{}
	for _, item := range want.AsArray().AsSlice() {
		old, present := counterpart(t.Items, item, was), counterpart(t.Items, item, has)
		for _, f := range t.Items.Fields {
			if !absent(field(old, f.Name)) && absent(field(expand(t.Items, item), f.Name)) && !absent(field(present, f.Name)) {
				short := text(field(present, t.Items.Short))
				lost[short] = append(lost[short], f.Name)
			}
		}
	}
	return lost
}

// cleared is what an update sends, in JSON, to undo a property.
func cleared(prop *Property) (any, bool) {
	switch {
	case prop.Clear != nil:
		return prop.Clear, true
	case prop.Default != nil:
		return prop.Default, true
	case prop.Nullable:
		return nil, true
	}
	return nil, false
}

// orNothing is the value, or what a property has that nobody has set.
func orNothing(prop *Property, v property.Value) property.Value {
	if !absent(v) {
		return v
	}
	if clear, ok := cleared(prop); ok {
		return decode(&prop.Type, clear)
	}
	return v
}

// path is where a value stands: names of properties and indices of lists.
type path []any

func (at path) with(element any) path { return append(slices.Clip(slices.Clone(at)), element) }

// String writes the path as programs do: maskingRules[0].kind, tags["a b"].
func (at path) String() string {
	var b strings.Builder
	for _, element := range at {
		switch element := element.(type) {
		case int:
			b.WriteString("[" + strconv.Itoa(element) + "]")
		case string:
			switch {
			case !plainName(element):
				b.WriteString("[" + strconv.Quote(element) + "]")
			case b.Len() == 0:
				b.WriteString(element)
			default:
				b.WriteString("." + element)
			}
		}
	}
	return b.String()
}

func plainName(s string) bool {
	for i, c := range s {
		letter := c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
