package main

import (
	"context"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
)

// serveUntilReady starts "pgbeam serve" and returns what it printed.
func serveUntilReady(t *testing.T, args ...string) (*process, string) {
	t.Helper()
	p := start(t, append([]string{"serve"}, args...)...)
	var text strings.Builder
	for {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("%v: %s", err, p.stderr.String())
		}
		text.WriteString(line)
		if strings.HasPrefix(strings.TrimSpace(line), "Store") {
			return p, text.String()
		}
	}
}

// cluster is what processes share: nothing but a PostgreSQL and the encryption
// keys.
type cluster struct {
	pg     *localpg.Server // the store, and the database behind the proxies
	shared []string        // arguments of every process
	key    string          // of organization org_acme
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	data := dataFolder(t)
	pg, err := localpg.Start(t.Context(), localpg.Options{Dir: filepath.Join(data, "postgres"), Password: "canary-store-password"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := localpg.LoadSample(t.Context(), pg, "canary-app-password"); err != nil {
		t.Fatal(err)
	}
	admin := connect(t, pg.URL("postgres"))
	if _, err := admin.Exec(t.Context(), "create database store"); err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(data, "shared-keys.json")
	if status, _, stderr := runs(t, nil, "secrets", "rotate", "--key-file", keys); status != 0 {
		t.Fatal(stderr)
	}
	shared := []string{"--store", pg.URL("store"), "--key-file", keys, "--data", data}
	if status, stdout, stderr := runs(t, nil, append([]string{"migrate"}, shared...)...); status != 0 || strings.Contains(stdout, "canary") {
		t.Fatalf("migrate: %d, %s%s", status, stdout, stderr)
	}
	status, stdout, stderr := runs(t, nil, append([]string{"keys", "create", "--org", "org_acme"}, shared...)...)
	if status != 0 {
		t.Fatal(stderr)
	}
	return &cluster{pg: pg, shared: shared, key: regexp.MustCompile(`pgb_\w+`).FindString(stdout)}
}

// proxy starts a process that is a proxy, and returns its port.
func (c *cluster) proxy(t *testing.T) (p *process, port string) {
	t.Helper()
	p, said := serveUntilReady(t, append([]string{"--roles", "proxy", "--listen", "127.0.0.1:0", "--self-signed"}, c.shared...)...)
	found := regexp.MustCompile(`as localhost:(\d+)`).FindStringSubmatch(said)
	if found == nil || strings.Contains(said, "canary") {
		t.Fatalf("the proxy says:\n%s", said)
	}
	return p, found[1]
}

// api starts a process that serves the API and names a proxy's port to clients.
func (c *cluster) api(t *testing.T, port string) (*process, ready) {
	t.Helper()
	p, said := serveUntilReady(t, append([]string{"--roles", "api", "--api", "127.0.0.1:0", "--public-host", "localhost", "--public-port", port}, c.shared...)...)
	return p, ready{
		APIURL: regexp.MustCompile(`http://\S+`).FindString(said), APIKey: c.key, OrgID: "org_acme",
		Postgres: &samplePostgres{c.pg.Host, c.pg.Port, localpg.SampleDatabase, localpg.SampleUser, "canary-app-password"},
	}
}

// One process serves the API, another is the proxy: what the one is told, the
// other does.
func TestAPIAndProxyInTwoProcesses(t *testing.T) {
	c := newCluster(t)
	proxy, port := c.proxy(t)
	api, r := c.api(t, port)
	session := connect(t, agent(t, r))
	var n int
	if err := session.QueryRow(t.Context(), "select count(*) from customers").Scan(&n); err != nil || n != 240 {
		t.Fatalf("through the other process: %d, %v", n, err)
	}

	var projects struct {
		Projects []struct {
			ID string `json:"id"`
		} `json:"projects"`
	}
	call(t, http.MethodGet, r.APIURL+"/v1/projects?org_id=org_acme", c.key, nil, &projects)
	if len(projects.Projects) != 1 {
		t.Fatalf("%d projects", len(projects.Projects))
	}
	if got := call(t, http.MethodPatch, r.APIURL+"/v1/projects/"+projects.Projects[0].ID, c.key, map[string]any{"agents_disabled": true}, nil); got != http.StatusOK {
		t.Fatalf("disabling agents gets %d", got)
	}
	eventually(t, "the kill-switch of the API process reaches the proxy process", func() bool { return session.Ping(context.Background()) != nil })
	for _, p := range []*process{api, proxy} {
		if err := p.end(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if strings.Contains(p.stderr.String(), "canary") {
			t.Errorf("a password is in the log:\n%s", p.stderr.String())
		}
	}
}
