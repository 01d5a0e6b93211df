package provider

import (
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// pendingKey holds in the state the paths of what the program has dropped and
// an update that failed half-way has not cleared yet. The engine records the
// new inputs with such a state, so that without a note nothing would tell a
// value to clear from one the server chose by itself. The engine shows no
// property whose name begins like this.
const pendingKey = "__pending"

// pending reads the note from a recorded state.
func pending(state property.Map) []string {
	var paths []string
	if v := state.Get(pendingKey); v.IsArray() {
		for _, item := range v.AsArray().AsSlice() {
			if item.IsString() {
				paths = append(paths, item.AsString())
			}
		}
	}
	return paths
}

// note puts the clears among changes that were not made into a state.
func note(state property.Map, rest []change) property.Map {
	var paths []property.Value
	for _, c := range rest {
		if c.kind == p.Delete {
			paths = append(paths, property.New(c.path.String()))
		}
	}
	if len(paths) == 0 {
		return state
	}
	return state.Set(pendingKey, property.New(paths))
}

// recall gives old inputs the values back that still have to be cleared, as if
// the program had only now stopped setting them.
func recall(oldInputs, recorded property.Map) property.Map {
	for _, at := range pending(recorded) {
		oldInputs = restore(oldInputs, recorded, strings.Split(at, "."))
	}
	return oldInputs
}

// stillPending carries the note over a refresh, without what has been cleared
// by somebody since.
func (r *Resource) stillPending(recorded, inputs, now property.Map) property.Map {
	paths := pending(recorded)
	if len(paths) == 0 {
		return now
	}
	found := r.changes(recall(inputs, now.Set(pendingKey, recorded.Get(pendingKey))), now, inputs)
	return note(now, slices.DeleteFunc(found, func(c change) bool { return !slices.Contains(paths, c.path.String()) }))
}

// restore sets what is missing at a path to what another map has there.
func restore(m, from property.Map, at []string) property.Map {
	has, old := from.Get(at[0]), m.Get(at[0])
	switch {
	case absent(has):
	case len(at) == 1 && absent(old):
		m = m.Set(at[0], has)
	case len(at) > 1 && has.IsMap() && (absent(old) || old.IsMap()):
		inner := property.Map{}
		if old.IsMap() {
			inner = old.AsMap()
		}
		m = m.Set(at[0], property.WithGoValue(has, restore(inner, has.AsMap(), at[1:])))
	}
	return m
}
