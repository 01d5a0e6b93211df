package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	if !got.kept(obj) {
		s.newborn(r, id, state)
		for i := range r.Parts {
			part := &r.Parts[i]
			inner := resourceByToken(part.Resource)
			s.newborn(inner, text(state.Get(part.ID)), property.NewMap(map[string]property.Value{inner.parentID(): property.New(id)}))
		}
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
//
// That is why it may take two requests: the look, which is spared where a list
// read or begun in this run tells, and the write. The write alone would do
// only if every server held it to its condition, and one that does not know
// the condition would have overwritten before it could be found out. Where it
// is known it closes the gap between look and write, so that of two programs
// at once one is refused.
func (s *session) createByUpdate(ctx context.Context, urn resource.URN, inputs property.Map) (p.CreateResponse, error) {
	r := s.resource
	if err := s.guard(ctx, urn, inputs); err != nil {
		return p.CreateResponse{}, err
	}
	body := r.whole(property.Map{}, inputs, nil)
	state, err := s.send(ctx, "create", "", property.Map{}, inputs, body, nil, unlessSet)
	if status(err) == http.StatusPreconditionFailed {
		s.lists.forget(r.listOf(inputs)) // somebody set it since
		if err := s.guard(ctx, urn, inputs); err != nil {
			return p.CreateResponse{}, err
		}
		state, err = s.send(ctx, "create", "", property.Map{}, inputs, body, nil)
	}
	if err != nil {
		return p.CreateResponse{}, err
	}
	id, ok := r.identity(r.ID, nil, state)
	if !ok {
		return p.CreateResponse{}, fmt.Errorf("create %s: %s answered without an id", r.Title, r.Update.ID)
	}
	return p.CreateResponse{ID: id, Properties: state}, nil
}

// guard refuses to overwrite settings that somebody has made.
func (s *session) guard(ctx context.Context, urn resource.URN, inputs property.Map) error {
	r := s.resource
	obj, found, err := s.fetch(ctx, "", inputs)
	if err != nil || !found || r.matches(obj, r.Guard) {
		return err
	}
	has := r.observe(obj, inputs)
	for _, name := range r.Update.Body {
		prop := r.property(name)
		if prop != nil && !equal(&prop.Type, inputs.Get(name), has.Get(name)) {
			return fmt.Errorf("create %s: it already exists with other settings (%s) and is not overwritten. %s",
				r.Title, camel(prop.Wire), s.importLine(urn, obj, has))
		}
	}
	return nil
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
