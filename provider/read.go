package provider

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func (v *provider) read(ctx context.Context, req p.ReadRequest) (p.ReadResponse, error) {
	r, err := table(req.Urn)
	if err != nil {
		return p.ReadResponse{}, err
	}
	s, err := v.session(r, req.Inputs, req.Properties)
	if err != nil {
		return p.ReadResponse{}, err
	}
	state := tolerate(r.Properties, req.Properties)
	if req.Inputs.Len() == 0 {
		return s.importResource(ctx, req.ID, state)
	}
	v.seen.note(req.Urn, req.ID)
	inputs := tolerate(r.Properties, req.Inputs)
	id := req.ID
	values := s.fromID(id, overlay(inputs, state))

	look := s.fetch
	if r.isPart() {
		look = s.search
	}
	obj, found, err := look(ctx, id, values)
	if err != nil || !found || r.isGone(obj, inputs) {
		return p.ReadResponse{}, err
	}
	now := r.observe(obj, state, values)
	if now, err = s.readParts(ctx, id, state, now); err != nil {
		return p.ReadResponse{}, err
	}
	now = r.stillPending(req.Properties, inputs, now)
	return p.ReadResponse{
		ID:         id,
		Properties: now,
		Inputs:     markSecrets(r.Properties, project(r.Properties, inputs, now, r.remembered)),
	}, nil
}

// fetch asks the API for the resource: its own read, or its list.
func (s *session) fetch(ctx context.Context, id string, values property.Map) (object, bool, error) {
	r := s.resource
	if r.Read != nil {
		args, query, err := r.Read.arguments(r.Properties, id, values)
		if err != nil {
			return nil, false, fmt.Errorf("read %s: %w", r.Title, err)
		}
		got, err := s.call(ctx, "read", r.Read, args, query, nil)
		if status(err) == 404 {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		obj, err := r.Read.result(got.body)
		return obj, err == nil, err
	}
	return s.search(ctx, id, values)
}

// search finds the resource in its list, which all that stand in it share.
func (s *session) search(ctx context.Context, id string, values property.Map) (object, bool, error) {
	r := s.resource
	args, query, err := r.List.arguments(r.Properties, id, values)
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", r.Title, err)
	}
	items, err := s.list(ctx, r.List, args, query)
	if status(err) == 404 {
		return nil, false, nil // the parent is gone, and this with it
	}
	if err != nil {
		return nil, false, err
	}
	want := r.listValue(id, values)
	for _, obj := range items {
		if has, _ := obj[r.listField()].(string); has == want {
			return obj, true, nil
		}
	}
	return nil, false, nil
}

// project writes what the server has onto the inputs that the program set, so
// that drift shows and nothing else does: values that mean the same keep the
// program's spelling, what the API does not tell stays, and what the program
// never set is not added.
func project(props []Property, inputs, state property.Map, keep func(*Property) bool) property.Map {
	out := map[string]property.Value{}
	for name, want := range inputs.All {
		prop := find(props, name)
		if prop == nil || absent(want) {
			continue
		}
		has := state.Get(name)
		switch {
		case keep(prop), absent(has) && equal(&prop.Type, want, orNothing(prop, has)):
			out[name] = want
		case absent(has):
		case prop.Type.Kind == Object && prop.Type.Short == "" && want.IsMap() && has.IsMap():
			out[name] = property.WithGoValue(want, project(prop.Type.Fields, want.AsMap(), has.AsMap(),
				func(f *Property) bool { return f.WriteOnly }))
		case covers(&prop.Type, want, has):
			out[name] = want
		default:
			out[name] = has
		}
	}
	return property.NewMap(out)
}
