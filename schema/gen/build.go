package main

import (
	"errors"
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
	if ok, err := note(doc, get(root, "info"), "x-pulumi-package", &b.pkg); err != nil {
		return nil, err
	} else if !ok {
		return nil, doc.errorf(get(root, "info"), "no x-pulumi-package")
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
		for _, side := range []struct {
			notes ordered[extraNote]
			to    *[]*property
		}{{c.Value.Inputs, &f.inputs}, {c.Value.Outputs, &f.outputs}} {
			for _, n := range side.notes {
				p, err := b.extra(n)
				if err != nil {
					problems = append(problems, err)
					continue
				}
				p.input, p.output = side.to == &f.inputs, side.to == &f.outputs
				*side.to = append(*side.to, p)
			}
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
		p, err := b.extra(e)
		if err != nil {
			return nil, err
		}
		r.properties = append(r.properties, p)
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
