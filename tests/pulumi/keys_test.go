package pulumi

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// newKey issues another key of the organization by command, as an operator does.
func newKey(t *testing.T, beam *harness.Beam) string {
	t.Helper()
	program, err := harness.Build("github.com/pgbeam/pulumi-pgbeam/server/cmd/pgbeam")
	if err != nil {
		t.Fatal(err)
	}
	out := harness.Run(t, harness.Command{Args: []string{program, "keys", "create", "--data", filepath.Join(beam.Dir, "data"), "--org", beam.Org, "--name", t.Name()}})
	key := regexp.MustCompile(`\bpg[bko]_\S+`).FindString(out)
	if key == "" {
		t.Fatalf("pgbeam keys create printed no key:\n%s", out)
	}
	return key
}

// Another API key, from wherever it comes, changes no resource; the old one is
// nowhere, and one from the environment never was in the state.
func TestRotatingTheAPIKeyReplacesNothing(t *testing.T) {
	beam := harness.StartBeam(t, harness.BeamOptions{})
	stack := newStack(t, everything(beam.Org), beam.Env()...)
	stack.Up()
	first, second := beam.Key, newKey(t, beam)
	harness.Secrets{"key of the environment": first}.NotBelow(t, stack.Backend)

	stack.Env = append(stack.Env, "PGBEAM_API_KEY="+second)
	stack.Must("preview", "--expect-no-changes")
	stack.Unchanged()
	harness.Secrets{"first key": first, "second key": second}.NotBelow(t, stack.Backend)

	stack.Env = append(stack.Env, "PGBEAM_API_KEY=")
	stack.Set("!pgbeam:apiKey", first)
	if steps := plan(t, stack); len(steps) != 0 {
		t.Errorf("a key in the configuration is to change %v", steps)
	}
	stack.Up()
	stack.Set("!pgbeam:apiKey", second)
	if steps := plan(t, stack); len(steps) != 0 {
		t.Errorf("another key in the configuration is to change %v", steps)
	}
	stack.Up()
	stack.Unchanged()
	secrets := harness.Secrets{"first key": first, "second key": second}
	secrets.NotBelow(t, stack.Backend)
	secrets.NotBelow(t, stack.Dir) // the configuration file
	stack.Destroy()
	beam.Empty(t)
}

// rotationTriggers brings a new secret to the same credential; the old one is
// refused from then on.
func TestRotationTriggers(t *testing.T) {
	beam, _, program := crashed(t)
	agent := program["AgentCredential"].(map[string]any)["properties"].(map[string]any)
	agent["rotationTriggers"] = map[string]any{"issued": "1"}
	stack := newStack(t, program, beam.Env()...)
	stack.Up()
	before, old := stack.Find("AgentCredential"), credentialURL(t, stack)
	login := func(url string) error {
		conn, err := pgx.Connect(t.Context(), url+"&sslrootcert="+beam.CA)
		if err == nil {
			err = conn.Close(t.Context())
		}
		return err
	}
	if err := login(old); err != nil {
		t.Fatal(err)
	}
	agent["rotationTriggers"] = map[string]any{"issued": "2"}
	yaml(t, stack.Dir, program)
	if steps := plan(t, stack)["AgentCredential"]; len(steps) != 1 || steps[0].Op != "update" {
		t.Errorf("a change of rotationTriggers is planned as %+v", steps)
	}
	stack.Up()
	after, renewed := stack.Find("AgentCredential"), credentialURL(t, stack)
	if after.ID != before.ID || after.Outputs["pgUsername"] != before.Outputs["pgUsername"] {
		t.Errorf("the credential was %s %v and is %s %v", before.ID, before.Outputs["pgUsername"], after.ID, after.Outputs["pgUsername"])
	}
	if renewed == old {
		t.Error("the connection string is the same")
	}
	if err := login(renewed); err != nil {
		t.Errorf("login with the new connection string: %v", err)
	}
	if err := login(old); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("login with the old connection string: %v", err)
	}
	stack.Unchanged()
	harness.Secrets{"old": old, "new": renewed}.NotBelow(t, stack.Backend)
	stack.Destroy()
	beam.Empty(t)
}

// Two stacks of one program live side by side.
func TestTwoStacks(t *testing.T) {
	beam := harness.StartBeam(t, harness.BeamOptions{})
	r := everything(beam.Org)
	delete(r, "SpendLimit") // one for an organization
	for _, name := range []string{"base", "SelfHostEnrollment"} {
		properties := r[name].(map[string]any)["properties"].(map[string]any)
		for _, p := range []string{"name", "regionLabel"} {
			if _, ok := properties[p]; ok {
				properties[p] = name + "-${pulumi.stack}"
			}
		}
	}
	one := newStack(t, r, beam.Env()...)
	two := one.NewStack(t, one.Dir, "two")
	one.Up()
	two.Up()
	if n := len(beam.Projects(t)); n != 2 {
		t.Errorf("the server has %d projects", n)
	}
	one.Unchanged()
	one.Destroy()
	two.Unchanged()
	two.Destroy()
	beam.Empty(t)
}
