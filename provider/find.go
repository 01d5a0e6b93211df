package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// instead are the inputs that stand for the id: those that say which list,
// and those that say which of it.
func (f *Find) instead() []string {
	return slices.Concat(f.List.Args, f.List.Query, f.By)
}

// check refuses a call that says too little to find one object, or two things
// that could disagree.
func (f *Find) check(args property.Map) []p.CheckFailure {
	if absent(args.Get(f.ID)) {
		for _, name := range f.instead() {
			if absent(args.Get(name)) {
				return []p.CheckFailure{{Reason: fmt.Sprintf("%s is missing: give %s, or %s", name, f.ID, strings.Join(f.instead(), " and "))}}
			}
		}
		return nil
	}
	for _, name := range f.By {
		if !absent(args.Get(name)) {
			return []p.CheckFailure{{Reason: fmt.Sprintf("%s and %s are both given: either of them finds the object, so leave one out", f.ID, name)}}
		}
	}
	return nil
}

// find looks in a list for the one object that agrees with the inputs.
func (s *session) find(ctx context.Context, fn *Function, values property.Map) (property.Map, error) {
	args, query, err := fn.Find.List.arguments(fn.Inputs, "", values)
	if err != nil {
		return property.Map{}, err
	}
	items, err := s.listNow(ctx, "call", fn.Find.List, args, query)
	if err != nil {
		return property.Map{}, err
	}
	found := slices.DeleteFunc(items, func(item object) bool {
		return slices.ContainsFunc(fn.Find.By, func(name string) bool {
			prop := find(fn.Inputs, name)
			return !decode(&prop.Type, item[prop.Wire]).Equals(values.Get(name))
		})
	})
	if len(found) == 1 {
		return outputs(fn, found[0]), nil
	}
	var wanted []string
	for _, name := range fn.Find.instead() {
		wanted = append(wanted, fmt.Sprintf("%s %q", name, text(values.Get(name))))
	}
	if len(found) == 0 {
		return property.Map{}, fmt.Errorf("%s: nothing has %s", nameOf(&Type{Token: fn.Token}), strings.Join(wanted, " and "))
	}
	return property.Map{}, fmt.Errorf("%s: %d have %s: give %s", nameOf(&Type{Token: fn.Token}), len(found), strings.Join(wanted, " and "), fn.Find.ID)
}
