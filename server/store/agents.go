package store

import "time"

var policies = &kind[Policy]{
	label: "policy profile", table: "policies", id: "id", parent: "project_id",
	idOf: func(r *Policy) string { return r.ID }, parentOf: func(r *Policy) string { return r.ProjectID },
	columns: []column[Policy]{
		plain("id", func(r *Policy) *string { return &r.ID }),
		plain("project_id", func(r *Policy) *string { return &r.ProjectID }),
		plain("name", func(r *Policy) *string { return &r.Name }),
		document("rules", func(r *Policy) *PolicyRules { return &r.Rules }),
		moment("created_at", func(r *Policy) *time.Time { return &r.CreatedAt }),
		moment("updated_at", func(r *Policy) *time.Time { return &r.UpdatedAt }),
	},
	visible: inLiveProject,
	orders:  byCreation(func(r *Policy) *time.Time { return &r.CreatedAt }, func(r *Policy) string { return r.ID }),
	uniques: []unique[Policy]{{
		field: "name", value: func(r *Policy) string { return r.Name },
		taken: "project_id = ? AND name = ?", args: func(r *Policy) []any { return []any{r.ProjectID, r.Name} },
	}},
	check:   func(tx *tx, r *Policy) error { return tx.projectExists(r.ProjectID) },
	affects: func(_ *tx, r *Policy) ([]string, error) { return []string{r.ProjectID}, nil },
	remove:  removePolicy,
}

// removePolicy refuses while somebody would lose the rules that bind them.
func removePolicy(tx *tx, r *Policy) error {
	for _, user := range []struct{ label, query string }{
		{"agent credential", "SELECT id FROM credentials WHERE policy_id = ? AND status <> 'revoked' ORDER BY created_at, id"},
		{"project", "SELECT id FROM projects WHERE default_policy_id = ? AND status <> 'deleted'"},
	} {
		ids, err := tx.strings(user.query, r.ID)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			return &InUseError{Kind: "policy profile", By: user.label, IDs: ids}
		}
	}
	_, err := tx.exec("DELETE FROM policies WHERE id = ?", r.ID)
	return err
}

var credentials = &kind[Credential]{
	label: "agent credential", table: "credentials", id: "id", parent: "project_id",
	idOf: func(r *Credential) string { return r.ID }, parentOf: func(r *Credential) string { return r.ProjectID },
	columns: []column[Credential]{
		plain("id", func(r *Credential) *string { return &r.ID }),
		plain("project_id", func(r *Credential) *string { return &r.ProjectID }),
		plain("policy_id", func(r *Credential) *string { return &r.PolicyID }),
		plain("name", func(r *Credential) *string { return &r.Name }),
		plain("pg_username", func(r *Credential) *string { return &r.PgUsername }),
		plain("status", func(r *Credential) *string { return &r.Status }),
		plain("principal_type", func(r *Credential) *string { return &r.PrincipalType }),
		plain("auth_method", func(r *Credential) *string { return &r.AuthMethod }),
		plain("verifier", func(r *Credential) *string { return &r.Verifier }),
		plain("mcp_token_hash", func(r *Credential) *string { return &r.MCPTokenHash }),
		plain("generation", func(r *Credential) *int { return &r.Generation }),
		maybe("last_used_at", func(r *Credential) **time.Time { return &r.LastUsedAt }),
		maybe("expires_at", func(r *Credential) **time.Time { return &r.ExpiresAt }),
		moment("created_at", func(r *Credential) *time.Time { return &r.CreatedAt }),
		moment("updated_at", func(r *Credential) *time.Time { return &r.UpdatedAt }),
	},
	visible: "status <> 'revoked' AND " + inLiveProject,
	orders:  byCreation(func(r *Credential) *time.Time { return &r.CreatedAt }, func(r *Credential) string { return r.ID }),
	uniques: []unique[Credential]{{
		field: "name", value: func(r *Credential) string { return r.Name },
		taken:   "project_id = ? AND name = ? AND status <> 'revoked'",
		args:    func(r *Credential) []any { return []any{r.ProjectID, r.Name} },
		applies: func(r *Credential) bool { return r.Status != "revoked" },
	}, {
		field: "pg_username", value: func(r *Credential) string { return r.PgUsername },
		taken: "pg_username = ?", args: func(r *Credential) []any { return []any{r.PgUsername} }, foreign: true,
	}},
	check: func(tx *tx, r *Credential) error {
		if err := tx.projectExists(r.ProjectID); err != nil {
			return err
		}
		return tx.policyExists(r.ProjectID, r.PolicyID)
	},
	affects: func(_ *tx, r *Credential) ([]string, error) { return []string{r.ProjectID}, nil },
	// A credential is revoked, never erased: its user name stays taken and its
	// past stays attributable.
	remove: func(tx *tx, r *Credential) error {
		_, err := tx.exec("UPDATE credentials SET status = 'revoked', updated_at = ? WHERE id = ?", tx.now().UnixMicro(), r.ID)
		return err
	},
}

func (tx *tx) policyExists(project, id string) error {
	return tx.exists("policy profile", id, "SELECT id FROM policies WHERE id = ? AND project_id = ?", id, project)
}
