package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// session is what one operation of the engine works with.
type session struct {
	*settings
	lists    *lists
	resource *Resource
	secrets  []string // of the inputs and the state at hand
}

func (v *provider) session(r *Resource, values ...property.Map) (*session, error) {
	s, err := v.use()
	if err != nil {
		return nil, err
	}
	run := &session{settings: s, lists: &v.lists, resource: r}
	for _, m := range values {
		run.secrets = append(run.secrets, secretTexts(r.Properties, m)...)
	}
	return run, nil
}

// call sends one operation of the resource. A POST or PATCH has a key of its
// own unless it is given one.
func (s *session) call(ctx context.Context, verb string, op *Operation, args []string, query map[string]string, body any, with ...func(*request)) (answer, error) {
	req := request{op: op, doing: verb + " " + s.resource.Title, props: s.resource.Properties, args: args, query: query, secrets: s.secrets}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, fmt.Errorf("%s: %w", req.doing, err)
		}
		req.body = text
	}
	if op.Method == "POST" || op.Method == "PATCH" {
		req.key = randomKey()
	}
	for _, set := range with {
		set(&req)
	}
	if s.client == nil {
		return answer{}, fmt.Errorf("%s: the provider's configuration is not known yet", req.doing)
	}
	return s.client.do(ctx, req)
}

// arguments are the path parameters of an operation, and its query.
func (op *Operation) arguments(props []Property, id string, values property.Map) (args []string, query map[string]string, err error) {
	for _, name := range op.Args {
		v := id
		if name != "id" {
			v = text(values.Get(name))
		}
		if !pathID.MatchString(v) {
			return nil, nil, fmt.Errorf("%s: %q cannot be a part of an address; allowed are letters, digits, '_', '.' and '-'", name, v)
		}
		args = append(args, v)
	}
	for _, name := range op.Query {
		if v := values.Get(name); !absent(v) {
			if query == nil {
				query = map[string]string{}
			}
			wire := name
			if p := find(props, name); p != nil {
				wire = p.Wire
			}
			query[wire] = text(v)
		}
	}
	return args, query, nil
}

// pathID is what the API takes as a path parameter. "." and ".." would climb
// to another path.
var pathID = regexp.MustCompile(`^([a-zA-Z0-9_-][a-zA-Z0-9_.-]*|\.[a-zA-Z0-9_-][a-zA-Z0-9_.-]*)$`)

// text is a value as a path or query holds it.
func text(v property.Value) string {
	switch {
	case v.IsString():
		return v.AsString()
	case v.IsNumber():
		return number(v.AsNumber())
	case v.IsBool():
		return strconv.FormatBool(v.AsBool())
	}
	return ""
}

// result is the object inside a response, with the fields that stand beside
// it: the secrets of a new credential, the database of a new project.
func (op *Operation) result(body object) (object, error) {
	if op.Result == "" {
		if body == nil {
			return nil, fmt.Errorf("%s answered without a body", op.ID)
		}
		return body, nil
	}
	inner, ok := body[op.Result].(object)
	if !ok {
		return nil, fmt.Errorf("%s answered without %q", op.ID, op.Result)
	}
	out := object{}
	for key, v := range body {
		if key != op.Result {
			out[key] = v
		}
	}
	for key, v := range inner {
		out[key] = v
	}
	return out, nil
}

// observe is the state that an object of the API stands for. remembered are
// the values that the API does not tell: what the program sent, else what the
// state had.
func (r *Resource) observe(obj object, remembered ...property.Map) property.Map {
	out := map[string]property.Value{}
	for i := range r.Properties {
		prop := &r.Properties[i]
		var v property.Value
		if prop.Wire != "" && r.part(prop.Name) == nil {
			v = decode(&prop.Type, obj[prop.Wire])
		}
		if absent(v) && (prop.Once || r.remembered(prop) || r.part(prop.Name) != nil || r.partID(prop.Name)) {
			for _, m := range remembered {
				if v = m.Get(prop.Name); !absent(v) {
					break
				}
			}
		}
		if !absent(v) && (prop.Output || prop.Input) {
			out[prop.Name] = v
		}
	}
	return markSecrets(r.Properties, property.NewMap(out))
}

// partID reports whether a property holds the id of a part.
func (r *Resource) partID(name string) bool {
	return slices.ContainsFunc(r.Parts, func(part Part) bool { return part.ID == name })
}

// identity fills a template such as "{projectId}/{id}" from the state and the
// object it was made of. ok is false when something is missing.
func (r *Resource) identity(template string, obj object, state property.Map) (id string, ok bool) {
	ok = true
	id = placeholder.ReplaceAllStringFunc(template, func(hole string) string {
		name := strings.Trim(hole, "{}")
		v := text(state.Get(name))
		if name == "id" || v == "" {
			wire := name
			if p := r.property(name); p != nil {
				wire = p.Wire
			}
			if s, is := obj[wire].(string); is {
				v = s
			}
		}
		ok = ok && v != ""
		return v
	})
	return id, ok
}

var placeholder = regexp.MustCompile(`\{[A-Za-z]+\}`)

// isGone reports whether an object that the API still returns means that the
// resource is gone: a status, or a rule in the state that deleting leaves. A
// program that itself asks for exactly that has its resource still.
func (r *Resource) isGone(obj object, inputs property.Map) bool {
	if len(r.Gone) > 0 && r.matches(obj, r.Gone) {
		return !r.asks(inputs, r.Gone)
	}
	if r.Create == nil && r.Deleted != nil && r.matches(obj, r.Deleted) {
		return !r.asks(inputs, r.Deleted)
	}
	return false
}

// matches reports whether an object has all these values.
func (r *Resource) matches(obj, values object) bool {
	for wire, v := range values {
		has := obj[wire]
		if v == AnyValue {
			if has == nil {
				return false
			}
			continue
		}
		p := r.byWire(wire)
		if p == nil {
			p = &Property{Type: Type{Kind: JSON}}
		}
		if !equal(&p.Type, decode(&p.Type, has), decode(&p.Type, v)) {
			return false
		}
	}
	return true
}

// asks reports whether the inputs are there and say these values.
func (r *Resource) asks(inputs property.Map, values object) bool {
	if inputs.Len() == 0 {
		return false
	}
	for wire, v := range values {
		p := r.byWire(wire)
		if p == nil || !p.Input || !equal(&p.Type, inputs.Get(p.Name), decode(&p.Type, v)) {
			return false
		}
	}
	return true
}

func (r *Resource) byWire(wire string) *Property {
	for i := range r.Properties {
		if r.Properties[i].Wire == wire {
			return &r.Properties[i]
		}
	}
	return nil
}
