package main

import (
	"cmp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// function is what the operation's x-pulumi-function describes; nil without.
func (b *builder) function(op *operation) (*function, error) {
	var n functionNote
	if ok, err := note(b.doc, op.node, "x-pulumi-function", &n); err != nil || !ok {
		return nil, err
	}
	f := &function{token: b.token(n.Name.string), description: strings.TrimSpace(n.Description), node: n.Name.node, pure: n.Pure}
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
	if err := b.bodyInputs(f, op, n.Rename); err != nil {
		return nil, err
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
	if n.Find != nil {
		if err := b.finds(f, n.Find, answer); err != nil {
			return nil, err
		}
	}
	f.call, err = b.call(&operationNote{Operation: name{op.id, n.Name.node}, Items: n.Items}, f.inputs, nil)
	return f, err
}

// bodyInputs adds what the operation's request carries.
func (b *builder) bodyInputs(f *function, op *operation, rename ordered[name]) error {
	site := b.doc.request(op)
	if site == nil {
		return nil
	}
	body, ref, err := b.doc.resolve(site)
	if err != nil {
		return err
	}
	required := list(get(body, "required"))
	for k, v := range pairs(get(body, "properties")) {
		if slices.Contains(wires(f.inputs), k.Value) {
			return b.doc.errorf(k, "%s has %q in its path or query and in %s", op.id, k.Value, ref)
		}
		p, err := b.property(k.Value, v, f.token+"."+k.Value)
		if err != nil {
			return err
		}
		if as := rename.get(k.Value); as != nil {
			p.name = as.string
		}
		p.input, p.required = true, slices.Contains(required, k.Value)
		f.inputs = append(f.inputs, p)
	}
	return nil
}

// finds makes the id, which is the last input so far, optional, and adds the
// inputs that stand for it.
func (b *builder) finds(f *function, n *findNote, object *yaml.Node) error {
	id := f.inputs[len(f.inputs)-1]
	id.required = false
	f.find = &find{id: id.name}
	list, err := b.lookup(n.Operation)
	if err != nil {
		return err
	}
	for _, q := range list.params {
		if !q.required || slices.Contains(wires(f.inputs), q.name) {
			continue
		}
		p, err := b.property(q.name, get(q.node, "schema"), list.id+" "+q.name)
		if err != nil {
			return err
		}
		p.description, p.input = str(q.node, "description"), true
		if own := str(get(object, "properties", q.name), "description"); own != "" {
			p.description = own
		}
		f.inputs = append(f.inputs, p)
	}
	for _, by := range n.By {
		field := get(object, "properties", by.string)
		if field == nil {
			have := keys(get(object, "properties"))
			return b.doc.errorf(by.node, "%s returns no field %q%s", short(f.token), by.string, didYouMean(by.string, have))
		}
		p, err := b.property(by.string, field, f.token+"."+by.string)
		if err != nil {
			return err
		}
		p.input = true
		f.inputs = append(f.inputs, p)
		f.find.by = append(f.find.by, p.name)
	}
	f.find.list, err = b.call(&operationNote{Operation: n.Operation, Items: n.Items}, f.inputs, object)
	return err
}

// extra is a property that HTTP does not have.
func (b *builder) extra(e entry[extraNote]) (*property, error) {
	t := &typ{kind: "String"}
	switch kind := e.Value.Type; kind.string {
	case "string":
	case "map":
		t = &typ{kind: "Map", items: t}
	default:
		return nil, b.doc.errorf(cmp.Or(kind.node, e.Key.node), "%s: type %q is neither string nor map", e.Key.string, kind.string)
	}
	return &property{
		name: e.Key.string, typ: t, description: strings.TrimSpace(e.Value.Description), offWire: true,
		input: e.Value.Input, required: e.Value.Required, output: e.Value.Output,
		returned: e.Value.Returned, stable: e.Value.Stable,
	}, nil
}
