// Package policy holds policies to their word, from outside: each case is a
// policy profile and a statement, run through the proxy with a credential of
// that profile. It states what is decided, by which rule, and every row, tag
// and error that comes back; and whatever comes back is searched for the
// values that the profile hides.
package policy

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

var (
	postgres    *harness.Postgres
	beam        *harness.Beam
	projectPath string // in the API
	admin       *pgx.Conn
	pristine    string // fingerprint of the fixture as every case finds it
)

func TestMain(m *testing.M) { harness.Main(func() (int, error) { return run(m) }) }

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	var err error
	if postgres, err = harness.StartPostgres(ctx, schema, viewSchema, seed, filled); err != nil {
		return 0, err
	}
	defer postgres.Close()
	if admin, err = pgx.Connect(ctx, postgres.AppURL()); err != nil {
		return 0, err
	}
	defer admin.Close(ctx)
	if pristine, err = scalar(ctx, fingerprint()); err != nil {
		return 0, err
	}
	if beam, err = harness.Start(ctx, harness.BeamOptions{LogLevel: "info"}); err != nil {
		return 0, err
	}
	defer beam.Close()
	made, err := beam.Try(ctx, http.MethodPost, "/v1/projects", map[string]any{
		"name": "policies", "org_id": beam.Org,
		"database": map[string]any{
			"host": postgres.Host, "port": postgres.Port, "name": postgres.Database, "username": postgres.Username, "password": postgres.AppPassword, "ssl_mode": "disable",
			"pool_config": map[string]any{"pool_mode": "session", "pool_size": 100, "min_pool_size": 1, "max_active": 250},
		},
	})
	if err != nil {
		return 0, err
	}
	projectPath = "/v1/projects/" + made["project"].(map[string]any)["id"].(string)
	code := m.Run()
	if at := strings.Index(beam.Log(), "mark-"); at >= 0 {
		return 0, fmt.Errorf("the log of the server holds a value of the database: %.200q", beam.Log()[max(0, at-100):])
	}
	return code, nil
}

// scalar asks PostgreSQL itself for one text.
func scalar(ctx context.Context, sql string) (text string, err error) {
	err = admin.QueryRow(ctx, sql, pgx.QueryExecModeSimpleProtocol).Scan(&text)
	return text, err
}

// restore gives the fixture back its rows.
func restore(t testing.TB) {
	t.Helper()
	if _, err := admin.Exec(t.Context(), seed, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("restore the fixture: %v", err)
	}
	if !unchanged(t) {
		t.Fatal("a case has changed what only its undo can restore")
	}
}

func unchanged(t testing.TB) bool {
	t.Helper()
	now, err := scalar(t.Context(), fingerprint())
	if err != nil {
		t.Fatalf("fingerprint of the fixture: %v", err)
	}
	return now == pristine
}
