// Command quickstart is "make up" and "make down": it builds what is missing,
// starts the service with a sample PostgreSQL, runs examples/typescript against
// it with Pulumi, and asks through the proxy with what came out. Everything it
// makes is in .pgbeam, or is written down there, so that down can remove it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/pgbeam/pulumi-pgbeam/tests/toolchain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	q, err := load()
	if err == nil {
		switch strings.Join(os.Args[1:], " ") {
		case "up":
			err = q.up(ctx)
		case "down":
			err = q.down()
		default:
			err = errors.New(`say "up" or "down"`)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "\n%s %v\n", paint("1;31", "quickstart:"), err)
		os.Exit(1)
	}
}

// quickstart knows the checkout and what an earlier up left.
type quickstart struct {
	root string // of the checkout
	dir  string // root/.pgbeam
	kept kept
}

// kept is what is remembered between runs, in .pgbeam/quickstart.json.
type kept struct {
	API           string   `json:"api"`    // address
	Listen        string   `json:"listen"` // address
	APIKey        string   `json:"api_key"`
	WebhookSecret string   `json:"webhook_secret"`
	Server        string   `json:"server"`     // SHA-256 of the binary that runs
	ServerPID     int      `json:"server_pid"` // 0: none was started
	Plugin        string   `json:"plugin"`     // SHA-256 of the plugin that is installed
	Configured    string   `json:"configured"` // SHA-256 of the stack's configuration
	Made          []string `json:"made"`       // paths outside .pgbeam that were not there before
}

func load() (*quickstart, error) {
	root, err := toolchain.Root()
	if err != nil {
		return nil, err
	}
	q := &quickstart{root: root, dir: filepath.Join(root, ".pgbeam")}
	return q, q.read()
}

func (q *quickstart) up(ctx context.Context) error {
	tools, err := findTools()
	if err != nil {
		return err
	}
	if err := q.claim(); err != nil {
		return err
	}
	step("Pulumi")
	pulumi, err := toolchain.Pulumi(ctx, os.Stdout, "nodejs")
	if err != nil {
		return err
	}
	note("%s", filepath.Join(pulumi, "pulumi"))

	step("Building the server and the plugin")
	for _, program := range []string{"server/cmd/pgbeam", "provider/cmd/pulumi-resource-pgbeam"} {
		if err := q.build(ctx, program); err != nil {
			return err
		}
	}
	step("Building the Node SDK and installing the program's packages")
	if err := q.installProgram(ctx, tools); err != nil {
		return err
	}
	step("PostgreSQL with sample data, and the server")
	server, err := q.startServer(ctx)
	if err != nil {
		return err
	}
	note("API %s, proxy %s, PostgreSQL %s:%d", server.APIURL, server.Proxy, server.Postgres.Host, server.Postgres.Port)

	step("pulumi up in examples/typescript")
	run := q.pulumi(pulumi, server)
	if err := q.configure(ctx, run, server); err != nil {
		return err
	}
	if err := run.stream(ctx, "up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", stack); err != nil {
		return fmt.Errorf("%w\nThe server keeps running; its log is %s. Once the cause is gone: make up", err, q.relative(q.serverLog()))
	}
	outputs, err := run.outputs(ctx)
	if err != nil {
		return err
	}
	step("A query through the proxy, as the agent")
	if err := query(ctx, tools, outputs.ConnectionString); err != nil {
		return err
	}
	return q.explain(server, outputs)
}

// build builds a program of this tree into bin.
func (q *quickstart) build(ctx context.Context, program string) error {
	bin := filepath.Join(q.root, "bin")
	if err := q.made(bin); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", bin+"/", "./"+program)
	cmd.Dir = q.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", program, err, out)
	}
	note("bin/%s", filepath.Base(program))
	return nil
}

const question = "select c.country, count(*) as orders, sum(t.total) as revenue from order_totals t join customers c on c.id = t.customer_id where t.status <> 'cancelled' group by c.country order by revenue desc"

// query shows the rows that psql gets for a person who has nothing but the
// agent's connection string.
func query(ctx context.Context, tools tools, connection string) error {
	fmt.Printf("\n  %s\n\n", paint("2", question))
	cmd := exec.CommandContext(ctx, tools.psql, connection, "--no-psqlrc", "--pset", "pager=off", "--command", question)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// Settings of the person's own connections must not get into this one.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); !strings.HasPrefix(name, "PG") || name == "PGSYSCONFDIR" {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ask through the proxy: %w", err)
	}
	return nil
}

func (q *quickstart) explain(server ready, outputs outputs) error {
	rows := [][2]string{
		{"Connection string", paint("1", outputs.ConnectionString)},
		{"API", server.APIURL + "/v1, key in .pgbeam/env"},
		{"Organization", server.OrgID},
		{"Project", outputs.ProjectID},
		{"Program", "examples/typescript/index.ts"},
		{"Server log", q.relative(q.serverLog())},
		{"Sample database", fmt.Sprintf("%s on %s:%d, behind the proxy", server.Postgres.Database, server.Postgres.Host, server.Postgres.Port)},
	}
	fmt.Printf("\n%s\n\n", paint("1;32", "Everything is up."))
	for _, row := range rows {
		fmt.Printf("  %s%s  %s\n", paint("2", row[0]), strings.Repeat(" ", 17-len(row[0])), row[1])
	}
	fmt.Printf(`
Go on:

  psql '%s'
  . .pgbeam/env && cd examples/typescript && pulumi up    after you changed index.ts
  make down                                               removes everything again
`, outputs.ConnectionString)
	return nil
}

var terminal = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(os.Stdout.Fd()))

func paint(code, text string) string {
	if !terminal {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func step(text string) { fmt.Printf("\n%s %s\n", paint("1;34", "==>"), paint("1", text)) }

func note(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }
