package pulumi

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// fetch returns what the API has for a resource of the state; a project comes
// with its primary database, as programs write it.
func fetch(t testing.TB, beam *harness.Beam, r harness.Resource) map[string]any {
	t.Helper()
	text := func(name string) string { s, _ := r.Outputs[name].(string); return s }
	project := "/v1/projects/" + text("projectId")
	switch r.Type {
	case "pgbeam:index:Project":
		p := beam.Get(t, "/v1/projects/"+r.ID)
		p["database"] = beam.Get(t, "/v1/projects/"+r.ID+"/databases/"+text("primaryDatabaseId"))
		return p
	case "pgbeam:index:Database":
		return beam.Get(t, project+"/databases/"+r.ID)
	case "pgbeam:index:Replica":
		return beam.Item(t, "/v1/databases/"+text("databaseId")+"/replicas", "replicas", "id", r.ID)
	case "pgbeam:index:CustomDomain":
		return beam.Item(t, project+"/domains", "domains", "id", r.ID)
	case "pgbeam:index:CacheRule":
		rule := beam.Item(t, project+"/databases/"+text("databaseId")+"/cache-rules", "entries", "query_hash", text("queryHash"))
		rule["database_id"] = text("databaseId") // the path, not the body, tells it
		return rule
	case "pgbeam:index:SpendLimit":
		return beam.Get(t, "/v1/organizations/"+r.ID+"/plan")
	case "pgbeam:index:AgentCredential":
		return beam.Get(t, project+"/agents/"+r.ID)
	case "pgbeam:index:PolicyProfile":
		return beam.Get(t, project+"/policies/"+r.ID)
	case "pgbeam:index:WebhookEndpoint":
		return beam.Get(t, project+"/webhooks/"+r.ID)
	case "pgbeam:index:SelfHostEnrollment":
		return beam.Item(t, "/v1/organizations/"+text("orgId")+"/self-host-enrollments", "enrollments", "id", r.ID)
	}
	t.Fatalf("no path for %s", r.Type)
	return nil
}
