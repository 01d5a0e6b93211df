package store

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

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

func (tx *tx) projectOfDatabase(id string) (project string, err error) {
	err = tx.row("SELECT project_id FROM databases WHERE id = ? AND "+inLiveProject, []any{id}, &project)
	if errors.Is(err, ErrNotFound) {
		err = fmt.Errorf("database %s: %w", id, ErrNotFound)
	}
	return project, err
}
