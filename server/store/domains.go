package store

import "time"

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
