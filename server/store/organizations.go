package store

import "time"

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

func (tx *tx) organizationExists(id string) error {
	return tx.exists("organization", id, "SELECT id FROM organizations WHERE id = ?", id)
}
