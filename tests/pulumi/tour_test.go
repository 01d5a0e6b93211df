package pulumi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// The tour in each language: made, made again without change, refreshed
// without drift, used by a real client, destroyed without a trace, and not
// one secret in clear anywhere.
func TestTour(t *testing.T) {
	postgres, err := harness.StartPostgres(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(postgres.Close)
	password := harness.Canary("shop")
	if err := localpg.LoadSample(t.Context(), postgres.Server, password); err != nil {
		t.Fatal(err)
	}
	beam := harness.StartBeam(t, harness.BeamOptions{})
	for _, language := range []string{"yaml", "typescript", "go", "python"} {
		t.Run(language, func(t *testing.T) {
			if language != "yaml" && testing.Short() {
				t.Skip("long: -short asks to leave it out")
			}
			dir := program(t, language)
			pulumi := harness.NewPulumi(t, append(environment(t, language), beam.Env()...)...)
			stack := pulumi.NewStack(t, dir, "tour")
			webhook := harness.Canary("webhook")
			stack.Set("orgId", beam.Org, "databaseHost", postgres.Host, "databasePort", strconv.Itoa(postgres.Port), "!databasePassword", password, "!webhookSecret", webhook)

			verbose := verbosely(language)
			log := &logs{}
			log.add(stack.Must("preview", "--diff"))
			log.add(stack.Up(append([]string{"--diff"}, verbose...)...))
			secrets := harness.Secrets{"database password": password, "webhook secret": webhook, "API key": beam.Key}
			for _, output := range []string{"connectionString", "mcpToken"} {
				secrets[output] = stack.Output(output)
			}
			query(t, stack.Output("connectionString"), beam.CA)
			secrets.NotBelow(t, stack.Backend)

			log.add(stack.Must("up", "--yes", "--expect-no-changes", "--diff"))
			log.add(stack.Must(append([]string{"refresh", "--yes", "--expect-no-changes", "--diff"}, verbose...)...))
			log.add(stack.Must("preview", "--expect-no-changes", "--diff", "--json"))
			if got := stack.Output("connectionString"); got != secrets["connectionString"] {
				t.Error("a refresh changed the connection string")
			}
			secrets.NotBelow(t, stack.Backend)
			log.add(stack.Must("stack", "export"))
			log.add(stack.Destroy(verbose...))
			secrets.NotBelow(t, stack.Backend)
			beam.Empty(t)
			secrets.NotIn(t, "the output of pulumi", []byte(log.String()))
			secrets.NotIn(t, "the server's log", []byte(beam.Log()))
		})
	}
}

// verbosely are the flags that show all that a provider has any part in. From
// one level further on the engine itself writes down every property of every
// provider, and from much earlier on Pulumi's Node SDK does.
func verbosely(language string) []string {
	if language == "typescript" {
		return []string{"--logtostderr", "-v=2"}
	}
	return []string{"--debug", "--logtostderr", "-v=8"}
}

type logs struct{ strings.Builder }

func (l *logs) add(r harness.Result) { l.WriteString(r.Both()) }

// query does with the connection string what a person does first.
func query(t *testing.T, connectionString, ca string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), connectionString+"&sslrootcert="+ca)
	if err != nil {
		t.Fatalf("connect with the connection string of the tour: %v", err)
	}
	defer conn.Close(context.Background())
	var n int
	if err := conn.QueryRow(t.Context(), "select count(*) from customers").Scan(&n); err != nil || n != 240 {
		t.Fatalf("the tour's agent sees %d customers, %v", n, err)
	}
	var email, phone string
	err = conn.QueryRow(t.Context(), "select email, phone from customers where id = 1", pgx.QueryExecModeSimpleProtocol).Scan(&email, &phone)
	if err != nil || len(email) != 64 || phone != "[redacted]" {
		t.Errorf("the tour's agent reads %q and %q, %v", email, phone, err)
	}
	var refused *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "update customers set phone = null where id = 1"); !errors.As(err, &refused) || refused.Code != "42501" {
		t.Errorf("the tour's agent writes: %v", err)
	}
}

// program copies an example to a folder of its own, with its SDK from this
// tree, and installs what it needs.
func program(t *testing.T, language string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "program")
	from := filepath.Join(harness.Root(), "examples", language)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		switch {
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "venv" || d.Name() == "bin" || d.Name() == "__pycache__"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o755)
		case strings.HasPrefix(d.Name(), "Pulumi.") && d.Name() != "Pulumi.yaml":
			return nil // the configuration of somebody's stack
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text = []byte(strings.ReplaceAll(string(text), "../../sdk", filepath.Join(harness.Root(), "sdk")))
		return os.WriteFile(filepath.Join(dir, rel), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	install(t, language, dir)
	return dir
}

func install(t *testing.T, language, dir string) {
	t.Helper()
	switch language {
	case "typescript":
		sdk := nodeSDK(t)
		replaceOnce(t, filepath.Join(dir, "package.json"), `"@pgbeam/pulumi": "file:`+filepath.Join(harness.Root(), "sdk", "nodejs")+`"`, `"@pgbeam/pulumi": "file:`+sdk+`"`)
		harness.Run(t, harness.Command{Dir: dir, Args: []string{harness.Program(t, "npm", "Node.js"), "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"}})
	case "python":
		python := harness.Program(t, "python3", "Python 3.9 or newer with venv")
		harness.Run(t, harness.Command{Dir: dir, Args: []string{python, "-m", "venv", "venv"}})
		// Activated, because the host that can be built from a Go module does not
		// read the virtualenv option.
		venv := filepath.Join(dir, "venv")
		t.Setenv("VIRTUAL_ENV", venv)
		t.Setenv("PATH", filepath.Join(venv, "bin")+string(filepath.ListSeparator)+os.Getenv("PATH"))
		harness.Run(t, harness.Command{Dir: dir, Args: []string{"pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt"}})
	}
}

// environment is what a language's programs run with.
func environment(_ *testing.T, language string) []string {
	switch language {
	case "go":
		return []string{"GOFLAGS=-buildvcs=false"}
	case "python":
		return []string{"PYTHONDONTWRITEBYTECODE=1"}
	}
	return nil
}

// nodeSDK compiles the Node SDK in a copy, so that nothing is left in the
// tree, and returns the package file, which installs as a published one does.
func nodeSDK(t *testing.T) string {
	t.Helper()
	from, dir := filepath.Join(harness.Root(), "sdk", "nodejs"), t.TempDir()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == "node_modules" || rel == "bin"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	npm := harness.Program(t, "npm", "Node.js")
	harness.Run(t, harness.Command{Dir: dir, Args: []string{npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"}})
	packed := strings.TrimSpace(harness.Run(t, harness.Command{Dir: dir, Args: []string{npm, "pack", "--ignore-scripts", "--silent"}}))
	return filepath.Join(dir, packed)
}

func replaceOnce(t *testing.T, file, old, new string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), old) != 1 {
		t.Fatal(fmt.Errorf("%s does not have %q once", file, old))
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}
