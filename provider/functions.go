package provider

import (
	"context"
	"fmt"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pgbeam/pulumi-pgbeam/schema/queryhash"
)

func (v *provider) invoke(ctx context.Context, req p.InvokeRequest) (p.InvokeResponse, error) {
	fn := functionByToken(string(req.Token))
	if fn == nil {
		var known []string
		for _, f := range Functions {
			known = append(known, f.Token)
		}
		return p.InvokeResponse{}, fmt.Errorf("this version of the plugin has no function %s%s", req.Token, suggest(string(req.Token), known))
	}
	c := checker{now: time.Now()}
	args := dropNulls(req.Args)
	c.fields(nil, "call of "+nameOf(&Type{Token: fn.Token}), inputsOf(fn), args, property.Map{})
	if len(c.failures) == 0 && fn.Find != nil {
		c.failures = fn.Find.check(args)
	}
	if len(c.failures) > 0 {
		return p.InvokeResponse{Failures: c.failures}, nil
	}
	if property.New(args).HasComputed() {
		return p.InvokeResponse{Return: unknownOutputs(fn)}, nil
	}
	if fn.Operation == nil {
		return invokeHere(fn, args)
	}
	s, err := v.use()
	if err != nil {
		return p.InvokeResponse{}, err
	}
	if s.client == nil {
		return p.InvokeResponse{Return: unknownOutputs(fn)}, nil
	}
	run := &session{settings: s, lists: &v.lists, resource: &Resource{Title: nameOf(&Type{Token: fn.Token}), Properties: fn.Inputs}}
	out, err := run.ask(ctx, fn, args)
	return p.InvokeResponse{Return: out}, err
}

func inputsOf(fn *Function) []Property { return asInputs(fn.Inputs) }

func unknownOutputs(fn *Function) property.Map {
	out := property.Map{}
	for _, prop := range fn.Outputs {
		out = out.Set(prop.Name, property.New(property.Computed))
	}
	return out
}

// invokeHere answers what the plugin computes itself.
func invokeHere(fn *Function, args property.Map) (p.InvokeResponse, error) {
	if fn.Token != "pgbeam:index:getQueryHash" {
		return p.InvokeResponse{}, fmt.Errorf("%s has no operation", fn.Token)
	}
	q, err := queryhash.Of(args.Get("sql").AsString())
	if err != nil {
		return p.InvokeResponse{Failures: []p.CheckFailure{{Reason: fmt.Sprintf("sql: %v", err)}}}, nil
	}
	return p.InvokeResponse{Return: property.NewMap(map[string]property.Value{
		"queryHash":     property.New(q.Hash),
		"normalizedSql": property.New(q.Text),
	})}, nil
}

// ask calls the function's operation and reads the answer.
func (s *session) ask(ctx context.Context, fn *Function, values property.Map) (property.Map, error) {
	if fn.Find != nil && absent(values.Get(fn.Find.ID)) {
		return s.find(ctx, fn, values)
	}
	op := fn.Operation
	args, query, err := op.arguments(fn.Inputs, "", values)
	if err != nil {
		return property.Map{}, err
	}
	if op.Items != "" {
		items, err := s.listNow(ctx, "call", op, args, query)
		if err != nil {
			return property.Map{}, err
		}
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = item
		}
		return outputs(fn, object{op.Items: list, "total": float64(len(items))}), nil
	}
	// A preview changes nothing, so it does not verify: it tells what the
	// domain is now.
	if op.Method != "GET" && !fn.Pure && previewing(ctx) {
		return s.lookAtDomain(ctx, fn, values)
	}
	var body any
	if op.Body != nil {
		body = s.resource.body(op, values)
	}
	got, err := s.call(ctx, "call", op, args, query, body)
	if err != nil {
		return property.Map{}, err
	}
	obj, err := op.result(got.body)
	if err != nil {
		return property.Map{}, err
	}
	return outputs(fn, obj), nil
}

// lookAtDomain is verifyCustomDomain without the verification.
func (s *session) lookAtDomain(ctx context.Context, fn *Function, values property.Map) (property.Map, error) {
	domains := resourceByToken("pgbeam:index:CustomDomain")
	inner := *s
	inner.resource = domains
	obj, found, err := inner.fetch(ctx, text(values.Get("domainId")), values)
	if err != nil {
		return property.Map{}, err
	}
	if !found {
		return property.Map{}, fmt.Errorf("there is no custom domain %s in this project", text(values.Get("domainId")))
	}
	return outputs(fn, object{"verified": obj["verified"], "domain": obj}), nil
}

func outputs(fn *Function, obj object) property.Map {
	out := map[string]property.Value{}
	for i := range fn.Outputs {
		prop := &fn.Outputs[i]
		if v := decode(&prop.Type, obj[prop.Wire]); !absent(v) {
			out[prop.Name] = v
		}
	}
	return markSecrets(fn.Outputs, property.NewMap(out))
}
