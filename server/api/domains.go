package api

import (
	"context"
	"errors"
	"strings"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func (s *server) CreateCustomDomain(ctx context.Context, request contract.CreateCustomDomainRequestObject) (contract.CreateCustomDomainResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	if err := s.checkDomainPlan(); err != nil {
		return nil, err
	}
	name := strings.ToLower(request.Body.Domain)
	if detail := s.checkDomain(name); detail != "" {
		return nil, invalid(fieldError{"domain", detail})
	}
	now := s.now()
	d := store.Domain{
		ID:        store.NewID("dom_"),
		ProjectID: p.ID,
		Domain:    name,
		Token:     secret.NewToken("").Reveal(),
		CreatedAt: now,
		UpdatedAt: now,
	}
	if err := c.tx.Domains().Insert(d); err != nil {
		return nil, err
	}
	c.resource = d.ID
	return contract.CreateCustomDomain201JSONResponse(s.domainOut(p, d)), nil
}

func (s *server) ListCustomDomains(ctx context.Context, request contract.ListCustomDomainsRequestObject) (contract.ListCustomDomainsResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	domains, next, _, err := c.tx.Domains().List(p.ID, pageOf(request.Params.PageSize, request.Params.PageToken))
	if err != nil {
		return nil, err
	}
	return contract.ListCustomDomains200JSONResponse{
		Domains:       each(domains, func(d store.Domain) contract.CustomDomain { return s.domainOut(p, d) }),
		NextPageToken: nextToken(next),
	}, nil
}

func (s *server) DeleteCustomDomain(ctx context.Context, request contract.DeleteCustomDomainRequestObject) (contract.DeleteCustomDomainResponseObject, error) {
	c := callOf(ctx)
	d, err := lookUp(c, c.tx.Domains(), "custom domain", request.ProjectID, request.DomainID)
	if err != nil {
		return nil, err
	}
	if err := c.tx.Domains().Delete(d.ProjectID, d.ID); err != nil {
		return nil, err
	}
	return contract.DeleteCustomDomain204Response{}, nil
}

// lookUpDomain asks the DNS about a custom domain. Its result is a *string:
// nil when the records are right, else what is wrong with them.
func (s *server) lookUpDomain(ctx context.Context, c *call) (any, error) {
	if err := s.checkDomainPlan(); err != nil {
		return nil, err
	}
	var records domain.Records
	err := s.store.View(ctx, func(tx store.Tx) error {
		c.tx = tx
		p, err := c.project(c.path["project_id"])
		if err != nil {
			return err
		}
		d, err := lookUp(c, tx.Domains(), "custom domain", p.ID, c.path["domain_id"])
		records = s.endpoint.Records(d.Domain, d.Token, p.Subdomain)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = s.verifier.Verify(ctx, records)
	var wrong *domain.RecordError
	switch {
	case err == nil:
		return (*string)(nil), nil
	case errors.As(err, &wrong):
		return &wrong.Detail, nil
	}
	return nil, err
}

// VerifyCustomDomain reports what its look-up found. A domain that was once
// verified stays so when the look-up fails later: a lapse in the DNS must not
// cut connections. Deleting the domain is what ends it.
func (s *server) VerifyCustomDomain(ctx context.Context, request contract.VerifyCustomDomainRequestObject) (contract.VerifyCustomDomainResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	d, err := lookUp(c, c.tx.Domains(), "custom domain", request.ProjectID, request.DomainID)
	if err != nil {
		return nil, err
	}
	wrong := c.found.(*string)
	if wrong == nil && d.VerifiedAt == nil {
		other, err := c.tx.ProjectByDomain(d.Domain)
		switch {
		case err == nil && other.ID != p.ID:
			wrong = new("the domain is verified for another project of this deployment; delete it there first")
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, err
		default:
			now := s.now()
			d.VerifiedAt, d.UpdatedAt = &now, now
			if err := c.tx.Domains().Update(d); err != nil {
				return nil, err
			}
		}
	}
	c.resource = d.ID
	return contract.VerifyCustomDomain200JSONResponse{
		Verified: wrong == nil,
		Error:    wrong,
		Domain:   new(s.domainOut(p, d)),
	}, nil
}

func (s *server) checkDomainPlan() error {
	if !s.config.Plan.customDomains() {
		return planLimit("the %s plan has no custom domains", s.config.Plan.Name)
	}
	return nil
}

// checkDomain says what is wrong with a custom domain beyond its form.
func (s *server) checkDomain(name string) string {
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if len(label) > 63 {
			return "must not have a label of more than 63 characters"
		}
	}
	own := strings.ToLower(s.endpoint.ProxyDomain)
	switch {
	case len(labels) < 2:
		return "must be a full domain name, such as db.example.com"
	case numericLabel(name):
		return "must be a domain name, not an address"
	case own != "" && (name == own || strings.HasSuffix(name, "."+own)):
		return "belongs to this deployment; use a domain of your own"
	}
	return ""
}

func (s *server) domainOut(p store.Project, d store.Domain) contract.CustomDomain {
	r := s.endpoint.Records(d.Domain, d.Token, p.Subdomain)
	return contract.CustomDomain{
		ID:                   d.ID,
		ProjectID:            d.ProjectID,
		Domain:               d.Domain,
		Verified:             d.VerifiedAt != nil,
		VerifiedAt:           timeOut(d.VerifiedAt),
		TLSCertExpiry:        timeOut(d.TLSCertExpiry),
		DNSVerificationToken: d.Token,
		DNSInstructions: &contract.DNSInstructions{
			CnameHost:       &r.CNAMEHost,
			CnameTarget:     &r.CNAMETarget,
			TxtHost:         &r.TXTHost,
			TxtValue:        &r.TXTValue,
			AcmeCnameHost:   &r.ACMECNAMEHost,
			AcmeCnameTarget: &r.ACMECNAMETarget,
		},
		CreatedAt: d.CreatedAt,
		UpdatedAt: d.UpdatedAt,
	}
}
