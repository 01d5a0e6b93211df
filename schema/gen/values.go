package main

import (
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

// misfit says why a value that an overlay gives is none of a type; "" when it
// is one. null, which clears, is one of every type.
func misfit(n *yaml.Node, t *typ) string {
	is := func(kind yaml.Kind, tags ...string) bool {
		return n.Kind == kind && (tags == nil || slices.Contains(tags, n.ShortTag()))
	}
	switch {
	case is(yaml.ScalarNode, "!!null"), t.kind == "JSON":
	case t.kind == "String" && !is(yaml.ScalarNode, "!!str", "!!timestamp"):
		return "is no string"
	case t.kind == "String" && t.enum != nil && !slices.Contains(t.enum, n.Value):
		return fmt.Sprintf("%q is none of its values%s", n.Value, didYouMean(n.Value, t.enum))
	case t.kind == "Boolean" && !is(yaml.ScalarNode, "!!bool"):
		return "is neither true nor false"
	case t.kind == "Integer" && !is(yaml.ScalarNode, "!!int"):
		return "is no whole number"
	case t.kind == "Number" && !is(yaml.ScalarNode, "!!int", "!!float"):
		return "is no number"
	case t.kind == "Array" && !is(yaml.SequenceNode):
		return "is no list"
	case (t.kind == "Map" || t.kind == "Object") && !is(yaml.MappingNode):
		return "is no object"
	case t.kind == "Array":
		for _, item := range n.Content {
			if why := misfit(item, t.items); why != "" {
				return "has an entry that " + why
			}
		}
	case t.kind == "Map":
		for k, v := range pairs(n) {
			if why := misfit(v, t.items); why != "" {
				return k.Value + " " + why
			}
		}
	case t.kind == "Object":
		for k, v := range pairs(n) {
			i := slices.Index(wires(t.fields), k.Value)
			if i < 0 {
				return fmt.Sprintf("has a field %q%s, which it cannot", k.Value, didYouMean(k.Value, wires(t.fields)))
			}
			if why := misfit(v, t.fields[i].typ); why != "" {
				return k.Value + " " + why
			}
		}
	}
	return ""
}
