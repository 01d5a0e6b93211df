package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
)

func TestDevShowsTheFirstKeyOnce(t *testing.T) {
	data := dataFolder(t)
	first, r := startDev(t, data)
	if r.APIKey == "" || r.OrgID != "org_dev" {
		t.Fatalf("the first start shows key %q of organization %q", r.APIKey, r.OrgID)
	}
	if got := call(t, http.MethodGet, r.APIURL+"/v1/organizations", r.APIKey, nil, nil); got != http.StatusOK {
		t.Errorf("the key that was shown gets %d", got)
	}
	if err := first.end(syscall.SIGTERM); err != nil {
		t.Fatalf("stopped with %v: %s", err, first.stderr.String())
	}
	second, again := startDev(t, data)
	if again.APIKey != "" {
		t.Error("the second start shows a key as well")
	}
	if got := call(t, http.MethodGet, again.APIURL+"/v1/organizations", r.APIKey, nil, nil); got != http.StatusOK {
		t.Errorf("the first start's key gets %d after a restart", got)
	}
	if err := second.end(os.Interrupt); err != nil {
		t.Errorf("stopped with %v", err)
	}
}

func TestDevTellsAPersonHowToGetAnotherKey(t *testing.T) {
	data := dataFolder(t)
	first, r := startDev(t, data)
	if err := first.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	second := start(t, "dev", "--data", data, "--api", "127.0.0.1:0", "--listen", "127.0.0.1:0")
	var text strings.Builder
	for !strings.Contains(text.String(), "Ctrl-C") {
		line, err := second.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("%v: %s", err, second.stderr.String())
		}
		text.WriteString(line)
	}
	if want := "pgbeam keys create --data " + data + " --org " + r.OrgID; !strings.Contains(text.String(), want) {
		t.Errorf("the second start does not say %q:\n%s", want, text.String())
	}
	if strings.Contains(text.String(), "\x1b") {
		t.Error("colours on something that is no terminal")
	}
	if err := second.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

func TestDevStartsAgainAfterKill(t *testing.T) {
	data := dataFolder(t)
	first, r := startDev(t, data, "--with-postgres", "--ready-file", filepath.Join(filepath.Dir(data), "ready.json"))
	var made struct {
		Project struct {
			ID string `json:"id"`
		} `json:"project"`
	}
	project(t, r, &made)
	if err := first.end(syscall.SIGKILL); err == nil {
		t.Fatal("a killed process ended well")
	}
	second, again := startDev(t, data, "--with-postgres")
	if again.Postgres.Port != r.Postgres.Port || again.Postgres.Password != r.Postgres.Password {
		t.Error("the sample database is another one after a kill: programs that name it would change")
	}
	if got := call(t, http.MethodGet, again.APIURL+"/v1/projects/"+made.Project.ID, r.APIKey, nil, nil); got != http.StatusOK {
		t.Errorf("a project from before the kill gets %d", got)
	}
	if err := second.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if localpg.Running(filepath.Join(data, "postgres")) {
		t.Error("the sample PostgreSQL outlived the server")
	}
}

func TestDevKeepsSecretsToItself(t *testing.T) {
	data := dataFolder(t)
	p, r := startDev(t, data, "--log-level", "debug")
	made := struct {
		Project struct {
			ID string `json:"id"`
		} `json:"project"`
	}{}
	r.Postgres = &samplePostgres{Host: "127.0.0.1", Port: 1, Database: "d", Username: "u", Password: "canary-upstream-password"}
	project(t, r, &made)
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{r.APIKey, r.Postgres.Password} {
		if strings.Contains(p.stderr.String(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
	if err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, secret := range []string{r.APIKey, r.Postgres.Password} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s has %s in clear text", path, secret)
			}
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 && filepath.Base(path) != "tls.crt" {
			t.Errorf("%s has mode %v: others may read it", path, info.Mode().Perm())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestDevNamesTheFlagOfATakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, flag := range []string{"--api", "--listen"} {
		args := []string{"dev", "--data", dataFolder(t), "--api", "127.0.0.1:0", "--listen", "127.0.0.1:0", flag, taken.Addr().String()}
		status, _, stderr := runs(t, nil, args...)
		if status != 1 || !strings.Contains(stderr, "is taken") || !strings.Contains(stderr, flag) {
			t.Errorf("%s on a taken port: status %d, %s", flag, status, stderr)
		}
	}
}

func TestDevRefusesASecondOneOnItsFolder(t *testing.T) {
	data := dataFolder(t)
	p, _ := startDev(t, data)
	status, _, stderr := runs(t, nil, "dev", "--data", data, "--api", "127.0.0.1:0", "--listen", "127.0.0.1:0")
	if status != 1 || !strings.Contains(stderr, "--data") {
		t.Errorf("status %d, %s", status, stderr)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

func TestDevRefusesPlainHTTPBeyondThisMachine(t *testing.T) {
	status, _, stderr := runs(t, nil, "dev", "--data", dataFolder(t), "--api", "0.0.0.0:0", "--listen", "127.0.0.1:0")
	if status != 1 || !strings.Contains(stderr, "pgbeam serve") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// project makes a project in front of the database that ready names.
func project(t *testing.T, r ready, into any) {
	t.Helper()
	p := r.Postgres
	body := map[string]any{"name": "shop", "org_id": r.OrgID, "database": map[string]any{
		"host": p.Host, "port": p.Port, "name": p.Database, "username": p.Username, "password": p.Password,
	}}
	if got := call(t, http.MethodPost, r.APIURL+"/v1/projects", r.APIKey, body, into); got != http.StatusCreated {
		t.Fatalf("making a project gets %d", got)
	}
}

// agent makes a project with a credential and returns its connection string.
func agent(t *testing.T, r ready) string {
	t.Helper()
	connection, _ := agentUnder(t, r, map[string]any{"name": "open", "access_mode": "read_write"})
	return connection
}

// agentUnder is agent with a policy of its own, whose URL it returns too.
func agentUnder(t *testing.T, r ready, rules map[string]any) (connection, policyURL string) {
	t.Helper()
	var made struct {
		Project struct {
			ID string `json:"id"`
		} `json:"project"`
	}
	project(t, r, &made)
	base := r.APIURL + "/v1/projects/" + made.Project.ID
	var policy struct {
		ID string `json:"id"`
	}
	if got := call(t, http.MethodPost, base+"/policies", r.APIKey, rules, &policy); got != http.StatusCreated {
		t.Fatalf("making a policy gets %d", got)
	}
	var credential struct {
		ConnectionString string `json:"connection_string"`
	}
	if got := call(t, http.MethodPost, base+"/agents", r.APIKey, map[string]any{"name": "bot", "policy_profile_id": policy.ID}, &credential); got != http.StatusCreated {
		t.Fatalf("making a credential gets %d", got)
	}
	return credential.ConnectionString, base + "/policies/" + policy.ID
}

func TestStopLetsARunningStatementFinish(t *testing.T) {
	data := dataFolder(t)
	p, r := startDev(t, data, "--with-postgres", "--drain-timeout", "10m")
	connection := agent(t, r)
	busy, idle := connect(t, connection), connect(t, connection)
	holder := upstream(t, r)
	if _, err := holder.Exec(t.Context(), "begin; lock table customers"); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		var n int
		result <- busy.QueryRow(context.Background(), "select count(*) from customers", pgx.QueryExecModeSimpleProtocol).Scan(&n)
	}()
	waitRunning(t, r, "from customers")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitStopping(t, p)
	if _, err := holder.Exec(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); err != nil {
		t.Errorf("a drained stop ended with %v", err)
	}
	if err := <-result; err != nil {
		t.Errorf("the statement that ran when the stop came: %v", err)
	}
	if err := idle.Ping(context.Background()); err == nil {
		t.Error("an idle session outlived the server")
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	data := dataFolder(t)
	p, r := startDev(t, data, "--with-postgres", "--drain-timeout", "10m")
	busy := connect(t, agent(t, r))
	result := make(chan error, 1)
	go func() {
		_, err := busy.Exec(context.Background(), "select pg_sleep(600)")
		result <- err
	}()
	waitRunning(t, r, "pg_sleep")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitStopping(t, p)
	if err := p.end(syscall.SIGTERM); err != nil { // not after 10 minutes
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() < 0 {
			t.Errorf("ended with %v", err)
		}
	}
	if err := <-result; err == nil {
		t.Error("the statement was not cut short")
	}
}

func connect(t *testing.T, connection string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), connection)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// upstream connects to the sample database itself.
func upstream(t *testing.T, r ready) *pgx.Conn {
	t.Helper()
	p := r.Postgres
	return connect(t, "postgresql://"+p.Username+":"+p.Password+"@"+net.JoinHostPort(p.Host, strconv.Itoa(p.Port))+"/"+p.Database+"?sslmode=disable")
}

// waitRunning waits until the upstream runs a statement, asked directly.
func waitRunning(t *testing.T, r ready, text string) {
	t.Helper()
	direct := upstream(t, r)
	eventually(t, "a statement with "+text+" runs upstream", func() (running bool) {
		err := direct.QueryRow(t.Context(), "select exists (select from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like '%' || $1 || '%')", text).Scan(&running)
		if err != nil {
			t.Fatal(err)
		}
		return running
	})
}

// waitStopping waits until the process has heard the signal to stop.
func waitStopping(t *testing.T, p *process) {
	t.Helper()
	eventually(t, "the signal is heard", func() bool { return strings.Contains(p.stderr.String(), "stopping") })
}
