package provider

import (
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// previewCreate is the state that a create will give, as far as it is known:
// what the program sets. The server decides everything else.
func (r *Resource) previewCreate(inputs property.Map) property.Map {
	out := map[string]property.Value{}
	for i := range r.Properties {
		prop := &r.Properties[i]
		if v := inputs.Get(prop.Name); prop.Input && !absent(v) {
			out[prop.Name] = asOutput(&prop.Type, v)
		} else if prop.Output {
			out[prop.Name] = property.New(property.Computed)
		}
	}
	return markSecrets(r.Properties, property.NewMap(out))
}

// previewUpdate is the state after an update. Only what may change becomes
// unknown, so that dependants do not show changes that will not be.
func (r *Resource) previewUpdate(state, inputs property.Map, found []change) property.Map {
	changed := func(name string) bool {
		return slices.ContainsFunc(found, func(c change) bool { return c.property() == name })
	}
	rotating := r.Rotate != nil && changed(rotationTriggers) && !absent(inputs.Get(rotationTriggers))
	unknown := property.New(property.Computed)
	out := state.AsMap()
	for i := range r.Properties {
		prop := &r.Properties[i]
		v := inputs.Get(prop.Name)
		switch {
		case prop.Input && !absent(v):
			if changed(prop.Name) {
				out[prop.Name] = asOutput(&prop.Type, v)
			}
		case prop.Input:
			if changed(prop.Name) {
				delete(out, prop.Name)
				if clear, ok := cleared(prop); ok && !absent(decode(&prop.Type, clear)) {
					out[prop.Name] = decode(&prop.Type, clear)
				}
			}
		case !prop.Output || prop.Stable || len(found) == 0:
		case prop.Once:
			if rotating {
				out[prop.Name] = unknown
			}
		default:
			out[prop.Name] = unknown
		}
	}
	return markSecrets(r.Properties, property.NewMap(out))
}

// asOutput writes an input the way the state will have it: objects that were
// written short in full, and nothing of what is null.
func asOutput(t *Type, v property.Value) property.Value {
	v = expand(t, v)
	switch {
	case v.IsArray() && t.Items != nil:
		items := v.AsArray().AsSlice()
		for i := range items {
			items[i] = asOutput(t.Items, items[i])
		}
		return property.WithGoValue(v, property.NewArray(items))
	case v.IsMap() && t.Kind == Object:
		m := v.AsMap().AsMap()
		for i := range t.Fields {
			f := &t.Fields[i]
			if item, ok := m[f.Name]; ok {
				if m[f.Name] = asOutput(&f.Type, item); absent(item) {
					delete(m, f.Name)
				}
			}
		}
		return property.WithGoValue(v, property.NewMap(m))
	}
	return v
}
