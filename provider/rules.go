package provider

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// rules finds inputs that are each allowed but contradict one another.
func (c *checker) rules(r *Resource, inputs property.Map) {
	c.pool(nil, r.Properties, inputs)
	if r.property("maskingRules") != nil {
		c.disjoint(inputs, path{"tableAllowlist"}, path{"tableDenylist"}, relationKey, "table")
		c.disjoint(inputs, path{"statementRules", "allow"}, path{"statementRules", "deny"}, strings.ToLower, "kind of statement")
		c.masks(inputs.Get("maskingRules"))
	}
}

// pool compares the two sizes of a connection pool, also under a project's
// database.
func (c *checker) pool(at path, props []Property, m property.Map) {
	for i := range props {
		prop := &props[i]
		v := m.Get(prop.Name)
		if prop.Type.Kind != Object || !v.IsMap() {
			continue
		}
		lowest, highest := find(prop.Type.Fields, "minPoolSize"), find(prop.Type.Fields, "poolSize")
		if lowest == nil || highest == nil {
			c.pool(at.with(prop.Name), prop.Type.Fields, v.AsMap())
			continue
		}
		low, high := orDefault(lowest, field(v, lowest.Name)), orDefault(highest, field(v, highest.Name))
		if low.IsNumber() && high.IsNumber() && low.AsNumber() > high.AsNumber() {
			here := at.with(prop.Name)
			c.fail(here.with(lowest.Name), "%s is more than %s, which is %s; allowed: at most that",
				number(low.AsNumber()), here.with(highest.Name), number(high.AsNumber()))
		}
	}
}

// disjoint refuses what two lists both name.
func (c *checker) disjoint(inputs property.Map, one, other path, key func(string) string, what string) {
	a, b := lookup(inputs, one), lookup(inputs, other)
	if !a.IsArray() || !b.IsArray() {
		return
	}
	for i, x := range a.AsArray().AsSlice() {
		for j, y := range b.AsArray().AsSlice() {
			if x.IsString() && y.IsString() && key(x.AsString()) == key(y.AsString()) {
				c.fail(other.with(j), "%s is also in %s; a %s is either allowed or denied, remove one", show(y), one.with(i), what)
			}
		}
	}
}

func lookup(m property.Map, at path) property.Value {
	v := property.New(m)
	for _, name := range at {
		v = field(v, name.(string))
	}
	return v
}

// masks refuses two kinds of mask for one column.
func (c *checker) masks(rules property.Value) {
	if !rules.IsArray() {
		return
	}
	type mask struct {
		at   path
		kind string
	}
	seen := map[[2]string]mask{}
	for i, rule := range rules.AsArray().AsSlice() {
		table, column, kind := field(rule, "table"), field(rule, "column"), field(rule, "kind")
		if !table.IsString() || !column.IsString() || !kind.IsString() {
			continue
		}
		at := path{"maskingRules", i}
		key := [2]string{relationKey(table.AsString()), column.AsString()}
		if former, ok := seen[key]; !ok {
			seen[key] = mask{at, kind.AsString()}
		} else if former.kind != kind.AsString() {
			c.fail(at.with("kind"), "%s contradicts %s, which is another for the same column; remove one", show(kind), former.at.with("kind"))
		}
	}
}

// relationKey is a table name in one spelling.
func relationKey(s string) string {
	parts, wrong := relationParts(s)
	if wrong != "" {
		return s
	}
	if len(parts) == 2 && parts[0] == "public" {
		parts = parts[1:] // a bare name and one in public mean each other
	}
	return strings.Join(parts, "\x00")
}
