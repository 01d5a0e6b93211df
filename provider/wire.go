package provider

import (
	"encoding/json"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// object is a JSON object as HTTP carries it, with snake_case names.
type object = map[string]any

// absent reports whether a value says nothing: a program's undefined and null
// are the same, an empty string, a 0 and a false are values.
func absent(v property.Value) bool { return v.IsNull() }

// encode renders a value the way the API reads it. Nested objects travel
// whole, because the API requires every field of them: a field that the
// program leaves out keeps the server's present value (of known), or takes
// the default.
func encode(t *Type, v, known property.Value) any {
	switch {
	case absent(v) || v.IsComputed():
		return nil
	case v.IsBool():
		return v.AsBool()
	case v.IsNumber():
		return v.AsNumber()
	case v.IsString():
		if t.Kind == Object && t.Short != "" {
			return encodeFields(t.Fields, expand(t, v).AsMap(), known)
		}
		return v.AsString()
	case v.IsArray():
		items := itemType(t)
		list := make([]any, 0, v.AsArray().Len())
		for _, item := range v.AsArray().AsSlice() {
			list = append(list, encode(items, item, counterpart(items, item, known)))
		}
		return list
	case v.IsMap() && t.Kind == Object:
		return encodeFields(t.Fields, v.AsMap(), known)
	case v.IsMap():
		out := object{}
		for key, item := range v.AsMap().All {
			out[key] = encode(itemType(t), item, property.Value{})
		}
		return out
	}
	return nil
}

func encodeFields(fields []Property, m property.Map, known property.Value) object {
	out := object{}
	for i := range fields {
		f := &fields[i]
		was := field(known, f.Name)
		switch v := m.Get(f.Name); {
		case !absent(v):
			out[f.Wire] = encode(&f.Type, v, was)
		case !absent(was) && !f.WriteOnly:
			out[f.Wire] = encode(&f.Type, was, property.Value{})
		case f.Default != nil:
			out[f.Wire] = f.Default
		}
	}
	return out
}

// counterpart finds the element of a list the server has for an element the
// program wrote, where objects may be written short: an address range written
// without its label keeps the label it was given elsewhere.
func counterpart(t *Type, item, known property.Value) property.Value {
	if t.Short == "" || !known.IsArray() {
		return property.Value{}
	}
	short := find(t.Fields, t.Short)
	for _, k := range known.AsArray().AsSlice() {
		if equal(&short.Type, field(expand(t, item), t.Short), field(expand(t, k), t.Short)) {
			return expand(t, k)
		}
	}
	return property.Value{}
}

// expand turns the short form of an object into the object.
func expand(t *Type, v property.Value) property.Value {
	if t.Kind == Object && t.Short != "" && v.IsString() {
		return property.New(map[string]property.Value{t.Short: property.New(v.AsString())}).WithSecret(v.Secret())
	}
	return v
}

// field is the value of a field of an object, null when there is none.
func field(v property.Value, name string) property.Value {
	if !v.IsMap() {
		return property.Value{}
	}
	return v.AsMap().Get(name)
}

func itemType(t *Type) *Type {
	if t != nil && t.Items != nil {
		return t.Items
	}
	return &Type{Kind: JSON}
}

// decode renders what the API answered as a property value. null and absent
// are the same; fields that the table does not know are left out.
func decode(t *Type, v any) property.Value {
	switch v := v.(type) {
	case nil:
		return property.Value{}
	case bool:
		return property.New(v)
	case string:
		return property.New(v)
	case float64:
		return property.New(v)
	case int:
		return property.New(float64(v))
	case json.Number:
		n, _ := v.Float64()
		return property.New(n)
	case []any:
		list := make([]property.Value, 0, len(v))
		for _, item := range v {
			list = append(list, decode(itemType(t), item))
		}
		return property.New(list)
	case []string:
		list := make([]property.Value, 0, len(v))
		for _, item := range v {
			list = append(list, property.New(item))
		}
		return property.New(list)
	case object:
		out := map[string]property.Value{}
		if t.Kind == Object {
			for i := range t.Fields {
				f := &t.Fields[i]
				if d := decode(&f.Type, v[f.Wire]); !absent(d) {
					out[f.Name] = d
				}
			}
		} else {
			for key, item := range v {
				out[key] = decode(itemType(t), item)
			}
		}
		return property.New(out)
	}
	return property.Value{}
}
