package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// The model is what the tables of package provider say, before it is printed
// as Go. It is not package provider's own types: the generator must run when
// what it generates is missing or does not compile.

// pkg is everything there is to generate from.
type pkg struct {
	note      packageNote
	resources []*resource
	functions []*function
	types     []*typ // named ones, in the order they were met
	waived    map[string]string
}

type resource struct {
	note                                       resourceNote
	token                                      string
	properties                                 []*property
	create, read, list, update, delete, rotate *call
	schema                                     *yaml.Node
}

type property struct {
	name, wire, description   string
	typ                       *typ
	input, required           bool
	output, returned          bool
	secret, writeOnly, once   bool
	replace, stable, volatile bool
	nullable                  bool
	clear, def                *yaml.Node
	offWire                   bool
}

// call is an operation as a resource or a function uses it.
type call struct {
	op      *operation
	args    []string
	query   []string
	body    []string
	hasBody bool
	result  string
	items   string
	paged   bool
}

type function struct {
	token, description string
	inputs, outputs    []*property
	call               *call
	node               *yaml.Node
}

type typ struct {
	kind                 string // the name of the provider.Kind
	token, description   string
	items                *typ
	fields               []*property
	enum                 []string
	values               []string // what each value of enum means
	minimum, maximum     *float64
	minLength, maxLength *int
	maxItems             *int
	pattern, format      string
	unordered            bool
	short                string
	wide                 bool // an integer that does not fit into 32 bits
}

// formats are the checks that the provider knows.
var formats = []string{"date-time", "future", "cidr", "host", "hostname", "https-url", "pg-identifier", "relation", "predicate", "query-hash"}

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
	if !n.Clear.IsZero() {
		p.clear = &n.Clear
	}
	if !n.Default.IsZero() {
		p.def = &n.Default
	}
	if n.Format.string == "" && !n.Unordered && len(n.Except) == 0 {
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
	t.unordered = t.unordered || n.Unordered
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

func contentOf(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	return n.Content
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
