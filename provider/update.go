package provider

import (
	"context"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// rotationTriggers is the input whose change renews the one-time secrets.
const rotationTriggers = "rotationTriggers"

func (v *provider) update(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
	r, err := table(req.Urn)
	if err != nil {
		return p.UpdateResponse{}, err
	}
	v.seen.note(req.Urn, req.ID)
	state := tolerate(r.Properties, req.State)
	found := r.changes(recall(req.OldInputs, req.State), state, req.Inputs)
	if req.DryRun {
		if _, err := v.use(); err != nil {
			return p.UpdateResponse{}, err
		}
		return p.UpdateResponse{Properties: r.previewUpdate(state, req.Inputs, found)}, nil
	}
	s, err := v.session(r, req.Inputs, req.State)
	if err != nil {
		return p.UpdateResponse{}, err
	}
	state, rest, err := s.apply(ctx, req.ID, state, req.Inputs, found)
	resp := p.UpdateResponse{Properties: markSecrets(r.Properties, state)}
	if err != nil {
		if len(rest) < len(found) {
			// The state must tell what has already changed, so that the next
			// update sends the rest and not the old again.
			resp.Properties = note(resp.Properties, rest)
			resp.PartialState = &p.InitializationFailed{Reasons: []string{err.Error()}}
			return resp, fmt.Errorf("%w; a part of the update was made, the next `pulumi up` completes it", err)
		}
		return p.UpdateResponse{}, err
	}
	return resp, nil
}

// apply makes the changes, step by step: one request for each object that they
// touch. After a failure rest are those that were not made.
func (s *session) apply(ctx context.Context, id string, state, inputs property.Map, found []change) (_ property.Map, rest []change, err error) {
	r := s.resource
	var own, rotation []change
	parts := map[string][]change{}
	for _, c := range found {
		name := c.property()
		switch {
		case c.replace:
			return state, found, fmt.Errorf("update %s: %s cannot be changed in place; this is a defect of the plugin", r.Title, c.path)
		case r.part(name) != nil:
			parts[name] = append(parts[name], c)
		case name == rotationTriggers && r.Rotate != nil:
			rotation = append(rotation, c)
		default:
			own = append(own, c)
		}
	}
	steps := []step{{own, func() (property.Map, error) { return s.patch(ctx, id, state, inputs, own) }}}
	for i := range r.Parts {
		part := &r.Parts[i]
		of := parts[part.Property]
		steps = append(steps, step{of, func() (property.Map, error) { return s.updatePart(ctx, part, id, state, inputs, of) }})
	}
	steps = append(steps, step{rotation, func() (property.Map, error) { return s.rotate(ctx, id, state, inputs) }})
	for i, step := range steps {
		if len(step.changes) == 0 {
			continue
		}
		if state, err = step.make(); err != nil {
			for _, left := range steps[i:] {
				rest = append(rest, left.changes...)
			}
			return state, rest, err
		}
	}
	return state, nil, nil
}

// step is one request of an update, with the changes it makes.
type step struct {
	changes []change
	make    func() (property.Map, error)
}

// patch sends changes of the resource itself.
func (s *session) patch(ctx context.Context, id string, state, inputs property.Map, found []change) (property.Map, error) {
	r := s.resource
	if r.Update == nil {
		return state, fmt.Errorf("update %s: it has no update", r.Title)
	}
	if r.Update.Method == "PUT" {
		return s.send(ctx, "update", id, state, inputs, r.whole(state, inputs, found), found)
	}
	body := object{}
	known := r.withoutDropped(state, found)
	for _, c := range found {
		prop := r.property(c.property())
		if !slices.Contains(r.Update.Body, prop.Name) {
			return state, fmt.Errorf("update %s: %s cannot be changed; this is a defect of the plugin", r.Title, prop.Name)
		}
		put(body, prop, inputs, known)
	}
	return s.send(ctx, "update", id, state, inputs, body, found)
}

// whole is all of what the program sets, because a PUT need not keep what it
// does not mention. There are no changes in a create.
func (r *Resource) whole(state, inputs property.Map, found []change) object {
	body := object{}
	known := r.withoutDropped(state, found)
	for _, name := range r.Update.Body {
		prop := r.property(name)
		if prop == nil {
			continue
		}
		gone := slices.ContainsFunc(found, func(c change) bool { return c.property() == name })
		if !absent(inputs.Get(name)) || gone || r.Create == nil && prop.Nullable {
			put(body, prop, inputs, known)
		}
	}
	return body
}

// put sets one property in a body: what the program asks, or what undoes it.
func put(body object, prop *Property, inputs, known property.Map) {
	if v := inputs.Get(prop.Name); !absent(v) {
		body[prop.Wire] = encode(&prop.Type, v, known.Get(prop.Name))
	} else if clear, ok := cleared(prop); ok {
		body[prop.Wire] = clear
	}
}

func (s *session) send(ctx context.Context, verb, id string, state, inputs property.Map, body object, found []change, with ...func(*request)) (property.Map, error) {
	r := s.resource
	values := overlay(state, inputs)
	args, query, err := r.Update.arguments(r.Properties, id, values)
	if err != nil {
		return state, fmt.Errorf("%s %s: %w", verb, r.Title, err)
	}
	got, err := s.call(ctx, verb, r.Update, args, query, body, with...)
	if err != nil {
		s.uncertain(values, err)
		return state, err
	}
	obj, err := r.Update.result(got.body)
	if err != nil {
		return state, fmt.Errorf("%s %s: %w", verb, r.Title, err)
	}
	s.writeThrough(values, obj)
	applied := applied(state, inputs, found)
	if verb == "create" {
		applied = inputs
	}
	return r.observe(obj, applied), nil
}

// rotate renews the one-time secrets; everything else stays.
func (s *session) rotate(ctx context.Context, id string, state, inputs property.Map) (property.Map, error) {
	r := s.resource
	if absent(inputs.Get(rotationTriggers)) {
		return state.Delete(rotationTriggers), nil // nothing is asked for any more
	}
	args, query, err := r.Rotate.arguments(r.Properties, id, state)
	if err != nil {
		return state, fmt.Errorf("rotate %s: %w", r.Title, err)
	}
	got, err := s.call(ctx, "rotate", r.Rotate, args, query, nil)
	if err != nil {
		return state, err
	}
	obj, err := r.Rotate.result(got.body)
	if err != nil {
		return state, fmt.Errorf("rotate %s: %w", r.Title, err)
	}
	return r.observe(obj, state.Set(rotationTriggers, inputs.Get(rotationTriggers))), nil
}

// applied is the state with the changes made, for what the API does not tell.
func applied(state, inputs property.Map, found []change) property.Map {
	for _, c := range found {
		name := c.property()
		if v := inputs.Get(name); !absent(v) {
			state = state.Set(name, v)
		} else {
			state = state.Delete(name)
		}
	}
	return state
}

func overlay(under, over property.Map) property.Map {
	for name, v := range over.All {
		if !absent(v) {
			under = under.Set(name, v)
		}
	}
	return under
}

// withoutDropped is the state without the nested fields that the program has
// stopped setting, so that they are sent with their defaults or not at all.
func (r *Resource) withoutDropped(state property.Map, found []change) property.Map {
	for _, c := range found {
		name := c.property()
		if c.kind == p.Delete && len(c.path) > 1 {
			state = state.Set(name, without(state.Get(name), c.path[1:]))
		}
		list := state.Get(name)
		if len(c.dropped) == 0 || len(c.path) > 1 || !list.IsArray() {
			continue
		}
		t := r.property(name).Type.Items
		items := list.AsArray().AsSlice()
		for i, item := range items {
			for _, f := range c.dropped[text(field(expand(t, item), t.Short))] {
				items[i] = without(expand(t, items[i]), path{f})
			}
		}
		state = state.Set(name, property.New(items))
	}
	return state
}

func without(v property.Value, at path) property.Value {
	name, ok := at[0].(string)
	if !ok || !v.IsMap() {
		return v
	}
	m := v.AsMap()
	if len(at) == 1 {
		return property.WithGoValue(v, m.Delete(name))
	}
	return property.WithGoValue(v, m.Set(name, without(m.Get(name), at[1:])))
}
