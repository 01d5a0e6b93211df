// Package ordinary tests that a policy stays out of the way: what people,
// drivers and tools do all day gives, under a read-only policy with a mask and
// a row filter, what it gives without PgBeam.
package ordinary

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// target is a way to reach a database of these tests.
type target struct {
	name string
	url  string
}

var (
	postgres *harness.Postgres
	beam     *harness.Beam
	direct   target // PostgreSQL itself, as the owner of the database
	project  string // path of the one behind the proxy
)

func TestMain(m *testing.M) { harness.Main(func() (int, error) { return run(m) }) }

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	var scripts []string
	for _, name := range []string{"tpch.sql", "objects.sql"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			return 0, err
		}
		scripts = append(scripts, string(text))
	}
	var err error
	if postgres, err = harness.StartPostgres(ctx, scripts...); err != nil {
		return 0, err
	}
	defer postgres.Close()
	direct = target{name: "direct", url: postgres.AppURL()}
	if err := prepare(ctx); err != nil {
		return 0, err
	}
	if beam, err = harness.Start(ctx, harness.BeamOptions{LogLevel: "info"}); err != nil {
		return 0, err
	}
	defer beam.Close()
	if err := makeProject(ctx); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// prepare makes what only a superuser may, and for every policy the database
// in which its rules were applied by hand.
func prepare(ctx context.Context) error {
	admin, err := pgx.Connect(ctx, postgres.Server.URL("postgres"))
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	for _, p := range policies {
		if _, err := admin.Exec(ctx, "create database "+p.byHand()+" template app owner app"); err != nil {
			return err
		}
		if err := script(ctx, postgres.Server.URL(p.byHand()), p.applied); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(filepath.Join("testdata", "superuser.sql"))
	if err != nil {
		return err
	}
	return script(ctx, postgres.Server.URL(postgres.Database), string(text))
}

func script(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// makeProject puts the database behind the proxy, with the pool that a database
// has when nobody says otherwise (transaction mode), and makes a credential
// for every policy.
func makeProject(ctx context.Context) error {
	made, err := beam.Try(ctx, http.MethodPost, "/v1/projects", map[string]any{
		"name": "ordinary", "org_id": beam.Org,
		"database": map[string]any{
			"host": postgres.Host, "port": postgres.Port, "name": postgres.Database, "username": postgres.Username, "password": postgres.AppPassword, "ssl_mode": "disable",
		},
	})
	if err != nil {
		return err
	}
	project = "/v1/projects/" + made["project"].(map[string]any)["id"].(string)
	for _, p := range append([]*profile{accounts}, policies...) {
		body := map[string]any{"name": p.name, "access_mode": "read_only"}
		for k, v := range p.rules {
			body[k] = v
		}
		if p.at, _, err = held(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

// held makes a policy, and a credential that is held to it.
func held(ctx context.Context, policy map[string]any) (at target, id string, err error) {
	saved, err := beam.Try(ctx, http.MethodPost, project+"/policies", policy)
	if err != nil {
		return target{}, "", err
	}
	id, name := saved["id"].(string), policy["name"].(string)
	agent, err := beam.Try(ctx, http.MethodPost, project+"/agents", map[string]any{"name": name, "policy_profile_id": id})
	if err != nil {
		return target{}, "", err
	}
	return target{name: name, url: beam.Verified(agent["connection_string"].(string)).String()}, id, nil
}
