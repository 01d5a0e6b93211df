package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/oapi-codegen/nullable"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func (s *server) CreateProject(ctx context.Context, request contract.CreateProjectRequestObject) (contract.CreateProjectResponseObject, error) {
	c, in := callOf(ctx), request.Body
	if err := c.organization(in.OrgID); err != nil {
		return nil, err
	}
	limits := s.config.Plan.Limits
	if in.SelfHosted != nil && *in.SelfHosted && !s.config.Plan.selfHosting() {
		return nil, planLimit("the %s plan has no self-hosted projects", s.config.Plan.Name)
	}
	if limits.MaxProjects > 0 {
		_, _, total, err := c.tx.Projects().List(in.OrgID, store.Page{Size: 1})
		if err != nil {
			return nil, err
		}
		if total >= limits.MaxProjects {
			return nil, planLimit("the %s plan allows %d projects; delete one or change the plan", s.config.Plan.Name, limits.MaxProjects)
		}
	}
	now := s.now()
	p := store.Project{
		ID:               store.NewID("prj_"),
		OrgID:            in.OrgID,
		Name:             in.Name,
		Description:      or(in.Description, ""),
		Tags:             or(in.Tags, []string{}),
		Cloud:            string(or(in.Cloud, "aws")),
		SelfHosted:       or(in.SelfHosted, false),
		Subdomain:        store.NewSubdomain(),
		Residency:        "any",
		Status:           "active",
		QueriesPerSecond: int32(limits.QueriesPerSecond),
		MaxConnections:   int32(limits.MaxConnections),
		CreatedAt:        now,
		UpdatedAt:        now,
	}
	d, wrong := newDatabase(p.ID, in.Database, now, "database.")
	if len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	if err := c.tx.Projects().Insert(p); err != nil {
		return nil, err
	}
	if err := c.tx.Databases().Insert(d); err != nil {
		return nil, err
	}
	c.resource = p.ID
	stored, err := c.project(p.ID) // with the counters that the store keeps
	if err != nil {
		return nil, err
	}
	return contract.CreateProject201JSONResponse{
		Project:  s.projectOut(stored),
		Database: new(s.databaseOut(stored, d)),
	}, nil
}

func (s *server) ListProjects(ctx context.Context, request contract.ListProjectsRequestObject) (contract.ListProjectsResponseObject, error) {
	c := callOf(ctx)
	if err := c.organization(request.Params.OrgID); err != nil {
		return nil, err
	}
	page := pageOf(request.Params.PageSize, request.Params.PageToken)
	page.Sort = string(or(request.Params.SortBy, "created_at"))
	projects, next, total, err := c.tx.Projects().List(c.key.OrgID, page)
	if err != nil {
		return nil, err
	}
	return contract.ListProjects200JSONResponse{
		Projects:      each(projects, s.projectOut),
		Total:         total,
		NextPageToken: nextToken(next),
	}, nil
}

func (s *server) GetProject(ctx context.Context, request contract.GetProjectRequestObject) (contract.GetProjectResponseObject, error) {
	p, err := callOf(ctx).project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	return contract.GetProject200JSONResponse(s.projectOut(p)), nil
}

func (s *server) UpdateProject(ctx context.Context, request contract.UpdateProjectRequestObject) (contract.UpdateProjectResponseObject, error) {
	c, in := callOf(ctx), request.Body
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	set(&p.Name, in.Name)
	set(&p.Description, in.Description)
	set(&p.Tags, in.Tags)
	set(&p.AgentsDisabled, in.AgentsDisabled)
	if in.Residency != nil {
		p.Residency = string(*in.Residency)
	}
	if in.Status != nil {
		p.Status = string(*in.Status)
	}
	if in.AllowedCidrs != nil {
		allowed, wrong := parseCIDRs(*in.AllowedCidrs)
		if len(wrong) > 0 {
			return nil, invalid(wrong...)
		}
		p.AllowedCIDRs = allowed
	}
	if in.DefaultPolicyProfileID.IsSpecified() {
		id, _ := in.DefaultPolicyProfileID.Get() // null clears, as "" does
		if err := c.policyExists(p.ID, "default_policy_profile_id", id); id != "" && err != nil {
			return nil, err
		}
		p.DefaultPolicyID = id
	}
	p.UpdatedAt = s.now()
	if err := c.tx.Projects().Update(p); err != nil {
		return nil, err
	}
	c.resource = p.ID
	return contract.UpdateProject200JSONResponse(s.projectOut(p)), nil
}

// DeleteProject deletes a project softly: what it held stops working and its
// name is free, but the record stays.
func (s *server) DeleteProject(ctx context.Context, request contract.DeleteProjectRequestObject) (contract.DeleteProjectResponseObject, error) {
	c := callOf(ctx)
	if err := c.tx.Projects().Delete(c.key.OrgID, request.ProjectID); err != nil {
		return nil, missing(err, "project", request.ProjectID)
	}
	return contract.DeleteProject204Response{}, nil
}

func idsIn[T any](table store.Table[T], parent string, id func(T) string) ([]string, error) {
	records, _, _, err := table.List(parent, store.Page{})
	return each(records, id), err
}

// policyExists refuses a reference to a policy that the project does not have.
func (c *call) policyExists(projectID, field, id string) error {
	_, err := c.tx.Policies().Get(projectID, id)
	if errors.Is(err, store.ErrNotFound) {
		return invalid(fieldError{field, "names no policy profile of this project"})
	}
	return err
}

// parseCIDRs reads an allowlist: single addresses get their full length,
// ranges with bits set below the mask are refused.
func parseCIDRs(entries []contract.CidrEntry) ([]store.AllowedCIDR, []fieldError) {
	allowed := make([]store.AllowedCIDR, 0, len(entries))
	seen := map[netip.Prefix]int{}
	var wrong []fieldError
	for i, entry := range entries {
		field := fmt.Sprintf("allowed_cidrs[%d].cidr", i)
		prefix, detail := parseCIDR(entry.Cidr)
		if detail != "" {
			wrong = append(wrong, fieldError{field, detail})
			continue
		}
		if first, repeated := seen[prefix]; repeated {
			wrong = append(wrong, fieldError{field, fmt.Sprintf("repeats allowed_cidrs[%d]", first)})
			continue
		}
		seen[prefix] = i
		allowed = append(allowed, store.AllowedCIDR{Prefix: prefix, Label: or(entry.Label, "")})
	}
	return allowed, wrong
}

func parseCIDR(text string) (netip.Prefix, string) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, "must be an address or a range, such as 203.0.113.7 or 203.0.113.0/24"
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), ""
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, "must be an address or a range, such as 203.0.113.7 or 203.0.113.0/24"
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, "is an IPv4 range in IPv6 form; write it as IPv4"
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, fmt.Sprintf("has bits set below its mask; write %s for the range or leave the mask out for one address", masked)
	}
	return prefix, ""
}

func (s *server) projectOut(p store.Project) contract.Project {
	cidrs := make([]contract.CidrEntry, len(p.AllowedCIDRs))
	for i, a := range p.AllowedCIDRs {
		cidrs[i].Cidr = a.Prefix.String()
		if a.Label != "" {
			cidrs[i].Label = new(a.Label)
		}
	}
	out := contract.Project{
		ID:                     p.ID,
		OrgID:                  p.OrgID,
		Name:                   p.Name,
		Description:            &p.Description,
		Tags:                   new(append([]string{}, p.Tags...)),
		Cloud:                  new(contract.ProjectCloud(p.Cloud)),
		SelfHosted:             &p.SelfHosted,
		ProxyHost:              new(s.endpoint.ProxyHost(p.Subdomain)),
		QueriesPerSecond:       &p.QueriesPerSecond,
		BurstSize:              &p.BurstSize,
		MaxConnections:         &p.MaxConnections,
		AllowedCidrs:           &cidrs,
		DefaultPolicyProfileID: nullable.NewNullNullable[string](),
		Residency:              new(contract.DataResidency(p.Residency)),
		AgentsDisabled:         &p.AgentsDisabled,
		DatabaseCount:          &p.DatabaseCount,
		ActiveConnections:      &p.ActiveConnections,
		Status:                 contract.ProjectStatus(p.Status),
		CreatedAt:              p.CreatedAt,
		UpdatedAt:              p.UpdatedAt,
	}
	if p.DefaultPolicyID != "" {
		out.DefaultPolicyProfileID.Set(p.DefaultPolicyID)
	}
	return out
}
