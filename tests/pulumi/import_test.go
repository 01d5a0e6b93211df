package pulumi

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// Every resource can be imported by its plain id, where it has one, and by the
// id that names its parents; the program that pulumi writes for it previews
// without change, once what the API never tells is filled in.
func TestImport(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	beam := harness.StartBeam(t, harness.BeamOptions{})
	made := newStack(t, everything(beam.Org), beam.Env()...)
	made.Up()
	for _, r := range made.State() {
		kind := strings.TrimPrefix(r.Type, "pgbeam:index:")
		text := func(name string) string { s, _ := r.Outputs[name].(string); return s }
		ids := map[string]string{"plain": r.ID}
		switch kind {
		case "Database", "CustomDomain", "AgentCredential", "PolicyProfile", "WebhookEndpoint":
			ids["with its project"] = text("projectId") + "/" + r.ID
		case "Replica":
			ids["with its database"] = text("databaseId") + "/" + r.ID
		case "SelfHostEnrollment":
			ids["with its organization"] = text("orgId") + "/" + r.ID
		}
		for how, id := range ids {
			t.Run(kind+"/"+how, func(t *testing.T) {
				dir := t.TempDir()
				yaml(t, dir, resources{})
				stack := harness.NewPulumi(t, beam.Env()...).NewStack(t, dir, "import")
				out := filepath.Join(dir, "imported.yaml")
				stack.Must("import", r.Type, "imported", id, "--yes", "--skip-preview", "--protect=false", "--out", out)
				text, err := os.ReadFile(out)
				if err != nil {
					t.Fatal(err)
				}
				program := "name: program\nruntime: yaml\n" + string(text)
				if kind == "Database" || kind == "Project" {
					program = fillPassword(t, program)
				}
				if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte(program), 0o600); err != nil {
					t.Fatal(err)
				}
				stack.Must("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--diff")
				if kind == "Database" || kind == "Project" {
					// The one change is the password, which nobody can read back.
					steps := plan(t, stack)["imported"]
					if len(steps) != 1 || steps[0].Op != "update" {
						t.Fatalf("planned %+v, want an update of the password alone\n%s", steps, program)
					}
					for path := range steps[0].DetailedDiff {
						if !strings.HasSuffix(path, "password") {
							t.Errorf("%s differs after the import\n%s", path, program)
						}
					}
					stack.Up()
				}
				stack.Must("preview", "--expect-no-changes", "--diff")
				for _, s := range []string{"connectionString", "mcpToken", "token"} {
					if v, there := stack.Find("imported").Outputs[s]; there && kind != "Database" && v != nil && v != "" {
						t.Errorf("the import made up a %s: %v", s, v)
					}
				}
			})
		}
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

// fillPassword gives the generated program the password that it lacks.
func fillPassword(t *testing.T, program string) string {
	t.Helper()
	lines := strings.Split(program, "\n")
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(trimmed)]
		if strings.HasPrefix(trimmed, "password:") {
			lines[i] = indent + "password: {fn::secret: canary-database-plain}"
			return strings.Join(lines, "\n")
		}
	}
	for i, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(trimmed)]
		if strings.HasPrefix(trimmed, "host:") {
			lines[i] = line + "\n" + indent + "password: {fn::secret: canary-database-plain}"
			return strings.Join(lines, "\n")
		}
	}
	t.Fatal(fmt.Errorf("the imported program has no host to stand beside:\n%s", program))
	return ""
}
