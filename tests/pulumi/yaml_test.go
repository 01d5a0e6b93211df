package pulumi

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// resources are those of a YAML program, by name.
type resources map[string]any

// resource is one of this package; options are those of Pulumi.
func resource(kind string, properties map[string]any, options ...map[string]any) map[string]any {
	r := map[string]any{"type": "pgbeam:" + kind, "properties": properties}
	if len(options) > 0 {
		r["options"] = options[0]
	}
	return r
}

func secret(v string) map[string]any { return map[string]any{"fn::secret": v} }

// yaml writes a program into dir.
func yaml(t testing.TB, dir string, r resources) {
	t.Helper()
	text, err := json.MarshalIndent(map[string]any{"name": "program", "runtime": "yaml", "resources": r}, "", "  ") // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// newStack makes a stack of a YAML program of its own.
func newStack(t testing.TB, r resources, env ...string) *harness.Stack {
	t.Helper()
	dir := t.TempDir()
	yaml(t, dir, r)
	return harness.NewPulumi(t, env...).NewStack(t, dir, "test")
}

// everything is one resource of each kind.
func everything(org string) resources {
	r := resources{}
	for i, kind := range []string{"Project", "Database", "Replica", "CustomDomain", "CacheRule", "SpendLimit", "AgentCredential", "PolicyProfile", "WebhookEndpoint", "SelfHostEnrollment"} {
		name := kind
		switch kind {
		case "Project":
			name = "base"
		case "PolicyProfile":
			name = "policy"
		}
		r[name] = resource(kind, inputs(kind, "all-"+kind, i, org))
	}
	return r
}
