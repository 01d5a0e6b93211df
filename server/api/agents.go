package api

import (
	"context"
	"fmt"
	"time"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func (s *server) CreateAgentCredential(ctx context.Context, request contract.CreateAgentCredentialRequestObject) (contract.CreateAgentCredentialResponseObject, error) {
	c, in := callOf(ctx), request.Body
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	expires := timeIn(in.ExpiresAt)
	if err := s.future("expires_at", expires); err != nil {
		return nil, err
	}
	if err := c.policyExists(p.ID, "policy_profile_id", in.PolicyProfileID); err != nil {
		return nil, err
	}
	if err := s.checkCredentialQuota(c); err != nil {
		return nil, err
	}
	now := s.now()
	a := store.Credential{
		ID:            store.NewID("agt_"),
		ProjectID:     p.ID,
		PolicyID:      in.PolicyProfileID,
		Name:          in.Name,
		PgUsername:    store.NewPgUsername(),
		Status:        "active",
		PrincipalType: string(or(in.PrincipalType, "agent")),
		AuthMethod:    "scram-sha-256",
		Generation:    1,
		ExpiresAt:     expires,
		CreatedAt:     now,
		UpdatedAt:     now,
	}
	secrets, err := s.issueSecrets(c, p, &a)
	if err != nil {
		return nil, err
	}
	if err := c.tx.Credentials().Insert(a); err != nil {
		return nil, err
	}
	c.resource = a.ID
	return contract.CreateAgentCredential201JSONResponse(secrets), nil
}

func (s *server) ListAgentCredentials(ctx context.Context, request contract.ListAgentCredentialsRequestObject) (contract.ListAgentCredentialsResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	credentials, next, _, err := c.tx.Credentials().List(p.ID, pageOf(request.Params.PageSize, request.Params.PageToken))
	if err != nil {
		return nil, err
	}
	return contract.ListAgentCredentials200JSONResponse{
		Agents:        each(credentials, credentialOut),
		NextPageToken: nextToken(next),
	}, nil
}

func (s *server) GetAgentCredential(ctx context.Context, request contract.GetAgentCredentialRequestObject) (contract.GetAgentCredentialResponseObject, error) {
	c := callOf(ctx)
	a, err := lookUp(c, c.tx.Credentials(), "agent credential", request.ProjectID, request.AgentID)
	if err != nil {
		return nil, err
	}
	return contract.GetAgentCredential200JSONResponse(credentialOut(a)), nil
}

func (s *server) UpdateAgentCredentialStatus(ctx context.Context, request contract.UpdateAgentCredentialStatusRequestObject) (contract.UpdateAgentCredentialStatusResponseObject, error) {
	c := callOf(ctx)
	a, err := lookUp(c, c.tx.Credentials(), "agent credential", request.ProjectID, request.AgentID)
	if err != nil {
		return nil, err
	}
	a.Status = string(request.Body.Status)
	a.UpdatedAt = s.now()
	if err := c.tx.Credentials().Update(a); err != nil {
		return nil, err
	}
	c.resource = a.ID
	return contract.UpdateAgentCredentialStatus200JSONResponse(credentialOut(a)), nil
}

// RotateAgentCredential gives a credential a new password and MCP token. Its
// generation grows, which ends the sessions that logged in with the old ones.
func (s *server) RotateAgentCredential(ctx context.Context, request contract.RotateAgentCredentialRequestObject) (contract.RotateAgentCredentialResponseObject, error) {
	c := callOf(ctx)
	p, err := c.project(request.ProjectID)
	if err != nil {
		return nil, err
	}
	a, err := lookUp(c, c.tx.Credentials(), "agent credential", request.ProjectID, request.AgentID)
	if err != nil {
		return nil, err
	}
	if a.ExpiresAt != nil && !s.now().Before(*a.ExpiresAt) {
		return nil, wrongState("agent credential %s expired at %s and new secrets would not open anything; create a new credential",
			a.ID, a.ExpiresAt.UTC().Format(time.RFC3339))
	}
	a.Generation++
	a.UpdatedAt = s.now()
	secrets, err := s.issueSecrets(c, p, &a)
	if err != nil {
		return nil, err
	}
	if err := c.tx.Credentials().Update(a); err != nil {
		return nil, err
	}
	// The secrets that an earlier response carries open nothing any more.
	if err := c.tx.ForgetResponses(a.ID); err != nil {
		return nil, err
	}
	c.resource = a.ID
	return contract.RotateAgentCredential200JSONResponse(secrets), nil
}

func (s *server) RevokeAgentCredential(ctx context.Context, request contract.RevokeAgentCredentialRequestObject) (contract.RevokeAgentCredentialResponseObject, error) {
	c := callOf(ctx)
	a, err := lookUp(c, c.tx.Credentials(), "agent credential", request.ProjectID, request.AgentID)
	if err != nil {
		return nil, err
	}
	if err := c.tx.Credentials().Delete(a.ProjectID, a.ID); err != nil {
		return nil, err
	}
	return contract.RevokeAgentCredential204Response{}, nil
}

// issueSecrets gives a credential new secrets: the record gets what checks
// them, the result carries them to the caller, once.
func (s *server) issueSecrets(c *call, p store.Project, a *store.Credential) (contract.AgentCredentialSecrets, error) {
	var none contract.AgentCredentialSecrets
	password := secret.NewPassword()
	verifier, err := secret.NewVerifier(password)
	if err != nil {
		return none, fmt.Errorf("make verifier of agent credential: %w", err)
	}
	token, hash := newToken("pba_")
	a.Verifier, a.MCPTokenHash = verifier, hash
	database, err := c.primaryDatabase(p.ID)
	if err != nil {
		return none, err
	}
	return contract.AgentCredentialSecrets{
		Credential:       credentialOut(*a),
		ConnectionString: s.endpoint.ConnectionString(p.Subdomain, a.PgUsername, password, database, true),
		McpURL:           s.endpoint.MCPURL(p.Subdomain),
		McpToken:         token.Reveal(),
	}, nil
}

// primaryDatabase names the database that a credential's connection string
// leads to.
func (c *call) primaryDatabase(projectID string) (string, error) {
	d, err := c.primary(projectID)
	if err != nil {
		return "", err
	}
	if d == nil {
		return "", wrongState("project %s has no primary database that a connection string could lead to; add one first", projectID)
	}
	return d.Name, nil
}

// checkCredentialQuota counts the credentials of the whole organization.
func (s *server) checkCredentialQuota(c *call) error {
	limit := s.config.Plan.Limits.MaxAgentCredentials
	if limit == 0 {
		return nil
	}
	projects, err := idsIn(c.tx.Projects(), c.key.OrgID, func(p store.Project) string { return p.ID })
	if err != nil {
		return err
	}
	count := 0
	for _, id := range projects {
		_, _, total, err := c.tx.Credentials().List(id, store.Page{Size: 1})
		if err != nil {
			return err
		}
		count += total
	}
	if count >= limit {
		return planLimit("the %s plan allows %d agent credentials; revoke one or change the plan", s.config.Plan.Name, limit)
	}
	return nil
}

func credentialOut(a store.Credential) contract.AgentCredential {
	return contract.AgentCredential{
		ID:              a.ID,
		ProjectID:       a.ProjectID,
		PolicyProfileID: a.PolicyID,
		Name:            a.Name,
		PgUsername:      a.PgUsername,
		Status:          contract.AgentCredentialStatus(a.Status),
		PrincipalType:   new(contract.AgentCredentialPrincipalType(a.PrincipalType)),
		AuthMethod:      new(contract.AgentCredentialAuthMethod(a.AuthMethod)),
		LastUsedAt:      timeOut(a.LastUsedAt),
		ExpiresAt:       timeOut(a.ExpiresAt),
		CreatedAt:       a.CreatedAt,
		UpdatedAt:       a.UpdatedAt,
	}
}
