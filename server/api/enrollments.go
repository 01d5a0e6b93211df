package api

import (
	"context"
	"time"

	"github.com/oapi-codegen/nullable"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func (s *server) CreateSelfHostEnrollment(ctx context.Context, request contract.CreateSelfHostEnrollmentRequestObject) (contract.CreateSelfHostEnrollmentResponseObject, error) {
	c, in := callOf(ctx), request.Body
	if in == nil {
		in = &contract.CreateSelfHostEnrollmentRequest{}
	}
	if err := c.organization(request.OrgID); err != nil {
		return nil, err
	}
	if !s.config.Plan.selfHosting() {
		return nil, planLimit("the %s plan has no self-hosted data planes", s.config.Plan.Name)
	}
	expires := timeIn(in.ExpiresAt)
	if err := s.future("expires_at", expires); err != nil {
		return nil, err
	}
	token, hash := newToken("pbh_")
	e := store.Enrollment{
		ID:          store.NewID("she_"),
		OrgID:       request.OrgID,
		RegionLabel: or(in.RegionLabel, ""),
		Description: or(in.Description, ""),
		TokenHash:   hash,
		CreatedBy:   c.key.ID,
		CreatedAt:   s.now(),
		ExpiresAt:   expires,
	}
	if err := c.tx.Enrollments().Insert(e); err != nil {
		return nil, err
	}
	c.resource = e.ID
	return contract.CreateSelfHostEnrollment201JSONResponse{Enrollment: enrollmentOut(e), Token: token.Reveal()}, nil
}

func (s *server) ListSelfHostEnrollments(ctx context.Context, request contract.ListSelfHostEnrollmentsRequestObject) (contract.ListSelfHostEnrollmentsResponseObject, error) {
	c := callOf(ctx)
	if err := c.organization(request.OrgID); err != nil {
		return nil, err
	}
	enrollments, _, _, err := c.tx.Enrollments().List(request.OrgID, store.Page{})
	if err != nil {
		return nil, err
	}
	return contract.ListSelfHostEnrollments200JSONResponse{Enrollments: each(enrollments, enrollmentOut)}, nil
}

// RevokeSelfHostEnrollment ends an enrollment; it stays listed. Revoking twice
// is no error and keeps the first time.
func (s *server) RevokeSelfHostEnrollment(ctx context.Context, request contract.RevokeSelfHostEnrollmentRequestObject) (contract.RevokeSelfHostEnrollmentResponseObject, error) {
	c := callOf(ctx)
	e, err := c.enrollment(request.OrgID, request.EnrollmentID)
	if err != nil {
		return nil, err
	}
	if e.RevokedAt == nil {
		e.RevokedAt = new(s.now())
		if err := c.tx.Enrollments().Update(e); err != nil {
			return nil, err
		}
	}
	if err := c.tx.ForgetResponses(e.ID); err != nil {
		return nil, err
	}
	return contract.RevokeSelfHostEnrollment204Response{}, nil
}

// RotateSelfHostEnrollment replaces the token; the old one opens nothing from
// then on.
func (s *server) RotateSelfHostEnrollment(ctx context.Context, request contract.RotateSelfHostEnrollmentRequestObject) (contract.RotateSelfHostEnrollmentResponseObject, error) {
	c := callOf(ctx)
	e, err := c.enrollment(request.OrgID, request.EnrollmentID)
	if err != nil {
		return nil, err
	}
	switch {
	case e.RevokedAt != nil:
		return nil, wrongState("enrollment %s was revoked at %s; create a new one", e.ID, e.RevokedAt.UTC().Format(time.RFC3339))
	case e.ExpiresAt != nil && !s.now().Before(*e.ExpiresAt):
		return nil, wrongState("enrollment %s expired at %s; create a new one", e.ID, e.ExpiresAt.UTC().Format(time.RFC3339))
	}
	token, hash := newToken("pbh_")
	e.TokenHash = hash
	if err := c.tx.Enrollments().Update(e); err != nil {
		return nil, err
	}
	if err := c.tx.ForgetResponses(e.ID); err != nil {
		return nil, err
	}
	c.resource = e.ID
	return contract.RotateSelfHostEnrollment200JSONResponse{Enrollment: enrollmentOut(e), Token: token.Reveal()}, nil
}

func (c *call) enrollment(orgID, id string) (store.Enrollment, error) {
	if err := c.organization(orgID); err != nil {
		return store.Enrollment{}, err
	}
	e, err := c.tx.Enrollments().Get(orgID, id)
	return e, missing(err, "enrollment", id)
}

func enrollmentOut(e store.Enrollment) contract.SelfHostEnrollment {
	out := contract.SelfHostEnrollment{
		ID:          e.ID,
		OrgID:       e.OrgID,
		RegionLabel: &e.RegionLabel,
		Description: &e.Description,
		CreatedBy:   nullable.NewNullNullable[string](),
		CreatedAt:   e.CreatedAt,
		LastSeenAt:  timeOut(e.LastSeenAt),
		RevokedAt:   timeOut(e.RevokedAt),
		ExpiresAt:   timeOut(e.ExpiresAt),
	}
	if e.CreatedBy != "" {
		out.CreatedBy.Set(e.CreatedBy)
	}
	return out
}
