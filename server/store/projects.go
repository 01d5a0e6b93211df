package store

import "time"

// reportedWithin is how long a proxy's report of its connections counts.
const reportedWithin = time.Minute

var projects = &kind[Project]{
	label: "project", table: "projects", id: "id", parent: "org_id",
	idOf: func(r *Project) string { return r.ID }, parentOf: func(r *Project) string { return r.OrgID },
	columns: []column[Project]{
		plain("id", func(r *Project) *string { return &r.ID }),
		plain("org_id", func(r *Project) *string { return &r.OrgID }),
		plain("name", func(r *Project) *string { return &r.Name }),
		plain("description", func(r *Project) *string { return &r.Description }),
		document("tags", func(r *Project) *[]string { return &r.Tags }),
		plain("cloud", func(r *Project) *string { return &r.Cloud }),
		plain("self_hosted", func(r *Project) *bool { return &r.SelfHosted }),
		plain("subdomain", func(r *Project) *string { return &r.Subdomain }),
		document("allowed_cidrs", func(r *Project) *[]AllowedCIDR { return &r.AllowedCIDRs }),
		plain("default_policy_id", func(r *Project) *string { return &r.DefaultPolicyID }),
		plain("residency", func(r *Project) *string { return &r.Residency }),
		plain("agents_disabled", func(r *Project) *bool { return &r.AgentsDisabled }),
		plain("status", func(r *Project) *string { return &r.Status }),
		plain("queries_per_second", func(r *Project) *int32 { return &r.QueriesPerSecond }),
		plain("burst_size", func(r *Project) *int32 { return &r.BurstSize }),
		plain("max_connections", func(r *Project) *int32 { return &r.MaxConnections }),
		moment("created_at", func(r *Project) *time.Time { return &r.CreatedAt }),
		moment("updated_at", func(r *Project) *time.Time { return &r.UpdatedAt }),
	},
	computed: []column[Project]{
		plain("revision", func(r *Project) *int64 { return &r.Revision }),
		plain("database_count", func(r *Project) *int { return &r.DatabaseCount }),
		plain("active_connections", func(r *Project) *int { return &r.ActiveConnections }),
	},
	view: `(SELECT p.*,
		(SELECT count(*) FROM databases AS d WHERE d.project_id = p.id) AS database_count,
		(SELECT coalesce(sum(c.connections), 0) FROM connection_reports AS c WHERE c.project_id = p.id AND c.reported_at > ?) AS active_connections
		FROM projects AS p) AS projects`,
	viewArgs: func(tx *tx) []any { return []any{tx.now().Add(-reportedWithin).UnixMicro()} },
	visible:  "status <> 'deleted'",
	orders: map[string]order[Project]{
		"":           projectsByCreation,
		"created_at": projectsByCreation,
		"name": {
			columns: []string{"name", "id"},
			values:  func(r *Project) []any { return []any{r.Name, r.ID} },
		},
		"active_connections": {
			columns: []string{"active_connections", "id"}, descending: true, // the busiest first
			values: func(r *Project) []any { return []any{r.ActiveConnections, r.ID} },
		},
	},
	uniques: []unique[Project]{{
		field: "name", value: func(r *Project) string { return r.Name },
		taken:   "org_id = ? AND name = ? AND status <> 'deleted'",
		args:    func(r *Project) []any { return []any{r.OrgID, r.Name} },
		applies: func(r *Project) bool { return r.Status != "deleted" },
	}, {
		field: "subdomain", value: func(r *Project) string { return r.Subdomain },
		taken: "subdomain = ?", args: func(r *Project) []any { return []any{r.Subdomain} }, foreign: true,
	}},
	check: func(tx *tx, r *Project) error {
		if err := tx.organizationExists(r.OrgID); err != nil {
			return err
		}
		if r.DefaultPolicyID == "" {
			return nil
		}
		return tx.policyExists(r.ID, r.DefaultPolicyID)
	},
	written: func(tx *tx, r *Project) error {
		if r.Status != "deleted" {
			return nil
		}
		return tx.buryProject(r)
	},
	affects: func(_ *tx, r *Project) ([]string, error) { return []string{r.ID}, nil },
	remove: func(tx *tx, r *Project) error {
		if _, err := tx.exec("UPDATE projects SET status = 'deleted', updated_at = ? WHERE id = ?", tx.now().UnixMicro(), r.ID); err != nil {
			return err
		}
		return tx.buryProject(r)
	},
}

var projectsByCreation = order[Project]{
	columns: []string{"created_at", "id"},
	values:  func(r *Project) []any { return []any{r.CreatedAt.UnixMicro(), r.ID} },
}

// buryProject ends what a deleted project's parts would still do to the world
// outside: credentials stop, host names are free again, and no kept response
// brings back something that is gone. The rows stay for the record.
func (tx *tx) buryProject(r *Project) error {
	for _, statement := range []string{
		"UPDATE credentials SET status = 'revoked' WHERE project_id = ?",
		`DELETE FROM idempotent_responses WHERE resource_id IN (
			SELECT CAST(? AS TEXT)
			UNION ALL SELECT id FROM databases WHERE project_id = ?
			UNION ALL SELECT r.id FROM replicas AS r JOIN databases AS d ON d.id = r.database_id WHERE d.project_id = ?
			UNION ALL SELECT id FROM domains WHERE project_id = ?
			UNION ALL SELECT id FROM policies WHERE project_id = ?
			UNION ALL SELECT id FROM credentials WHERE project_id = ?
			UNION ALL SELECT id FROM webhooks WHERE project_id = ?)`,
		"DELETE FROM domains WHERE project_id = ?",
		"DELETE FROM connection_reports WHERE project_id = ?",
	} {
		args := make([]any, countMarks(statement))
		for i := range args {
			args[i] = r.ID
		}
		if _, err := tx.exec(statement, args...); err != nil {
			return err
		}
	}
	return nil
}

// inLiveProject is the condition of records that belong to a project.
const inLiveProject = "EXISTS (SELECT 1 FROM projects AS live WHERE live.id = project_id AND live.status <> 'deleted')"

func (tx *tx) projectExists(id string) error {
	return tx.exists("project", id, "SELECT id FROM projects WHERE id = ? AND status <> 'deleted'", id)
}
