package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Parts: the objects that are created inside the create request of another
// resource and live on by themselves, as the primary database of a project.

// partBody is the JSON of a part: each field the program sets, as if it were a
// resource of its own.
func partBody(prop *Property, m property.Map) object {
	body := object{}
	for i := range prop.Type.Fields {
		f := &prop.Type.Fields[i]
		if v := m.Get(f.Name); !absent(v) {
			body[f.Wire] = encode(&f.Type, v, property.Value{})
		}
	}
	return body
}

// adoptParts takes the parts out of the answer to a create.
func (s *session) adoptParts(obj object, state, inputs property.Map) property.Map {
	for i := range s.resource.Parts {
		part := &s.resource.Parts[i]
		inner, ok := obj[part.Result].(object)
		if !ok {
			continue
		}
		state = s.resource.observePart(part, inner, state, inputs.Get(part.Property))
	}
	return state
}

// observePart puts a part into the state: what the API tells of it, and the
// write-only fields that were applied.
func (r *Resource) observePart(part *Part, obj object, state property.Map, applied property.Value) property.Map {
	prop := r.property(part.Property)
	fields := map[string]property.Value{}
	for i := range prop.Type.Fields {
		f := &prop.Type.Fields[i]
		v := decode(&f.Type, obj[f.Wire])
		if f.WriteOnly {
			v = field(applied, f.Name)
		}
		if !absent(v) {
			fields[f.Name] = v
		}
	}
	state = state.Set(part.Property, property.New(fields))
	if id, _ := obj["id"].(string); id != "" && part.ID != "" {
		state = state.Set(part.ID, property.New(id))
	}
	return markSecrets(r.Properties, state)
}

// withPart is the session of the resource that a part is.
func (s *session) withPart(part *Part) (*session, error) {
	r := resourceByToken(part.Resource)
	if r == nil {
		return nil, fmt.Errorf("there is no table of %s", part.Resource)
	}
	inner := *s
	inner.resource = r
	return &inner, nil
}

// partArguments are the path parameters of an operation on a part: its own id,
// and that of the resource it belongs to.
func partArguments(op *Operation, parent, id string) ([]string, error) {
	var args []string
	for _, name := range op.Args {
		v := parent
		if name == "id" {
			v = id
		}
		if !pathID.MatchString(v) {
			return nil, fmt.Errorf("%s: %q cannot be an id", name, v)
		}
		args = append(args, v)
	}
	return args, nil
}

// updatePart sends the changes under a part. A part that was deleted behind
// our back is made again, unless a run that was killed before it could write
// its state has made it already.
func (s *session) updatePart(ctx context.Context, part *Part, parent string, state, inputs property.Map, found []change) (property.Map, error) {
	inner, err := s.withPart(part)
	if err != nil {
		return state, err
	}
	prop := s.resource.property(part.Property)
	want, has := inputs.Get(part.Property), s.resource.withoutDropped(state, found).Get(part.Property)
	id := text(state.Get(part.ID))

	if id == "" {
		obj, err := inner.findPart(ctx, part, parent, "")
		if err != nil {
			return state, err
		}
		id, _ = obj["id"].(string)
	}
	op, verb, body := inner.resource.Update, "update", object{}
	if id == "" {
		op, verb, body = inner.resource.Create, "create", partBody(prop, want.AsMap())
	} else if !has.IsMap() || slices.ContainsFunc(found, func(c change) bool { return len(c.path) == 1 }) {
		body = partBody(prop, want.AsMap())
	} else {
		known := has.AsMap()
		for _, c := range found {
			name, _ := c.path[1].(string)
			f := find(prop.Type.Fields, name)
			if f == nil || !slices.Contains(op.Body, name) {
				return state, fmt.Errorf("update %s: %s cannot be changed; this is a defect of the plugin", s.resource.Title, c.path)
			}
			put(body, f, want.AsMap(), known)
		}
	}
	args, err := partArguments(op, parent, id)
	if err != nil {
		return state, fmt.Errorf("%s %s: %w", verb, inner.resource.Title, err)
	}
	of := property.NewMap(map[string]property.Value{inner.resource.parentID(): property.New(parent)})
	got, err := inner.call(ctx, verb, op, args, nil, body)
	if err != nil {
		inner.uncertain(of, err)
		return state, err
	}
	obj, err := op.result(got.body)
	if err != nil {
		return state, fmt.Errorf("%s %s: %w", verb, inner.resource.Title, err)
	}
	inner.writeThrough(of, obj)
	return s.resource.observePart(part, obj, state, want), nil
}

// readParts brings the parts up to date. A resource and its part are two
// objects, which no one request of the API tells together. So the resource has
// its own request, and the part stands in the list that all of its kind below
// the resource share: a project and its databases, however many, are two
// requests, where each read by itself would be one more.
//
// The id in the state is looked for first; without one, or when it is gone,
// what the part is selected by.
func (s *session) readParts(ctx context.Context, parent string, old, state property.Map) (property.Map, error) {
	for i := range s.resource.Parts {
		part := &s.resource.Parts[i]
		inner, err := s.withPart(part)
		if err != nil {
			return state, err
		}
		obj, err := inner.findPart(ctx, part, parent, text(old.Get(part.ID)))
		if err != nil {
			return state, err
		}
		if obj == nil {
			state = state.Delete(part.Property, part.ID)
			continue
		}
		state = s.resource.observePart(part, obj, state, old.Get(part.Property))
	}
	return state, nil
}

// findPart finds the object of a part, nil when there is none.
func (s *session) findPart(ctx context.Context, part *Part, parent, id string) (object, error) {
	r := s.resource
	args, err := partArguments(r.List, parent, id)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", r.Title, err)
	}
	items, err := s.list(ctx, r.List, args, nil)
	if status(err) == 404 {
		return nil, nil // the resource has gone since it was read
	}
	if err != nil {
		return nil, err
	}
	var selected object
	for _, obj := range items {
		if has, _ := obj["id"].(string); has == id && id != "" {
			return obj, nil
		}
		if selected == nil && r.matches(obj, part.Select) {
			selected = obj
		}
	}
	return selected, nil
}
