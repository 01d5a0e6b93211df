package property

import (
	"context"
	"net/http"
	"net/url"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// world is the two databases of a server and the proxy before one of them.
type world struct {
	postgres *harness.Postgres
	beam     *harness.Beam
	project  string  // path in the API
	truth    *client // straight to the database that the proxy protects
	hand     *client // to the one in which the policy was carried out by hand
}

func newWorld(ctx context.Context) (_ *world, err error) {
	w := &world{}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	relations = append(relations, drawViews(*seed)...)
	if w.postgres, err = harness.StartPostgres(ctx, types+create("")); err != nil {
		return nil, err
	}
	admin, err := connect(ctx, w.postgres.Server.URL("postgres"))
	if err != nil {
		return nil, err
	}
	defer admin.Close(ctx)
	for _, sql := range []string{"CREATE DATABASE byhand OWNER app", "ALTER DATABASE byhand SET pgbeam.principal_type = 'agent'",
		"ALTER ROLE app IN DATABASE byhand SET search_path = public"} {
		if _, err := admin.must(sql); err != nil {
			return nil, err
		}
	}
	if w.truth, err = connect(ctx, w.postgres.AppURL()); err != nil {
		return nil, err
	}
	if _, err := w.truth.must("SET pgbeam.principal_type = 'agent'"); err != nil {
		return nil, err
	}
	if err := w.learnBases(); err != nil {
		return nil, err
	}
	u, err := url.Parse(w.postgres.AppURL())
	if err != nil {
		return nil, err
	}
	u.Path = "/byhand"
	if w.hand, err = connect(ctx, u.String()); err != nil {
		return nil, err
	}
	if _, err := w.hand.must(types + create("whole") + "CREATE SCHEMA crm"); err != nil {
		return nil, err
	}
	if w.beam, err = harness.Start(ctx, harness.BeamOptions{LogLevel: "warn"}); err != nil {
		return nil, err
	}
	made, err := w.beam.Try(ctx, http.MethodPost, "/v1/projects", map[string]any{
		"name": "property", "org_id": w.beam.Org,
		"database": map[string]any{
			"host": w.postgres.Host, "port": w.postgres.Port, "name": w.postgres.Database,
			"username": w.postgres.Username, "password": w.postgres.AppPassword, "ssl_mode": "disable",
		},
	})
	if err != nil {
		return nil, err
	}
	w.project = "/v1/projects/" + made["project"].(map[string]any)["id"].(string)
	return w, nil
}

func (w *world) close() {
	for _, c := range []*client{w.truth, w.hand} {
		if c != nil && c.PgConn != nil {
			_ = c.Close(context.Background())
		}
	}
	if w.beam != nil {
		w.beam.Close()
	}
	if w.postgres != nil {
		w.postgres.Close()
	}
}
