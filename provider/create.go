package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func (v *provider) create(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
	r, err := table(req.Urn)
	if err != nil {
		return p.CreateResponse{}, err
	}
	if req.DryRun {
		if _, err := v.use(); err != nil {
			return p.CreateResponse{}, err
		}
		return p.CreateResponse{Properties: r.previewCreate(req.Properties)}, nil
	}
	s, err := v.session(r, req.Properties)
	if err != nil {
		return p.CreateResponse{}, err
	}
	if r.Create == nil {
		return s.createByUpdate(ctx, req.Urn, req.Properties)
	}
	op := r.Create
	args, query, err := op.arguments(r.Properties, "", req.Properties)
	if err != nil {
		return p.CreateResponse{}, fmt.Errorf("create %s: %w", r.Title, err)
	}
	got, err := v.post(ctx, s, req.Urn, r.body(op, req.Properties), args, query, func(ctx context.Context, obj object) (bool, error) {
		id, _ := obj["id"].(string)
		_, found, err := s.fetch(ctx, id, req.Properties)
		return found, err
	})
	if err != nil {
		s.uncertain(req.Properties, err)
		return p.CreateResponse{}, s.conflict(ctx, req.Urn, req.Properties, err)
	}
	obj, err := op.result(got.body)
	if err != nil {
		return p.CreateResponse{}, fmt.Errorf("create %s: %w", r.Title, err)
	}
	s.writeThrough(req.Properties, obj)

	state := r.observe(obj, onlyRemembered(r, req.Properties))
	state = s.adoptParts(obj, state, req.Properties)
	id, ok := r.identity(r.ID, obj, state)
	if !ok {
		return p.CreateResponse{}, fmt.Errorf("create %s: %s answered without an id", r.Title, op.ID)
	}
	// What the create call cannot carry follows at once. From here on the
	// object exists, so a failure keeps it, with what has become of it.
	state, err = s.finish(ctx, id, state, req.Properties)
	resp := p.CreateResponse{ID: id, Properties: state}
	if err != nil {
		resp.PartialState = &p.InitializationFailed{Reasons: []string{err.Error()}}
		return resp, fmt.Errorf("%s %s was created, but not all of it could be set: %w; the next `pulumi up` completes it", r.Title, id, err)
	}
	return resp, nil
}

// onlyRemembered are the inputs that a create has delivered or that only the
// provider knows.
func onlyRemembered(r *Resource, inputs property.Map) property.Map {
	out := map[string]property.Value{}
	for name, v := range inputs.All {
		prop := r.property(name)
		if prop == nil || absent(v) || !r.remembered(prop) && r.part(name) == nil {
			continue
		}
		out[name] = v
	}
	return property.NewMap(out)
}

// body is the JSON of a create: every property the operation carries and the
// program sets.
func (r *Resource) body(op *Operation, inputs property.Map) object {
	body := object{}
	for _, name := range op.Body {
		prop := r.property(name)
		v := inputs.Get(name)
		if prop == nil || absent(v) {
			continue
		}
		if r.part(name) != nil && v.IsMap() {
			body[prop.Wire] = partBody(prop, v.AsMap())
			continue
		}
		body[prop.Wire] = encode(&prop.Type, v, property.Value{})
	}
	return body
}

// finish updates what the program asks and a create did not carry.
func (s *session) finish(ctx context.Context, id string, state, inputs property.Map) (property.Map, error) {
	r := s.resource
	if r.Update == nil {
		return state, nil
	}
	var rest []change
	for _, c := range r.changes(property.Map{}, state, inputs) {
		if slices.Contains(r.Update.Body, c.property()) && !slices.Contains(r.Create.Body, c.property()) {
			rest = append(rest, c)
		}
	}
	if len(rest) == 0 {
		return state, nil
	}
	return s.patch(ctx, id, state, inputs, rest)
}

// createByUpdate makes a resource that the API has no create for: one that
// always exists in an untouched form. Anything but that form, or what the
// program asks anyway, belongs to somebody, and is not overwritten.
func (s *session) createByUpdate(ctx context.Context, urn resource.URN, inputs property.Map) (p.CreateResponse, error) {
	r := s.resource
	obj, found, err := s.fetch(ctx, "", inputs)
	if err != nil {
		return p.CreateResponse{}, err
	}
	if found && !r.matches(obj, r.Guard) {
		has := r.observe(obj, inputs)
		for _, name := range r.Update.Body {
			prop := r.property(name)
			if prop == nil || equal(&prop.Type, inputs.Get(name), has.Get(name)) {
				continue
			}
			return p.CreateResponse{}, fmt.Errorf("create %s: it already exists with other settings (%s) and is not overwritten. %s",
				r.Title, camel(prop.Wire), s.importLine(urn, obj, has))
		}
	}
	state, err := s.put(ctx, "create", "", property.Map{}, inputs, nil)
	if err != nil {
		return p.CreateResponse{}, err
	}
	id, ok := r.identity(r.ID, nil, state)
	if !ok {
		return p.CreateResponse{}, fmt.Errorf("create %s: %s answered without an id", r.Title, r.Update.ID)
	}
	return p.CreateResponse{ID: id, Properties: state}, nil
}

// conflict explains a 409 by what is in the way. The object is never adopted:
// its one-time secrets are lost to us, and it may be somebody else's.
func (s *session) conflict(ctx context.Context, urn resource.URN, inputs property.Map, err error) error {
	var refused *Error
	if !errors.As(err, &refused) || refused.Status != 409 || s.resource.List == nil {
		return err
	}
	r := s.resource
	args, query, bad := r.List.arguments(r.Properties, "", inputs)
	if bad != nil {
		return err
	}
	items, failed := s.listNow(ctx, "list", r.List, args, query)
	if failed != nil {
		return err
	}
	for _, obj := range items {
		has := r.observe(obj, inputs)
		if r.isGone(obj, inputs) || !r.clashes(has, inputs) {
			continue
		}
		id, _ := obj["id"].(string)
		message := fmt.Sprintf("%s %s is in the way. %s", r.Title, id, s.importLine(urn, obj, has))
		if names := r.once(); len(names) > 0 {
			message += fmt.Sprintf(" Its %s cannot be had again; to have them, delete it or give this one another name.", oneOf(names, "and"))
		}
		return fmt.Errorf("%w. %s", err, message)
	}
	return err
}

// importLine is the command that brings an existing object under the program.
func (s *session) importLine(urn resource.URN, obj object, state property.Map) string {
	r := s.resource
	template := r.Import
	if template == "" {
		template = r.ID
	}
	id, ok := r.identity(template, obj, state)
	if !ok {
		return ""
	}
	return fmt.Sprintf("To manage it with this program, run: pulumi import %s %s %s", r.Token, urn.Name(), id)
}

// uncertain forgets lists that a create may have changed although it failed.
func (s *session) uncertain(inputs property.Map, err error) {
	if r := s.resource; r.List != nil && status(err) == 0 {
		if args, query, bad := r.List.arguments(r.Properties, "", inputs); bad == nil {
			s.lists.forget(listKey(r.List, args, query))
		}
	}
}

// writeThrough keeps a loaded list true after a write of ours.
func (s *session) writeThrough(values property.Map, obj object) {
	r := s.resource
	if r.List == nil {
		return
	}
	args, query, err := r.List.arguments(r.Properties, "", values)
	if err != nil {
		return
	}
	key, _ := obj[r.listField()].(string)
	s.lists.put(listKey(r.List, args, query), r.listField(), key, obj)
}

// listField is the wire field that a list is searched by.
func (r *Resource) listField() string {
	if r.Key != "" {
		return r.Key
	}
	return "id"
}
