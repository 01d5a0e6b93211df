package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// builder makes the model of a document and its overlay.
type builder struct {
	doc   *document
	pkg   packageNote
	types []*typ
	named map[*yaml.Node]*typ
}

func build(doc *document) (*pkg, error) {
	b := &builder{doc: doc, named: map[*yaml.Node]*typ{}}
	if err := doc.index(); err != nil {
		return nil, err
	}
	root := doc.root.Content[0]
	if ok, err := note(doc, get(root, "info"), "x-pulumi-package", &b.pkg); err != nil || !ok {
		return nil, errors.Join(err, map[bool]error{false: doc.errorf(get(root, "info"), "no x-pulumi-package")}[ok])
	}
	out := &pkg{note: b.pkg, waived: map[string]string{}}
	var problems []error
	for _, schema := range pairs(get(root, "components", "schemas")) {
		r, err := b.resource(schema)
		if err != nil {
			problems = append(problems, err)
		} else if r != nil {
			out.resources = append(out.resources, r)
		}
	}
	// Resources stand in the overlay's order, not the document's.
	slices.SortStableFunc(out.resources, func(x, y *resource) int {
		return get(x.schema, "x-pulumi-resource").Line - get(y.schema, "x-pulumi-resource").Line
	})
	for _, op := range doc.operations {
		f, err := b.function(op)
		if err != nil {
			problems = append(problems, err)
		} else if f != nil {
			out.functions = append(out.functions, f)
		}
		if why := doc.extension(op.node, "x-pulumi-waived"); why != nil {
			out.waived[op.id] = why.Value
		}
	}
	slices.SortStableFunc(out.functions, func(x, y *function) int { return x.node.Line - y.node.Line })
	for _, c := range b.pkg.Functions {
		f := &function{token: b.token(c.Key.string), description: c.Value.Description}
		for _, in := range c.Value.Inputs {
			p := extra(in)
			p.input = true
			f.inputs = append(f.inputs, p)
		}
		for _, o := range c.Value.Outputs {
			p := extra(o)
			p.output = true
			f.outputs = append(f.outputs, p)
		}
		out.functions = append(out.functions, f)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...) // what follows would only repeat them
	}
	out.types = b.types
	slices.SortFunc(out.types, func(x, y *typ) int { return strings.Compare(x.token, y.token) })
	for _, r := range out.resources {
		if err := b.check(out, r); err != nil {
			problems = append(problems, err)
		}
	}
	problems = append(problems, b.covered(out)...)
	problems = append(problems, doc.ignored()...)
	return out, errors.Join(problems...)
}

func (b *builder) token(name string) string { return b.pkg.Name + ":index:" + name }

// resource is what the schema's x-pulumi-resource describes; nil without one.
func (b *builder) resource(schema *yaml.Node) (*resource, error) {
	r := &resource{schema: schema}
	if ok, err := note(b.doc, schema, "x-pulumi-resource", &r.note); err != nil || !ok {
		return nil, err
	}
	r.token = b.token(r.note.Token)

	maker := r.note.Create
	if maker == nil {
		maker = r.note.Update
	}
	if maker == nil {
		return nil, b.doc.errorf(get(schema, "x-pulumi-resource"), "%s has neither create nor update", r.note.Token)
	}
	if err := b.inputs(r, maker); err != nil {
		return nil, err
	}
	if err := b.outputs(r, maker); err != nil {
		return nil, err
	}
	for _, e := range r.note.Extra {
		r.properties = append(r.properties, extra(e))
	}
	for _, n := range r.note.Properties {
		if i := slices.IndexFunc(r.properties, func(p *property) bool { return p.name == n.Key.string }); i < 0 {
			return nil, b.doc.errorf(n.Key.node, "%s has no property %q%s", r.note.Token, n.Key.string, didYouMean(n.Key.string, names(r.properties)))
		} else if n.Value.Omit {
			r.properties = slices.Delete(r.properties, i, i+1)
		} else if err := b.mark(r.properties[i], &n.Value); err != nil {
			return nil, err
		}
	}
	for _, c := range []struct {
		to   **call
		note *operationNote
	}{
		{&r.create, r.note.Create}, {&r.read, r.note.Read}, {&r.list, r.note.List},
		{&r.update, r.note.Update}, {&r.delete, r.note.Delete}, {&r.rotate, r.note.Rotate},
	} {
		if c.note == nil {
			continue
		}
		var err error
		if *c.to, err = b.call(c.note, r.properties, schema); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// inputs are the path parameters and the body of the operation that makes the
// resource, and what its update takes besides.
func (b *builder) inputs(r *resource, maker *operationNote) error {
	op, err := b.lookup(maker.Operation)
	if err != nil {
		return err
	}
	for _, q := range op.in("path") {
		p, err := b.property(q.name, get(q.node, "schema"), op.id+" "+q.name)
		if err != nil {
			return err
		}
		if own := get(r.schema, "properties", q.name); own != nil && str(own, "description") != "" {
			p.description = str(own, "description")
		} else if d := str(q.node, "description"); d != "" {
			p.description = d
		}
		p.input, p.required, p.output = true, true, true
		r.properties = append(r.properties, p)
	}
	for _, by := range []*operationNote{maker, r.note.Update} {
		if by == nil {
			continue
		}
		op, err := b.lookup(by.Operation)
		if err != nil {
			return err
		}
		body, _, err := b.doc.resolve(b.doc.request(op))
		if err != nil {
			return err
		}
		required := list(get(body, "required"))
		for k, v := range pairs(get(body, "properties")) {
			if slices.Contains(wires(r.properties), k.Value) {
				continue
			}
			p, err := b.property(k.Value, v, r.note.Token+"."+k.Value)
			if err != nil {
				return err
			}
			p.input, p.output = true, true
			p.required = by == maker && slices.Contains(required, k.Value)
			r.properties = append(r.properties, p)
		}
	}
	return nil
}

// outputs are the fields of the object that is read, and what the create
// operation returns beside the object.
func (b *builder) outputs(r *resource, maker *operationNote) error {
	required := list(get(r.schema, "required"))
	for k, v := range pairs(get(r.schema, "properties")) {
		if k.Value == "id" {
			continue
		}
		if i := slices.Index(wires(r.properties), k.Value); i >= 0 {
			p := r.properties[i]
			p.returned = slices.Contains(required, k.Value)
			if p.def == nil {
				p.def = get(v, "default")
			}
			if p.description == "" {
				p.description = str(v, "description")
			}
			continue
		}
		p, err := b.property(k.Value, v, r.note.Token+"."+k.Value)
		if err != nil {
			return err
		}
		p.output, p.returned, p.def, p.nullable = true, slices.Contains(required, k.Value), nil, false
		r.properties = append(r.properties, p)
	}
	op, err := b.lookup(maker.Operation)
	if err != nil || maker.Result.string == "" {
		return err
	}
	if err := b.returns(maker, op, r.schema); err != nil {
		return err
	}
	answer, _, err := b.doc.resolve(b.doc.response(op))
	if err != nil {
		return err
	}
	required = list(get(answer, "required"))
	for k, v := range pairs(get(answer, "properties")) {
		part := slices.ContainsFunc(r.note.Parts, func(p partNote) bool { return p.Result.string == k.Value })
		if k.Value == maker.Result.string || part {
			continue
		}
		p, err := b.property(k.Value, v, r.note.Token+"."+k.Value)
		if err != nil {
			return err
		}
		if n := r.note.Properties.get(p.name); n == nil || !n.Once {
			return b.doc.errorf(maker.Operation.node, "%s returns %s, which reading does not: mark property %s with once", op.id, k.Value, p.name)
		}
		p.output, p.returned = true, slices.Contains(required, k.Value)
		r.properties = append(r.properties, p)
	}
	return nil
}

func (b *builder) lookup(id name) (*operation, error) {
	if op := b.doc.operation(id.string); op != nil {
		return op, nil
	}
	var ids []string
	for _, op := range b.doc.operations {
		ids = append(ids, op.id)
	}
	return nil, b.doc.errorf(id.node, "no operation %q%s", id.string, didYouMean(id.string, ids))
}

// call is an operation in terms of the properties that fill it. object, if not
// nil, is the schema it must return, alone, under result, or in items.
func (b *builder) call(n *operationNote, props []*property, object *yaml.Node) (*call, error) {
	op, err := b.lookup(n.Operation)
	if err != nil {
		return nil, err
	}
	c := &call{op: op, result: n.Result.string, items: n.Items.string}
	for _, q := range op.in("path") {
		if i := slices.Index(wires(props), q.name); i >= 0 {
			c.args = append(c.args, props[i].name)
		} else {
			c.args = append(c.args, "id")
		}
	}
	for _, q := range op.in("query") {
		switch {
		case q.name == "page_size":
			c.paged = true
		case q.name == "page_token":
		case slices.Contains(wires(props), q.name):
			c.query = append(c.query, props[slices.Index(wires(props), q.name)].name)
		case q.required:
			return nil, b.doc.errorf(n.Operation.node, "%s requires %s, which no property fills", op.id, q.name)
		}
	}
	if site := b.doc.request(op); site != nil {
		c.hasBody = true
		body, _, err := b.doc.resolve(site)
		if err != nil {
			return nil, err
		}
		for k := range pairs(get(body, "properties")) {
			if i := slices.Index(wires(props), k.Value); i >= 0 {
				c.body = append(c.body, props[i].name)
			}
		}
	}
	return c, b.returns(n, op, object)
}

// returns checks that result and items name fields of the operation's answer,
// and that the resource's object is there.
func (b *builder) returns(n *operationNote, op *operation, object *yaml.Node) error {
	site := b.doc.response(op)
	for _, step := range []name{n.Result, n.Items} {
		if step.string == "" {
			continue
		}
		answer, _, err := b.doc.resolve(site)
		if err != nil {
			return err
		}
		field := get(answer, "properties", step.string)
		if field == nil {
			var have []string
			for k := range pairs(get(answer, "properties")) {
				have = append(have, k.Value)
			}
			return b.doc.errorf(step.node, "%s returns no field %q%s", op.id, step.string, didYouMean(step.string, have))
		}
		site = field
		if step == n.Items {
			site = get(field, "items")
		}
	}
	if object == nil || site == nil {
		return nil
	}
	node, ref, err := b.doc.resolve(site)
	if err != nil {
		return err
	}
	if node != object {
		return b.doc.errorf(n.Operation.node, "%s returns %s, which is not this resource: name the field with result or items", op.id, ref)
	}
	return nil
}

// function is what the operation's x-pulumi-function describes; nil without.
func (b *builder) function(op *operation) (*function, error) {
	var n functionNote
	if ok, err := note(b.doc, op.node, "x-pulumi-function", &n); err != nil || !ok {
		return nil, err
	}
	f := &function{token: b.token(n.Name.string), description: strings.TrimSpace(n.Description), node: n.Name.node}
	for _, q := range op.params {
		if q.name == "page_size" || q.name == "page_token" {
			continue
		}
		p, err := b.property(q.name, get(q.node, "schema"), op.id+" "+q.name)
		if err != nil {
			return nil, err
		}
		if d := str(q.node, "description"); d != "" {
			p.description = d
		}
		if as := n.Rename.get(q.name); as != nil {
			p.name = as.string
		}
		p.input, p.required = true, q.required
		f.inputs = append(f.inputs, p)
	}
	for _, e := range n.Rename {
		if have := wires(f.inputs); !slices.Contains(have, e.Key.string) {
			return nil, b.doc.errorf(e.Key.node, "%s has no parameter %q%s", op.id, e.Key.string, didYouMean(e.Key.string, have))
		}
	}
	answer, _, err := b.doc.resolve(b.doc.response(op))
	if err != nil {
		return nil, err
	}
	notes, err := b.resourceNotes(answer)
	if err != nil {
		return nil, err
	}
	required := list(get(answer, "required"))
	for k, v := range pairs(get(answer, "properties")) {
		if n.Items.string != "" && k.Value != n.Items.string {
			continue
		}
		p, err := b.property(k.Value, v, f.token+"."+k.Value)
		if err != nil {
			return nil, err
		}
		if mark := notes.get(p.name); mark != nil {
			if mark.Omit {
				continue
			}
			p.secret, p.returned = mark.Secret, mark.Returned
		}
		p.output, p.returned, p.def, p.nullable = true, p.returned || slices.Contains(required, k.Value), nil, false
		f.outputs = append(f.outputs, p)
	}
	f.call, err = b.call(&operationNote{Operation: name{op.id, n.Name.node}, Items: n.Items}, f.inputs, nil)
	return f, err
}

// extra is a property that HTTP does not have.
func extra(e entry[extraNote]) *property {
	t := &typ{kind: "String"}
	if e.Value.Type.string == "map" {
		t = &typ{kind: "Map", items: t}
	}
	return &property{
		name: e.Key.string, typ: t, description: strings.TrimSpace(e.Value.Description), offWire: true,
		input: e.Value.Input, required: e.Value.Required, output: e.Value.Output,
		returned: e.Value.Returned, stable: e.Value.Stable,
	}
}

var placeholders = regexp.MustCompile(`\{(\w+)\}`)

// check refuses what a resource's note says of things that do not exist, and
// inputs that nothing could ever change.
func (b *builder) check(p *pkg, r *resource) error {
	var problems []error
	refuse := func(at *yaml.Node, format string, args ...any) {
		problems = append(problems, b.doc.errorf(at, "%s: "+format, append([]any{r.note.Token}, args...)...))
	}
	props := names(r.properties)
	property := func(n name) {
		if n.node != nil && !slices.Contains(props, n.string) {
			refuse(n.node, "no property %q%s", n.string, didYouMean(n.string, props))
		}
	}
	var wire []string
	for k := range pairs(get(r.schema, "properties")) {
		wire = append(wire, k.Value)
	}
	fields := func(of ordered[yaml.Node], have []string) {
		for _, e := range of {
			if !slices.Contains(have, e.Key.string) {
				refuse(e.Key.node, "no field %q%s", e.Key.string, didYouMean(e.Key.string, have))
			}
		}
	}
	for _, n := range r.note.Unique {
		property(n)
	}
	for _, n := range []name{r.note.ID, r.note.Import} {
		for _, m := range placeholders.FindAllStringSubmatch(n.string, -1) {
			if m[1] != "id" && !slices.Contains(props, m[1]) {
				refuse(n.node, "no property %q%s", m[1], didYouMean(m[1], props))
			}
		}
	}
	if k := r.note.Key; k.string != "" && !slices.Contains(wire, k.string) {
		refuse(k.node, "no field %q%s", k.string, didYouMean(k.string, wire))
	}
	if r.read == nil && (r.list == nil || r.note.Key.string == "") {
		refuse(get(r.schema, "x-pulumi-resource"), "without read, it needs list and key")
	}
	known := func(n name) *resource {
		var tokens []string
		for _, o := range p.resources {
			if o.note.Token == n.string {
				return o
			}
			tokens = append(tokens, o.note.Token)
		}
		refuse(n.node, "no resource %q%s", n.string, didYouMean(n.string, tokens))
		return nil
	}
	if r.note.Parent.string != "" {
		known(r.note.Parent)
	}
	fields(r.note.Gone, wire)
	fields(r.note.Guard, wire)
	if r.note.Deleted != nil && r.update != nil {
		body, _, _ := b.doc.resolve(b.doc.request(r.update.op))
		var have []string
		for k := range pairs(get(body, "properties")) {
			have = append(have, k.Value)
		}
		fields(r.note.Deleted, have)
	}
	if r.delete == nil && r.note.Deleted == nil {
		refuse(get(r.schema, "x-pulumi-resource"), "neither delete nor deleted says how it goes away")
	}
	parts := map[string]bool{}
	for _, part := range r.note.Parts {
		property(part.Property)
		property(part.ID)
		known(part.Resource)
		parts[part.Property.string] = true
	}
	for _, in := range r.properties {
		if !in.input || in.offWire || parts[in.name] {
			continue
		}
		updatable := r.update != nil && slices.Contains(r.update.body, in.name)
		if !updatable && !in.replace {
			refuse(get(r.schema, "x-pulumi-resource"), "no update can change %s: mark it with replace", in.name)
		}
	}
	return errors.Join(problems...)
}

// covered refuses operations that nothing uses and nobody waived.
func (b *builder) covered(p *pkg) []error {
	used := map[string]bool{}
	for _, r := range p.resources {
		for _, c := range []*call{r.create, r.read, r.list, r.update, r.delete, r.rotate} {
			if c != nil {
				used[c.op.id] = true
			}
		}
	}
	for _, f := range p.functions {
		if f.call != nil {
			used[f.call.op.id] = true
		}
	}
	var problems []error
	for _, op := range b.doc.operations {
		why, waived := p.waived[op.id]
		switch {
		case !used[op.id] && !waived:
			problems = append(problems, b.doc.errorf(op.node, "operation %s is used by no resource or function: use it, or say in the overlay why not with x-pulumi-waived", op.id))
		case used[op.id] && waived:
			problems = append(problems, b.doc.errorf(get(op.node, "x-pulumi-waived"), "operation %s is waived, but used", op.id))
		case waived && strings.TrimSpace(why) == "":
			problems = append(problems, b.doc.errorf(get(op.node, "x-pulumi-waived"), "operation %s is waived without a reason", op.id))
		}
	}
	return problems
}
