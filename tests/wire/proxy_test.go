package wire

import (
	"context"
	"net/http"
	"net/url"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

var (
	beam        *harness.Beam
	projectPath string // in the API
	policyID    string
)

// makeProject puts the database behind the proxy and makes the two ways in.
func makeProject(ctx context.Context) error {
	made, err := beam.Try(ctx, http.MethodPost, "/v1/projects", map[string]any{
		"name": "wire", "org_id": beam.Org,
		"database": map[string]any{
			"host": postgres.Host, "port": postgres.Port, "name": postgres.Database, "username": postgres.Username, "password": postgres.AppPassword, "ssl_mode": "disable",
			"pool_config": map[string]any{"pool_mode": "session", "pool_size": 100, "min_pool_size": 1, "max_active": 200},
		},
	})
	if err != nil {
		return err
	}
	projectPath = "/v1/projects/" + made["project"].(map[string]any)["id"].(string)
	policy, err := beam.Try(ctx, http.MethodPost, projectPath+"/policies", map[string]any{"name": "unrestricted", "access_mode": "read_write"})
	if err != nil {
		return err
	}
	policyID = policy["id"].(string)
	agent, err := beam.Try(ctx, http.MethodPost, projectPath+"/agents", map[string]any{"name": "oracle", "policy_profile_id": policyID})
	if err != nil {
		return err
	}
	u := beam.Verified(agent["connection_string"].(string))
	issued = target{name: "issued", url: u.String(), ca: beam.CA}
	u.User = url.UserPassword(postgres.Username, postgres.AppPassword)
	passthrough = target{name: "passthrough", url: u.String(), ca: beam.CA}
	proxied = []target{passthrough, issued}
	everywhere = append([]target{direct}, proxied...)
	return nil
}
