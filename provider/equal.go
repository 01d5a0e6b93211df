package provider

import (
	"net/netip"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// equal reports whether two values mean the same to the service: address
// ranges, instants and host names in different spellings, lists whose order
// means nothing, nothing and an empty list. Unknown values equal nothing.
func equal(t *Type, a, b property.Value) bool {
	a, b = expand(t, a), expand(t, b)
	switch {
	case a.IsComputed() || b.IsComputed():
		return false
	case empty(a) || empty(b):
		return empty(a) && empty(b)
	case a.IsString() && b.IsString():
		return a.AsString() == b.AsString() || canonical(t.Format, a.AsString()) == canonical(t.Format, b.AsString())
	case a.IsArray() && b.IsArray():
		if t.Unordered {
			return includes(itemType(t), a.AsArray(), b.AsArray()) && includes(itemType(t), b.AsArray(), a.AsArray())
		}
		if a.AsArray().Len() != b.AsArray().Len() {
			return false
		}
		for i, item := range a.AsArray().AsSlice() {
			if !equal(itemType(t), item, b.AsArray().Get(i)) {
				return false
			}
		}
		return true
	case a.IsMap() && b.IsMap() && t.Kind == Object:
		for i := range t.Fields {
			f := &t.Fields[i]
			if !equal(&f.Type, orDefault(f, field(a, f.Name)), orDefault(f, field(b, f.Name))) {
				return false
			}
		}
		return true
	case a.IsMap() && b.IsMap():
		if a.AsMap().Len() != b.AsMap().Len() {
			return false
		}
		for key, item := range a.AsMap().All {
			if other, ok := b.AsMap().GetOk(key); !ok || !equal(itemType(t), item, other) {
				return false
			}
		}
		return true
	}
	return a.WithSecret(false).WithDependencies(nil).Equals(b.WithSecret(false).WithDependencies(nil))
}

// covers reports whether what the server has is what the program asks, field
// by field: fields that the program leaves out are the server's affair.
func covers(t *Type, want, has property.Value) bool {
	want, has = expand(t, want), expand(t, has)
	switch {
	case want.IsMap() && has.IsMap() && t.Kind == Object:
		for i := range t.Fields {
			f := &t.Fields[i]
			if w := field(want, f.Name); !absent(w) && !covers(&f.Type, w, orDefault(f, field(has, f.Name))) {
				return false
			}
		}
		return true
	case want.IsArray() && has.IsArray() && want.AsArray().Len() > 0 && t.Items != nil && t.Items.Short != "":
		wants, hasList := want.AsArray().AsSlice(), has.AsArray().AsSlice()
		return allCovered(t.Items, wants, hasList, false) && allCovered(t.Items, hasList, wants, true)
	}
	return equal(t, want, has)
}

// allCovered reports whether each of these has one among those that it covers
// or, the other way round, that covers it.
func allCovered(t *Type, these, those []property.Value, reverse bool) bool {
	for _, this := range these {
		found := false
		for _, that := range those {
			if !reverse && covers(t, this, that) || reverse && covers(t, that, this) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func includes(t *Type, all, some property.Array) bool {
	for _, s := range some.AsSlice() {
		found := false
		for _, a := range all.AsSlice() {
			if equal(t, s, a) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// empty reports whether a value is nothing, or a list or map of nothing: the
// API cannot tell these apart.
func empty(v property.Value) bool {
	return v.IsNull() || v.IsArray() && v.AsArray().Len() == 0 || v.IsMap() && v.AsMap().Len() == 0
}

// orDefault is the value, or what the server takes where there is none.
func orDefault(p *Property, v property.Value) property.Value {
	if absent(v) && p.Default != nil {
		return decode(&p.Type, p.Default)
	}
	return v
}

// canonical spells a string the one way that its format has for its meaning.
func canonical(format, s string) string {
	switch format {
	case "cidr":
		if p, err := parseCIDR(s); err == nil {
			return p.String()
		}
	case "date-time", "future":
		if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return at.UTC().Format(time.RFC3339Nano)
		}
	case "host", "hostname":
		return strings.TrimSuffix(strings.ToLower(s), ".")
	}
	return s
}

// parseCIDR reads an address range, or one address as the range of itself.
func parseCIDR(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}
