package provider

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// redacted stands in messages where a secret would stand.
const redacted = "[secret]"

// markSecrets marks every value that the table calls a secret, nested ones
// too. The engine encrypts nothing that the provider does not mark: flags of
// the package schema reach SDKs only for top-level properties.
func markSecrets(props []Property, m property.Map) property.Map {
	for i := range props {
		p := &props[i]
		v, ok := m.GetOk(p.Name)
		if !ok {
			continue
		}
		v = markNested(&p.Type, v)
		if p.Secret && !absent(v) {
			v = v.WithSecret(true)
		}
		m = m.Set(p.Name, v)
	}
	return m
}

func markNested(t *Type, v property.Value) property.Value {
	switch {
	case v.IsMap() && t.Kind == Object:
		return property.WithGoValue(v, markSecrets(t.Fields, v.AsMap()))
	case v.IsArray() && t.Items != nil:
		items := v.AsArray().AsSlice()
		for i := range items {
			items[i] = markNested(t.Items, items[i])
		}
		return property.WithGoValue(v, property.NewArray(items))
	case v.IsMap() && t.Items != nil:
		items := v.AsMap().AsMap()
		for key := range items {
			items[key] = markNested(t.Items, items[key])
		}
		return property.WithGoValue(v, property.NewMap(items))
	}
	return v
}

// spread marks what is inside a secret as secret too, so that no part of it is
// shown.
func spread(v property.Value) property.Value {
	switch {
	case v.IsMap():
		m := v.AsMap().AsMap()
		for key, item := range m {
			m[key] = spread(item.WithSecret(item.Secret() || v.Secret()))
		}
		return property.WithGoValue(v, property.NewMap(m))
	case v.IsArray():
		items := v.AsArray().AsSlice()
		for i, item := range items {
			items[i] = spread(item.WithSecret(item.Secret() || v.Secret()))
		}
		return property.WithGoValue(v, property.NewArray(items))
	}
	return v
}

// secretTexts collects every secret string among the values, so that messages
// from elsewhere can be cleared of them.
func secretTexts(props []Property, m property.Map) []string {
	var out []string
	for key, v := range m.All {
		p := find(props, key)
		out = append(out, textsOf(p, v, false)...)
	}
	return out
}

func textsOf(p *Property, v property.Value, secret bool) []string {
	secret = secret || v.Secret() || p != nil && p.Secret
	var out []string
	switch {
	case v.IsString() && secret:
		out = append(out, v.AsString())
	case v.IsArray():
		for _, item := range v.AsArray().AsSlice() {
			var inner *Property
			if p != nil && p.Type.Items != nil {
				inner = &Property{Type: *p.Type.Items}
			}
			out = append(out, textsOf(inner, item, secret)...)
		}
	case v.IsMap():
		for key, item := range v.AsMap().All {
			var inner *Property
			if p != nil {
				inner = find(p.Type.Fields, key)
			}
			out = append(out, textsOf(inner, item, secret)...)
		}
	}
	return out
}

// scrub replaces the secrets in a text. Very short ones are left: replacing
// every "a" would hide the message and not the secret.
func scrub(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, redacted)
		}
	}
	return text
}
