package provider

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func (v *provider) diff(_ context.Context, req p.DiffRequest) (p.DiffResponse, error) {
	r, err := table(req.Urn)
	if err != nil {
		return p.DiffResponse{}, err
	}
	v.seen.note(req.Urn, req.ID)
	state := tolerate(r.Properties, req.State)
	found := r.changes(recall(req.OldInputs, req.State), state, req.Inputs)
	resp := p.DiffResponse{HasChanges: len(found) > 0, DetailedDiff: map[string]p.PropertyDiff{}}
	replaced := false
	for _, c := range found {
		replaced = replaced || c.replace
		resp.DetailedDiff[c.path.String()] = p.PropertyDiff{Kind: kindOf(c), InputDiff: c.input}
	}
	resp.DeleteBeforeReplace = replaced && r.clashes(state, req.Inputs)
	return resp, nil
}

func kindOf(c change) p.DiffKind {
	if !c.replace {
		return c.kind
	}
	switch c.kind {
	case p.Add:
		return p.AddReplace
	case p.Delete:
		return p.DeleteReplace
	}
	return p.UpdateReplace
}

// clashes reports whether the successor could not exist beside the present
// resource: everything that makes it unique stays the same. With a new name
// or address the successor can be made first, which interrupts nothing; an
// unknown value comes of a parent that is itself replaced, so it will differ.
func (r *Resource) clashes(state, news property.Map) bool {
	for _, name := range r.Unique {
		prop := r.property(name)
		if prop == nil || !equal(&prop.Type, orDefault(prop, state.Get(name)), orDefault(prop, news.Get(name))) {
			return false
		}
	}
	return len(r.Unique) > 0
}
