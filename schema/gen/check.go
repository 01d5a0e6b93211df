package main

import (
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
