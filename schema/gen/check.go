package main

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

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
	wire := keys(get(r.schema, "properties"))
	// Values of fields; "*" is any, and an enum may have more values than
	// programs may set.
	fields := func(of ordered[yaml.Node], in *resource, have []string) {
		for _, e := range of {
			if !slices.Contains(have, e.Key.string) {
				refuse(e.Key.node, "no field %q%s", e.Key.string, didYouMean(e.Key.string, have))
				continue
			}
			i := slices.Index(wires(in.properties), e.Key.string)
			if i < 0 || e.Value.Value == "*" {
				continue
			}
			t := *in.properties[i].typ
			t.enum = nil
			if why := misfit(&e.Value, &t); why != "" {
				refuse(e.Key.node, "%s %s", e.Key.string, why)
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
	fields(r.note.Gone, r, wire)
	fields(r.note.Guard, r, wire)
	if r.note.Deleted != nil && r.update != nil {
		body, _, _ := b.doc.resolve(b.doc.request(r.update.op))
		fields(r.note.Deleted, r, keys(get(body, "properties")))
	}
	if r.delete == nil && r.note.Deleted == nil {
		refuse(get(r.schema, "x-pulumi-resource"), "neither delete nor deleted says how it goes away")
	}
	parts := map[string]bool{}
	for _, part := range r.note.Parts {
		property(part.Property)
		property(part.ID)
		parts[part.Property.string] = true
		if of := known(part.Resource); of != nil {
			fields(part.Select, of, keys(get(of.schema, "properties")))
		}
		if r.create == nil {
			refuse(part.Property.node, "a part is made by create, which it has not")
			continue
		}
		answer, _, _ := b.doc.resolve(b.doc.response(r.create.op))
		if have := keys(get(answer, "properties")); !slices.Contains(have, part.Result.string) {
			refuse(cmp.Or(part.Result.node, part.Property.node), "%s returns no field %q%s", r.create.op.id, part.Result.string, didYouMean(part.Result.string, have))
		}
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
		if f.find != nil {
			used[f.find.list.op.id] = true
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
