package pulumi

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// Every resource can be imported by its plain id and, where it has a parent,
// by the id that names that too; the program that pulumi writes for them
// previews without change, once what the API never tells is filled in.
func TestImport(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	beam := harness.StartBeam(t, harness.BeamOptions{})
	program := everything(beam.Org)
	for name, more := range map[string]map[string]any{
		"base":               {"description": "as made", "tags": []any{"a"}, "allowedCidrs": []any{map[string]any{"cidr": "10.0.0.0/8", "label": "office"}}, "residency": "eu", "cloud": "gcp"},
		"Database":           {"queryTimeoutMs": 5000, "autoReadRouting": true, "poolRegion": "eu-west-1", "cacheConfig": wholes["cacheConfig"], "poolConfig": wholes["poolConfig"]},
		"CacheRule":          {"cacheSwrSeconds": 0},
		"AgentCredential":    {"status": "disabled", "principalType": "human", "expiresAt": future},
		"policy":             {"accessMode": "read_write", "statementRules": map[string]any{"deny": []any{"ddl"}}, "tableDenylist": []any{"public.secrets"}, "maskingRules": mask("public.users", "email", "hash"), "rowFilters": filter("public.users", "tenant = 1"), "maxRows": 5, "writeMode": "rollback", "egressBytesPerDay": 5_000_000_000},
		"WebhookEndpoint":    {"format": "datadog", "eventTypes": []any{"query_blocked"}, "enabled": false, "description": "as made", "secret": secret("canary-of-the-webhook")},
		"SelfHostEnrollment": {"description": "as made", "expiresAt": future},
	} {
		maps.Copy(program[name].(map[string]any)["properties"].(map[string]any), more)
	}
	made := newStack(t, program, beam.Env()...)
	made.Up()
	plain, composite := []any{}, []any{}
	for _, r := range made.State() {
		text := func(name string) string { s, _ := r.Outputs[name].(string); return s }
		id := r.ID
		switch strings.TrimPrefix(r.Type, "pgbeam:index:") {
		case "Database", "CustomDomain", "AgentCredential", "PolicyProfile", "WebhookEndpoint":
			id = text("projectId") + "/" + r.ID
		case "Replica":
			id = text("databaseId") + "/" + r.ID
		case "SelfHostEnrollment":
			id = text("orgId") + "/" + r.ID
		}
		plain = append(plain, map[string]any{"type": r.Type, "name": r.Name(), "id": r.ID})
		composite = append(composite, map[string]any{"type": r.Type, "name": r.Name(), "id": id})
	}
	for how, list := range map[string][]any{"plain ids": plain, "ids with their parents": composite} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			yaml(t, dir, resources{})
			stack := harness.NewPulumi(t, beam.Env()...).NewStack(t, dir, "import")
			file, out := filepath.Join(dir, "list.json"), filepath.Join(dir, "imported.yaml")
			text, err := json.Marshal(map[string]any{"resources": list})
			if err == nil {
				err = os.WriteFile(file, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			stack.Must("import", "--file", file, "--yes", "--skip-preview", "--protect=false", "--out", out)
			if text, err = os.ReadFile(out); err != nil {
				t.Fatal(err)
			}
			// The password is what nobody can read back; pulumi writes the program
			// without it, or with an empty one.
			text = []byte(fillPasswords(string(text)))
			program := "name: program\nruntime: yaml\n" + string(text)
			if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte(program), 0o600); err != nil {
				t.Fatal(err)
			}
			stack.Must("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--diff")
			for name, steps := range plan(t, stack) {
				if name != "base" && name != "Database" || len(steps) != 1 || steps[0].Op != "update" {
					t.Errorf("%s: planned %+v\n%s", name, steps, program)
					continue
				}
				for path := range steps[0].DetailedDiff {
					if !strings.HasSuffix(path, "password") {
						t.Errorf("%s: %s differs after the import\n%s", name, path, program)
					}
				}
			}
			stack.Up()
			stack.Unchanged()
			for _, r := range made.State() {
				if missing := without(r.Inputs, stack.Find(r.Name()).Inputs); len(missing) > 0 {
					t.Errorf("the import of %s does not fill %v", r.Name(), missing)
				}
			}
			for _, r := range stack.State() {
				for _, s := range []string{"mcpToken", "token"} {
					if v, there := r.Outputs[s]; there && v != nil && v != "" {
						t.Errorf("the import of %s made up a %s: %v", r.Name(), s, v)
					}
				}
			}
		})
	}
	// A missing object must not pass for one without properties.
	t.Run("what does not exist", func(t *testing.T) {
		dir := t.TempDir()
		yaml(t, dir, resources{})
		stack := harness.NewPulumi(t, beam.Env()...).NewStack(t, dir, "import")
		r := stack.Try("import", "pgbeam:index:Project", "imported", "prj_00000000000000000000000000", "--yes", "--skip-preview")
		if r.Err == nil || !strings.Contains(r.Both(), "'prj_00000000000000000000000000' does not exist") {
			t.Errorf("importing a project that is not there: %v\n%s", r.Err, r.Both())
		}
	})
	t.Run("get of what does not exist", func(t *testing.T) {
		dir := t.TempDir()
		yaml(t, dir, resources{"got": map[string]any{"type": "pgbeam:Project", "get": map[string]any{"id": "prj_00000000000000000000000000"}}})
		r := harness.NewPulumi(t, beam.Env()...).NewStack(t, dir, "get").Try("preview")
		if r.Err == nil || !strings.Contains(r.Both(), "'prj_00000000000000000000000000' does not exist") {
			t.Errorf("a program that gets a project that is not there: %v\n%s", r.Err, r.Both())
		}
	})
	made.Destroy()
	beam.Empty(t)
}

// without lists what of the inputs of a program an import lacks. Secrets are
// left out: the API does not tell them.
func without(made, imported map[string]any) []string {
	var missing []string
	for name, want := range made {
		inner, nested := want.(map[string]any)
		got, _ := imported[name].(map[string]any)
		switch {
		case name == "password" || name == "secret":
		case nested:
			missing = append(missing, without(inner, got)...)
		case !same(want, imported[name]):
			missing = append(missing, name)
		}
	}
	return missing
}

// fillPasswords gives a generated program the passwords that it lacks.
func fillPasswords(program string) string {
	var out []string
	for line := range strings.SplitSeq(program, "\n") {
		field := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(field)]
		switch {
		case strings.HasPrefix(field, "password:"):
			continue
		case strings.HasPrefix(field, "username:"): // of databases only
			out = append(out, indent+"password: {fn::secret: canary-database-plain}")
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
