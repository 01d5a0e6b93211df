package provider

import "github.com/pulumi/pulumi/sdk/v3/go/property"

// tolerate makes old state readable: properties that a former schema had and
// this one has not are left out, values of another shape too, missing ones
// stay missing. Nothing here can fail, because a stack whose state cannot be
// read cannot even be destroyed.
func tolerate(props []Property, state property.Map) property.Map {
	out := map[string]property.Value{}
	for i := range props {
		prop := &props[i]
		if v, ok := state.GetOk(prop.Name); ok && !absent(v) && shaped(&prop.Type, v) {
			out[prop.Name] = tolerateValue(&prop.Type, v)
		}
	}
	return property.NewMap(out)
}

func tolerateValue(t *Type, v property.Value) property.Value {
	switch {
	case v.IsMap() && t.Kind == Object:
		return property.WithGoValue(v, tolerate(t.Fields, v.AsMap()))
	case v.IsArray() && t.Items != nil:
		var items []property.Value
		for _, item := range v.AsArray().AsSlice() {
			if shaped(t.Items, item) {
				items = append(items, tolerateValue(t.Items, item))
			}
		}
		return property.WithGoValue(v, property.NewArray(items))
	}
	return v
}

// shaped reports whether a value has the kind the table says.
func shaped(t *Type, v property.Value) bool {
	if v.IsComputed() {
		return true
	}
	switch t.Kind {
	case String:
		return v.IsString()
	case Integer, Number:
		return v.IsNumber()
	case Boolean:
		return v.IsBool()
	case Array:
		return v.IsArray()
	case Map:
		return v.IsMap()
	case Object:
		return v.IsMap() || t.Short != "" && v.IsString()
	}
	return true
}
