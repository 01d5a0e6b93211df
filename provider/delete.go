package provider

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
)

// delete succeeds when the resource is gone, whoever removed it.
func (v *provider) delete(ctx context.Context, req p.DeleteRequest) error {
	r, err := table(req.Urn)
	if err != nil {
		return err
	}
	v.seen.note(req.Urn, req.ID)
	s, err := v.session(r, req.Properties, req.OldInputs)
	if err != nil {
		return err
	}
	values := s.fromID(req.ID, overlay(tolerate(r.Properties, req.OldInputs), tolerate(r.Properties, req.Properties)))
	op, body := r.Delete, any(nil)
	if op == nil {
		op, body = r.Update, r.Deleted
	}
	args, query, err := op.arguments(r.Properties, req.ID, values)
	if err != nil {
		return fmt.Errorf("delete %s: %w", r.Title, err)
	}
	got, err := s.call(ctx, "delete", op, args, query, body)
	switch {
	case err != nil && status(err) != 404:
		s.uncertain(values, err)
		return err
	case r.Delete == nil && err == nil:
		if obj, err := op.result(got.body); err == nil {
			s.writeThrough(values, obj)
		}
	default:
		s.lists.put(r.listOf(values), r.listField(), r.listValue(req.ID, values), nil)
	}
	return nil
}
