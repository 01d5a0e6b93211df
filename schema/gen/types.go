package main

import (
	"regexp"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// notUnderstood are keywords that limit what a value may be and that nothing
// here reads. The document does without them; previews would let pass what the
// API then refuses.
var notUnderstood = []string{"allOf", "not", "multipleOf", "exclusiveMinimum", "exclusiveMaximum", "minItems", "uniqueItems", "minProperties", "maxProperties"}

// typeOf is the type of a schema; site is where it is used, possibly a $ref.
func (b *builder) typeOf(site *yaml.Node, where string) (*typ, error) {
	node, ref, err := b.doc.resolve(site)
	if err != nil {
		return nil, err
	}
	var mark propertyNote
	if err := b.marks(site, node, &mark); err != nil {
		return nil, err
	}
	if branches := append(contentOf(get(node, "oneOf")), contentOf(get(node, "anyOf"))...); len(branches) > 0 {
		return b.either(site, branches, where)
	}
	for k := range pairs(node) {
		if slices.Contains(notUnderstood, k.Value) {
			return nil, b.doc.errorf(k, "%s of %s would be lost: neither the tables nor the package schema can say it", k.Value, where)
		}
	}
	t := &typ{description: str(node, "description"), format: mark.Format.string, unordered: mark.Unordered}
	switch kind := str(node, "type"); {
	case kind == "string":
		t.kind = "String"
		if t.format == "" && str(node, "format") == "date-time" {
			t.format = "date-time"
		}
		t.pattern = str(node, "pattern")
		t.minLength, t.maxLength = integer(node, "minLength"), integer(node, "maxLength")
		if t.enum = list(get(node, "enum")); t.enum != nil {
			return b.enum(t, site, node, ref, where)
		}
	case kind == "integer":
		t.kind, t.wide = "Integer", str(node, "format") == "int64"
		t.minimum, t.maximum = number(node, "minimum"), number(node, "maximum")
	case kind == "number":
		t.kind = "Number"
		t.minimum, t.maximum = number(node, "minimum"), number(node, "maximum")
	case kind == "boolean":
		t.kind = "Boolean"
	case kind == "array":
		t.kind, t.maxItems = "Array", integer(node, "maxItems")
		t.items, err = b.typeOf(get(node, "items"), where+" item")
	case get(node, "properties") != nil:
		return b.object(node, ref, where)
	case get(node, "additionalProperties") != nil && get(node, "additionalProperties").Kind == yaml.MappingNode:
		t.kind = "Map"
		t.items, err = b.typeOf(get(node, "additionalProperties"), where+" value")
	default:
		t.kind = "JSON"
	}
	if err != nil {
		return nil, err
	}
	if t.pattern != "" {
		if _, err := regexp.Compile(t.pattern); err != nil {
			return nil, b.doc.errorf(get(node, "pattern"), "pattern of %s is not one that Go knows: %v", where, err)
		}
	}
	return t, nil
}

// either is a oneOf of an object and the one field it may be written as.
func (b *builder) either(site *yaml.Node, branches []*yaml.Node, where string) (*typ, error) {
	for _, branch := range branches {
		node, _, err := b.doc.resolve(branch)
		if err != nil {
			return nil, err
		}
		if get(node, "properties") == nil {
			continue
		}
		t, err := b.typeOf(branch, where)
		if err == nil && t.short == "" {
			err = b.doc.errorf(site, "%s is a choice, but %s has no short form: its x-pulumi-type wants short", where, t.token)
		}
		return t, err
	}
	return nil, b.doc.errorf(site, "%s is a choice without an object in it", where)
}

// enum names an enum type. The same values may be named in several places;
// one of them says what the values mean.
func (b *builder) enum(t *typ, site, node *yaml.Node, ref, where string) (*typ, error) {
	as := enumNote{Token: ref}
	var written *yaml.Node
	for _, n := range []*yaml.Node{node, site} {
		x := b.doc.extension(n, "x-pulumi-enum")
		switch {
		case x == nil:
			continue
		case x.Kind == yaml.ScalarNode:
			as.Token = x.Value
		default:
			if _, err := note(b.doc, n, "x-pulumi-enum", &as); err != nil {
				return nil, err
			}
		}
		written = x
	}
	if as.Token == "" {
		return nil, b.doc.errorf(node, "the enum of %s has no name: give it one with x-pulumi-enum", where)
	}
	if as.Description != "" {
		t.description = as.Description
	}
	t.token = b.token(as.Token)
	for _, v := range as.Values {
		if !slices.Contains(t.enum, v.Key.string) {
			return nil, b.doc.errorf(v.Key.node, "enum %s has no value %q%s", as.Token, v.Key.string, didYouMean(v.Key.string, t.enum))
		}
	}
	for _, v := range t.enum {
		meaning := as.Values.get(v)
		if meaning == nil {
			if as.Values != nil {
				return nil, b.doc.errorf(written, "enum %s does not say what %q means", as.Token, v)
			}
			continue
		}
		t.values = append(t.values, meaning.string)
	}
	for _, have := range b.types {
		if have.token != t.token {
			continue
		}
		if !slices.Equal(have.enum, t.enum) {
			return nil, b.doc.errorf(node, "enum %s is %v here and %v elsewhere", as.Token, t.enum, have.enum)
		}
		if have.values == nil {
			have.values = t.values
		}
		return have, nil
	}
	b.types = append(b.types, t)
	return t, nil
}

func (b *builder) object(node *yaml.Node, ref, where string) (*typ, error) {
	var as typeNote
	if _, err := note(b.doc, node, "x-pulumi-type", &as); err != nil {
		return nil, err
	}
	token := ref
	if as.Token != "" {
		token = as.Token
	}
	if token == "" {
		return nil, b.doc.errorf(node, "the object of %s has no name: make it a schema of its own", where)
	}
	if t := b.named[node]; t != nil {
		return t, nil
	}
	t := &typ{kind: "Object", token: b.token(token), description: str(node, "description"), short: as.Short.string}
	if as.Description != "" {
		t.description = as.Description
	}
	b.named[node] = t
	for _, have := range b.types {
		if have.token == t.token {
			return nil, b.doc.errorf(node, "two types are named %s: %s and another; give one a token in x-pulumi-type", t.token, where)
		}
	}
	b.types = append(b.types, t)
	required := list(get(node, "required"))
	notes, err := b.resourceNotes(node)
	if err != nil {
		return nil, err
	}
	for k, v := range pairs(get(node, "properties")) {
		p, err := b.property(k.Value, v, where+"."+k.Value)
		if err != nil {
			return nil, err
		}
		if n := notes.get(p.name); n != nil {
			if n.Omit {
				continue
			}
			if err := b.mark(p, n); err != nil {
				return nil, err
			}
			// These say what a resource does with a property.
			p.replace, p.stable, p.volatile, p.once = false, false, false, false
		}
		p.input, p.output = true, true
		p.required = slices.Contains(required, k.Value)
		p.returned = p.returned || p.required
		t.fields = append(t.fields, p)
	}
	if as.Short.string != "" && !slices.ContainsFunc(t.fields, func(p *property) bool { return p.wire == as.Short.string }) {
		return nil, b.doc.errorf(as.Short.node, "short form %q: %s has no such field%s", as.Short.string, token, didYouMean(as.Short.string, wires(t.fields)))
	}
	return t, nil
}

func contentOf(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	return n.Content
}

func integer(n *yaml.Node, key string) *int {
	if v, err := strconv.Atoi(str(n, key)); err == nil {
		return &v
	}
	return nil
}

func number(n *yaml.Node, key string) *float64 {
	if v, err := strconv.ParseFloat(str(n, key), 64); err == nil {
		return &v
	}
	return nil
}
