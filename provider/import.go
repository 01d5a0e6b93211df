package provider

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pgbeam/pulumi-pgbeam/schema/api"
)

// importResource reads a resource of which only the id is known, and what a
// program's get() may have added to it.
func (s *session) importResource(ctx context.Context, given string, known property.Map) (p.ReadResponse, error) {
	r := s.resource
	id, values, err := s.parseID(given, known)
	if err != nil {
		return p.ReadResponse{}, err
	}
	obj, found, err := s.locate(ctx, id, values)
	if err != nil {
		return p.ReadResponse{}, fmt.Errorf("import %s %s: %w", r.Title, given, err)
	}
	if obj == nil || r.isGone(obj, property.Map{}) {
		return p.ReadResponse{}, nil
	}
	values = overlay(values, found)
	state := r.observe(obj, values)
	full, ok := r.identity(r.ID, obj, overlay(values, state))
	if !ok {
		return p.ReadResponse{}, fmt.Errorf("import %s %s: the API answered without an id", r.Title, given)
	}
	if state, err = s.readParts(ctx, full, known, state); err != nil {
		return p.ReadResponse{}, err
	}
	var lost []string
	for _, name := range r.once() {
		if prop := r.property(name); prop.Secret && absent(state.Get(name)) {
			lost = append(lost, name)
		}
	}
	if len(lost) > 0 {
		remedy := "replace it to get new ones"
		if r.Rotate != nil {
			remedy = "set rotationTriggers to renew them"
		}
		p.GetLogger(ctx).Infof("%s: told only when this %s was made; %s.", oneOf(lost, "and"), r.Title, remedy)
	}
	return p.ReadResponse{ID: full, Properties: state, Inputs: markSecrets(r.Properties, writable(r.Properties, state, r.remembersWriteOnly))}, nil
}

func (r *Resource) remembersWriteOnly(p *Property) bool { return p.WriteOnly }

// writable are the inputs that make the resource what it is: everything the
// API tells except what it would take anyway.
func writable(props []Property, state property.Map, skip func(*Property) bool) property.Map {
	out := map[string]property.Value{}
	for i := range props {
		prop := &props[i]
		v := state.Get(prop.Name)
		if !prop.Input || skip(prop) || absent(v) {
			continue
		}
		if !prop.Required && (equal(&prop.Type, v, orNothing(prop, property.Value{})) || v.IsString() && v.AsString() == "") {
			continue
		}
		if prop.Type.Kind == Object && prop.Type.Short == "" && v.IsMap() {
			v = property.New(writable(asInputs(prop.Type.Fields), v.AsMap(), func(f *Property) bool { return f.WriteOnly }))
			if empty(v) && !prop.Required {
				continue
			}
		}
		out[prop.Name] = v
	}
	return property.NewMap(out)
}

// asInputs are the fields of an input object, which are inputs whether marked
// or not.
func asInputs(fields []Property) []Property {
	out := make([]Property, len(fields))
	for i, f := range fields {
		f.Input = true
		out[i] = f
	}
	return out
}

// parseID takes an import id apart: "<project>/<id>", or the plain id.
func (s *session) parseID(given string, known property.Map) (id string, values property.Map, err error) {
	r := s.resource
	template := r.Import
	if template == "" {
		template = r.ID
	}
	names := strings.Split(template, "/")
	parts := strings.Split(given, "/")
	plain := strings.HasSuffix(r.ID, "{id}") && len(parts) == 1
	valid := len(parts) == len(names) || plain
	for _, part := range parts {
		valid = valid && pathID.MatchString(part)
	}
	if !valid {
		shapes := strings.NewReplacer("{", "<", "}", ">").Replace(template)
		if strings.HasSuffix(r.ID, "{id}") && template != "{id}" {
			shapes += " or <id>"
		}
		return "", known, fmt.Errorf("%q is not an id of a %s: it must look like %s", given, r.Title, shapes)
	}
	if plain {
		return parts[0], known, nil
	}
	for i, name := range names {
		if name = strings.Trim(name, "{}"); name == "id" {
			id = parts[i]
		} else {
			known = known.Set(name, property.New(parts[i]))
		}
	}
	return id, known, nil
}

// fromID fills path parameters that an old state lacks from a composite id.
func (s *session) fromID(id string, values property.Map) property.Map {
	names, parts := strings.Split(s.resource.ID, "/"), strings.Split(id, "/")
	if len(names) != len(parts) {
		return values
	}
	for i, name := range names {
		if name = strings.Trim(name, "{}"); name != "id" && absent(values.Get(name)) {
			values = values.Set(name, property.New(parts[i]))
		}
	}
	return values
}

// locate finds an object by its id, below the parents that are known, else
// below every organization, project and database the key can see. found are
// the parents it was found below.
func (s *session) locate(ctx context.Context, id string, values property.Map) (obj object, found property.Map, err error) {
	r := s.resource
	op := r.Read
	if op == nil {
		op = r.List
	}
	missing := ""
	for _, name := range op.Args {
		if name != "id" && absent(values.Get(name)) {
			missing = name
		}
	}
	try := func(name, parent string) (object, property.Map, error) {
		with := values
		if name != "" {
			with = with.Set(name, property.New(parent))
		}
		obj, ok, err := s.fetch(ctx, id, with)
		if !ok || err != nil {
			return nil, values, err
		}
		return obj, with, nil
	}
	if missing == "" {
		return try("", "")
	}
	err = s.walk(ctx, missing, func(parent string) (bool, error) {
		obj, found, err = try(missing, parent)
		return obj != nil, err
	})
	return obj, found, err
}

var listOrganizations = &Operation{ID: "listOrganizations", Method: "GET", Items: "organizations",
	Call: func(ctx context.Context, c *api.Client, _ []string, _ map[string]string, _ io.Reader, edit ...api.RequestEditorFn) (*http.Response, error) {
		return c.ListOrganizations(ctx, edit...)
	}}

// walk visits the ids that a path parameter may be, until visit says stop.
func (s *session) walk(ctx context.Context, parameter string, visit func(id string) (stop bool, err error)) error {
	var items []object
	switch parameter {
	case "orgId":
		orgs, err := s.list(ctx, listOrganizations, nil, nil)
		if err != nil {
			return err
		}
		items = orgs
	case "projectId", "databaseId":
		of, in := "pgbeam:index:Project", "orgId"
		if parameter == "databaseId" {
			of, in = "pgbeam:index:Database", "projectId"
		}
		r := resourceByToken(of)
		err := s.walk(ctx, in, func(parent string) (bool, error) {
			args, query, err := r.List.arguments(r.Properties, "", property.NewMap(map[string]property.Value{in: property.New(parent)}))
			if err != nil {
				return false, err
			}
			children, err := s.list(ctx, r.List, args, query)
			items = append(items, children...)
			return false, err
		})
		if err != nil {
			return err
		}
	default:
		return fmt.Errorf("the id must say the %s too", parameter)
	}
	for _, item := range items {
		id, _ := item["id"].(string)
		if stop, err := visit(id); stop || err != nil {
			return err
		}
	}
	return nil
}
