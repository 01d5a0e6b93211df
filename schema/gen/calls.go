package main

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// call is an operation in terms of the properties that fill it. object, if not
// nil, is the schema it must return, alone, under result, or in items.
func (b *builder) call(n *operationNote, props []*property, object *yaml.Node) (*call, error) {
	op, err := b.lookup(n.Operation)
	if err != nil {
		return nil, err
	}
	c := &call{op: op, result: n.Result.string, items: n.Items.string}
	for _, q := range op.in("path") {
		arg := "id" // the one that no property fills
		if i := slices.Index(wires(props), q.name); i >= 0 {
			arg = props[i].name
		} else if slices.Contains(c.args, arg) {
			return nil, b.doc.errorf(n.Operation.node, "%s has %s in its path, which no property fills: only the id may be such", op.id, q.name)
		}
		c.args = append(c.args, arg)
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
			have := keys(get(answer, "properties"))
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
