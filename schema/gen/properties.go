package main

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// property is a field of a schema, with the marks that stand on the field.
func (b *builder) property(wire string, site *yaml.Node, where string) (*property, error) {
	t, err := b.typeOf(site, where)
	if err != nil {
		return nil, err
	}
	node, _, err := b.doc.resolve(site)
	if err != nil {
		return nil, err
	}
	p := &property{name: camel(wire), wire: wire, typ: t, description: str(site, "description")}
	if p.description == "" {
		p.description = str(node, "description")
	}
	p.nullable = str(site, "nullable") == "true" || str(node, "nullable") == "true"
	p.secret = str(node, "format") == "password"
	p.writeOnly = str(node, "writeOnly") == "true"
	for _, n := range []*yaml.Node{site, node} {
		if def := get(n, "default"); def != nil {
			p.def = def
			break
		}
	}
	var mark propertyNote
	if err := b.marks(site, node, &mark); err != nil {
		return nil, err
	}
	return p, b.mark(p, &mark)
}

// marks collects x-pulumi-property from the place of use and, where that is a
// reference, from what it names.
func (b *builder) marks(site, node *yaml.Node, into *propertyNote) error {
	if _, err := note(b.doc, node, "x-pulumi-property", into); err != nil {
		return err
	}
	if site != node {
		if _, err := note(b.doc, site, "x-pulumi-property", into); err != nil {
			return err
		}
	}
	return nil
}

// mark adds what a note says to a property.
func (b *builder) mark(p *property, n *propertyNote) error {
	if n.Description != "" {
		p.description = strings.TrimSpace(n.Description)
	}
	for _, f := range []struct {
		to   *bool
		from bool
	}{
		{&p.secret, n.Secret}, {&p.writeOnly, n.WriteOnly}, {&p.once, n.Once}, {&p.replace, n.Replace},
		{&p.stable, n.Stable}, {&p.volatile, n.Volatile}, {&p.returned, n.Returned},
	} {
		*f.to = *f.to || f.from
	}
	for _, f := range []struct {
		name string
		to   **yaml.Node
		from *yaml.Node
	}{{"clear", &p.clear, &n.Clear}, {"default", &p.def, &n.Default}} {
		if f.from.IsZero() {
			continue
		}
		if why := misfit(f.from, p.typ); why != "" {
			return b.doc.errorf(n.node, "%s: %s %s", p.name, f.name, why)
		}
		*f.to = f.from
	}
	if n.Format.string == "" && !n.Unordered && len(n.Except) == 0 && n.Minimum == nil {
		return nil
	}
	t := *p.typ // the named type stays as it is
	if n.Format.string != "" {
		if !slices.Contains(formats, n.Format.string) {
			return b.doc.errorf(n.Format.node, "no such format %q%s", n.Format.string, didYouMean(n.Format.string, formats))
		}
		if t.kind != "String" {
			return b.doc.errorf(n.Format.node, "format %s is for strings; %s is none", n.Format.string, p.name)
		}
		t.format = n.Format.string
	}
	if n.Unordered && t.kind != "Array" {
		return b.doc.errorf(n.node, "%s is marked unordered, but is no list", p.name)
	}
	t.unordered = t.unordered || n.Unordered
	if n.Minimum != nil {
		if t.kind != "Integer" && t.kind != "Number" {
			return b.doc.errorf(n.node, "%s has a minimum, but is no number", p.name)
		}
		t.minimum = n.Minimum
	}
	for _, not := range n.Except {
		i := slices.Index(t.enum, not.string)
		if i < 0 {
			return b.doc.errorf(not.node, "except %q: %s has no such value%s", not.string, p.name, didYouMean(not.string, t.enum))
		}
		t.enum = slices.Delete(slices.Clone(t.enum), i, i+1)
	}
	p.typ = &t
	return nil
}

// resourceNotes are the marks that a resource made of this schema puts on its
// fields.
func (b *builder) resourceNotes(schema *yaml.Node) (ordered[propertyNote], error) {
	var n resourceNote
	_, err := note(b.doc, schema, "x-pulumi-resource", &n)
	return n.Properties, err
}

func wires(ps []*property) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.wire)
	}
	return out
}

func names(ps []*property) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.name)
	}
	return out
}

// camel is the name of a wire field as programs write it.
func camel(wire string) string {
	parts := strings.Split(wire, "_")
	for i, p := range parts[1:] {
		parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
	}
	return strings.Join(parts, "")
}
