package store

import (
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

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
