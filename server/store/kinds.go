package store

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// inLiveProject is the condition of records that belong to a project.
const inLiveProject = "EXISTS (SELECT 1 FROM projects AS live WHERE live.id = project_id AND live.status <> 'deleted')"

// byCreation is the default order of most lists.
func byCreation[T any](created func(*T) *time.Time, id func(*T) string) map[string]order[T] {
	return map[string]order[T]{"": {
		columns: []string{"created_at", "id"},
		values:  func(r *T) []any { return []any{created(r).UnixMicro(), id(r)} },
	}}
}

var organizations = &kind[Organization]{
	label: "organization", table: "organizations", id: "id",
	idOf: func(r *Organization) string { return r.ID },
	columns: []column[Organization]{
		plain("id", func(r *Organization) *string { return &r.ID }),
		plain("name", func(r *Organization) *string { return &r.Name }),
		plain("slug", func(r *Organization) *string { return &r.Slug }),
		plain("spend_limit", func(r *Organization) **float64 { return &r.SpendLimit }),
		maybe("spend_capped_at", func(r *Organization) **time.Time { return &r.SpendCappedAt }),
		moment("created_at", func(r *Organization) *time.Time { return &r.CreatedAt }),
		moment("updated_at", func(r *Organization) *time.Time { return &r.UpdatedAt }),
	},
	orders: byCreation(func(r *Organization) *time.Time { return &r.CreatedAt }, func(r *Organization) string { return r.ID }),
	affects: func(tx *tx, r *Organization) ([]string, error) {
		return tx.strings("SELECT id FROM projects WHERE org_id = ? AND status <> 'deleted'", r.ID)
	},
	remove: func(tx *tx, r *Organization) error {
		ids, err := tx.strings("SELECT id FROM projects WHERE org_id = ? AND status <> 'deleted' ORDER BY created_at, id", r.ID)
		if err == nil && len(ids) > 0 {
			err = &InUseError{Kind: "organization", By: "project", IDs: ids}
		}
		if err == nil {
			_, err = tx.exec("DELETE FROM organizations WHERE id = ?", r.ID)
		}
		return err
	},
}

var keys = &kind[Key]{
	label: "API key", table: "api_keys", id: "id", parent: "org_id",
	idOf: func(r *Key) string { return r.ID }, parentOf: func(r *Key) string { return r.OrgID },
	columns: []column[Key]{
		plain("id", func(r *Key) *string { return &r.ID }),
		plain("org_id", func(r *Key) *string { return &r.OrgID }),
		plain("name", func(r *Key) *string { return &r.Name }),
		plain("hash", func(r *Key) *string { return &r.Hash }),
		plain("hint", func(r *Key) *string { return &r.Hint }),
		moment("created_at", func(r *Key) *time.Time { return &r.CreatedAt }),
		maybe("expires_at", func(r *Key) **time.Time { return &r.ExpiresAt }),
		maybe("revoked_at", func(r *Key) **time.Time { return &r.RevokedAt }),
		maybe("last_used_at", func(r *Key) **time.Time { return &r.LastUsedAt }),
	},
	orders: byCreation(func(r *Key) *time.Time { return &r.CreatedAt }, func(r *Key) string { return r.ID }),
	uniques: []unique[Key]{{
		field: "hash", value: func(*Key) string { return "[redacted]" },
		taken: "hash = ?", args: func(r *Key) []any { return []any{r.Hash} },
	}},
	check: func(tx *tx, r *Key) error { return tx.organizationExists(r.OrgID) },
}

var enrollments = &kind[Enrollment]{
	label: "self-host enrollment", table: "enrollments", id: "id", parent: "org_id",
	idOf: func(r *Enrollment) string { return r.ID }, parentOf: func(r *Enrollment) string { return r.OrgID },
	columns: []column[Enrollment]{
		plain("id", func(r *Enrollment) *string { return &r.ID }),
		plain("org_id", func(r *Enrollment) *string { return &r.OrgID }),
		plain("region_label", func(r *Enrollment) *string { return &r.RegionLabel }),
		plain("description", func(r *Enrollment) *string { return &r.Description }),
		plain("token_hash", func(r *Enrollment) *string { return &r.TokenHash }),
		plain("created_by", func(r *Enrollment) *string { return &r.CreatedBy }),
		moment("created_at", func(r *Enrollment) *time.Time { return &r.CreatedAt }),
		maybe("last_seen_at", func(r *Enrollment) **time.Time { return &r.LastSeenAt }),
		maybe("revoked_at", func(r *Enrollment) **time.Time { return &r.RevokedAt }),
		maybe("expires_at", func(r *Enrollment) **time.Time { return &r.ExpiresAt }),
	},
	orders: map[string]order[Enrollment]{"": {
		columns: []string{"created_at", "id"}, descending: true,
		values: func(r *Enrollment) []any { return []any{r.CreatedAt.UnixMicro(), r.ID} },
	}},
	uniques: []unique[Enrollment]{{
		field: "token", value: func(*Enrollment) string { return "[redacted]" },
		taken: "token_hash = ?", args: func(r *Enrollment) []any { return []any{r.TokenHash} },
	}},
	check: func(tx *tx, r *Enrollment) error { return tx.organizationExists(r.OrgID) },
}

var databases = &kind[Database]{
	label: "database", table: "databases", id: "id", parent: "project_id",
	idOf: func(r *Database) string { return r.ID }, parentOf: func(r *Database) string { return r.ProjectID },
	columns: []column[Database]{
		plain("id", func(r *Database) *string { return &r.ID }),
		plain("project_id", func(r *Database) *string { return &r.ProjectID }),
		plain("host", func(r *Database) *string { return &r.Host }),
		plain("port", func(r *Database) *int { return &r.Port }),
		plain("name", func(r *Database) *string { return &r.Name }),
		plain("username", func(r *Database) *string { return &r.Username }),
		sealed("databases", "password", func(r *Database) string { return r.ID }, func(r *Database) *secret.Text { return &r.Password }),
		plain("ssl_mode", func(r *Database) *string { return &r.SSLMode }),
		plain("role", func(r *Database) *string { return &r.Role }),
		plain("pool_region", func(r *Database) *string { return &r.PoolRegion }),
		plain("query_timeout_ms", func(r *Database) *int { return &r.QueryTimeoutMs }),
		plain("auto_read_routing", func(r *Database) *bool { return &r.AutoReadRouting }),
		document("cache_config", func(r *Database) *CacheConfig { return &r.Cache }),
		document("pool_config", func(r *Database) *PoolConfig { return &r.Pool }),
		moment("created_at", func(r *Database) *time.Time { return &r.CreatedAt }),
		moment("updated_at", func(r *Database) *time.Time { return &r.UpdatedAt }),
	},
	visible: inLiveProject,
	orders:  byCreation(func(r *Database) *time.Time { return &r.CreatedAt }, func(r *Database) string { return r.ID }),
	check:   func(tx *tx, r *Database) error { return tx.projectExists(r.ProjectID) },
	affects: func(_ *tx, r *Database) ([]string, error) { return []string{r.ProjectID}, nil },
	remove: func(tx *tx, r *Database) error {
		replicas, err := tx.strings("SELECT id FROM replicas WHERE database_id = ?", r.ID)
		if err != nil {
			return err
		}
		for _, id := range replicas {
			if err := tx.ForgetResponses(id); err != nil {
				return err
			}
		}
		_, err = tx.exec("DELETE FROM databases WHERE id = ?", r.ID) // replicas and cache rules follow
		return err
	},
}

var replicas = &kind[Replica]{
	label: "replica", table: "replicas", id: "id", parent: "database_id",
	idOf: func(r *Replica) string { return r.ID }, parentOf: func(r *Replica) string { return r.DatabaseID },
	columns: []column[Replica]{
		plain("id", func(r *Replica) *string { return &r.ID }),
		plain("database_id", func(r *Replica) *string { return &r.DatabaseID }),
		plain("host", func(r *Replica) *string { return &r.Host }),
		plain("port", func(r *Replica) *int { return &r.Port }),
		plain("ssl_mode", func(r *Replica) *string { return &r.SSLMode }),
		moment("created_at", func(r *Replica) *time.Time { return &r.CreatedAt }),
		moment("updated_at", func(r *Replica) *time.Time { return &r.UpdatedAt }),
	},
	visible: `EXISTS (SELECT 1 FROM databases AS d JOIN projects AS live ON live.id = d.project_id
		WHERE d.id = database_id AND live.status <> 'deleted')`,
	orders: byCreation(func(r *Replica) *time.Time { return &r.CreatedAt }, func(r *Replica) string { return r.ID }),
	uniques: []unique[Replica]{{
		field: "host", value: func(r *Replica) string { return r.Host + ":" + strconv.Itoa(r.Port) },
		taken: "database_id = ? AND host = ? AND port = ?",
		args:  func(r *Replica) []any { return []any{r.DatabaseID, r.Host, r.Port} },
	}},
	check: func(tx *tx, r *Replica) error {
		_, err := tx.projectOfDatabase(r.DatabaseID)
		return err
	},
	affects: func(tx *tx, r *Replica) ([]string, error) {
		id, err := tx.projectOfDatabase(r.DatabaseID)
		return []string{id}, err
	},
}

var domains = &kind[Domain]{
	label: "custom domain", table: "domains", id: "id", parent: "project_id",
	idOf: func(r *Domain) string { return r.ID }, parentOf: func(r *Domain) string { return r.ProjectID },
	columns: []column[Domain]{
		plain("id", func(r *Domain) *string { return &r.ID }),
		plain("project_id", func(r *Domain) *string { return &r.ProjectID }),
		plain("domain", func(r *Domain) *string { return &r.Domain }),
		plain("token", func(r *Domain) *string { return &r.Token }),
		maybe("verified_at", func(r *Domain) **time.Time { return &r.VerifiedAt }),
		maybe("tls_cert_expiry", func(r *Domain) **time.Time { return &r.TLSCertExpiry }),
		moment("created_at", func(r *Domain) *time.Time { return &r.CreatedAt }),
		moment("updated_at", func(r *Domain) *time.Time { return &r.UpdatedAt }),
	},
	visible: inLiveProject,
	orders:  byCreation(func(r *Domain) *time.Time { return &r.CreatedAt }, func(r *Domain) string { return r.ID }),
	uniques: []unique[Domain]{{
		field: "domain", value: func(r *Domain) string { return r.Domain },
		taken: "project_id = ? AND domain = ?", args: func(r *Domain) []any { return []any{r.ProjectID, r.Domain} },
	}, {
		field: "domain", value: func(r *Domain) string { return r.Domain },
		taken: "domain = ? AND verified_at IS NOT NULL", args: func(r *Domain) []any { return []any{r.Domain} },
		applies: func(r *Domain) bool { return r.VerifiedAt != nil }, foreign: true,
	}},
	check:   func(tx *tx, r *Domain) error { return tx.projectExists(r.ProjectID) },
	affects: func(_ *tx, r *Domain) ([]string, error) { return []string{r.ProjectID}, nil },
}

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

var webhooks = &kind[Webhook]{
	label: "webhook endpoint", table: "webhooks", id: "id", parent: "project_id",
	idOf: func(r *Webhook) string { return r.ID }, parentOf: func(r *Webhook) string { return r.ProjectID },
	columns: []column[Webhook]{
		plain("id", func(r *Webhook) *string { return &r.ID }),
		plain("project_id", func(r *Webhook) *string { return &r.ProjectID }),
		plain("url", func(r *Webhook) *string { return &r.URL }),
		sealed("webhooks", "secret", func(r *Webhook) string { return r.ID }, func(r *Webhook) *secret.Text { return &r.Secret }),
		plain("format", func(r *Webhook) *string { return &r.Format }),
		document("event_types", func(r *Webhook) *[]string { return &r.EventTypes }),
		plain("enabled", func(r *Webhook) *bool { return &r.Enabled }),
		plain("description", func(r *Webhook) *string { return &r.Description }),
		moment("created_at", func(r *Webhook) *time.Time { return &r.CreatedAt }),
		moment("updated_at", func(r *Webhook) *time.Time { return &r.UpdatedAt }),
	},
	visible: inLiveProject,
	orders:  byCreation(func(r *Webhook) *time.Time { return &r.CreatedAt }, func(r *Webhook) string { return r.ID }),
	uniques: []unique[Webhook]{{
		field: "url", value: func(r *Webhook) string { return r.URL },
		taken: "project_id = ? AND url = ?", args: func(r *Webhook) []any { return []any{r.ProjectID, r.URL} },
	}},
	check:   func(tx *tx, r *Webhook) error { return tx.projectExists(r.ProjectID) },
	affects: func(_ *tx, r *Webhook) ([]string, error) { return []string{r.ProjectID}, nil },
}

var cacheRules = &kind[CacheRule]{
	label: "cache rule", table: "cache_rules", id: "query_hash", parent: "database_id",
	idOf: func(r *CacheRule) string { return r.QueryHash }, parentOf: func(r *CacheRule) string { return r.DatabaseID },
	columns: []column[CacheRule]{
		plain("query_hash", func(r *CacheRule) *string { return &r.QueryHash }),
		plain("database_id", func(r *CacheRule) *string { return &r.DatabaseID }),
		plain("project_id", func(r *CacheRule) *string { return &r.ProjectID }),
		plain("normalized_sql", func(r *CacheRule) *string { return &r.NormalizedSQL }),
		plain("query_type", func(r *CacheRule) *string { return &r.QueryType }),
		plain("cache_enabled", func(r *CacheRule) *bool { return &r.CacheEnabled }),
		plain("cache_ttl_seconds", func(r *CacheRule) **int { return &r.CacheTTLSeconds }),
		plain("cache_swr_seconds", func(r *CacheRule) **int { return &r.CacheSWRSeconds }),
		plain("call_count", func(r *CacheRule) *int64 { return &r.CallCount }),
		plain("avg_latency_ms", func(r *CacheRule) *float64 { return &r.AvgLatencyMs }),
		plain("p95_latency_ms", func(r *CacheRule) *float64 { return &r.P95LatencyMs }),
		plain("avg_response_bytes", func(r *CacheRule) *int64 { return &r.AvgResponseBytes }),
		plain("stability_rate", func(r *CacheRule) *float64 { return &r.StabilityRate }),
		plain("recommendation", func(r *CacheRule) *string { return &r.Recommendation }),
		moment("first_seen_at", func(r *CacheRule) *time.Time { return &r.FirstSeenAt }),
		moment("last_seen_at", func(r *CacheRule) *time.Time { return &r.LastSeenAt }),
	},
	visible: inLiveProject,
	orders: map[string]order[CacheRule]{"": {
		columns: []string{"first_seen_at", "database_id", "query_hash"},
		values:  func(r *CacheRule) []any { return []any{r.FirstSeenAt.UnixMicro(), r.DatabaseID, r.QueryHash} },
	}},
	check: func(tx *tx, r *CacheRule) error {
		project, err := tx.projectOfDatabase(r.DatabaseID)
		if err == nil && project != r.ProjectID {
			err = fmt.Errorf("database %s of project %s: %w", r.DatabaseID, r.ProjectID, ErrNotFound)
		}
		return err
	},
	affects: func(_ *tx, r *CacheRule) ([]string, error) { return []string{r.ProjectID}, nil },
}

func (tx *tx) organizationExists(id string) error {
	return tx.exists("organization", id, "SELECT id FROM organizations WHERE id = ?", id)
}

func (tx *tx) projectExists(id string) error {
	return tx.exists("project", id, "SELECT id FROM projects WHERE id = ? AND status <> 'deleted'", id)
}

func (tx *tx) policyExists(project, id string) error {
	return tx.exists("policy profile", id, "SELECT id FROM policies WHERE id = ? AND project_id = ?", id, project)
}

// exists turns a reference that does not hold into an error that names it.
func (tx *tx) exists(label, id, query string, args ...any) error {
	var found string
	err := tx.row(query, args, &found)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s %s: %w", label, id, ErrNotFound)
	}
	return err
}

func (tx *tx) projectOfDatabase(id string) (project string, err error) {
	err = tx.row("SELECT project_id FROM databases WHERE id = ? AND "+inLiveProject, []any{id}, &project)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("database %s: %w", id, ErrNotFound)
	}
	return project, err
}
