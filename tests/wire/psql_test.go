package wire

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// psql runs a script and returns everything it printed.
func psql(t *testing.T, at target, args []string, stdin string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*replyTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Program(t, "psql", "PostgreSQL's client programs"), append([]string{"-X", at.url}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "PGCONNECT_TIMEOUT=20", "PAGER=cat")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// What a person types must look the same, to the letter.
func TestPsqlPrintsTheSame(t *testing.T) {
	scripts := map[string]string{
		"describing":              "\\d\n\\dt+ item\n\\d item\n\\d+ sample\n\\dT+\n\\di\n\\dv\n\\df\n\\dn+\n\\du\n\\l app\n\\dp\n\\dd\n\\sf bump\n\\encoding\n\\dconfig timezone\n",
		"formats":                 "\\x\nselect * from item;\n\\x\n\\a\nselect * from sample where id = 1;\n\\t\nselect 1;\n\\pset format csv\ntable item;\n",
		"transactions and errors": "begin;\nselect 1/0;\nselect 1;\nrollback;\nselect nam from item;\n\\errverbose\n\\set ON_ERROR_ROLLBACK on\nbegin;\nselect 1/0;\nselect 2;\ncommit;\n\\echo :ERROR :SQLSTATE :ROW_COUNT\n",
		"cursors and variables":   "\\set FETCH_COUNT 3\nselect i from generate_series(1, 10) i;\nselect 7 as seven \\gset\n\\echo :seven\nselect 'select ' || i from generate_series(1, 3) i \\gexec\nselect 1 as a, 2 as b \\gx\n",
		"copying":                 "\\copy item(name, price) from stdin\ncopied\t5\n\\.\n\\copy (select name, price from item order by id) to stdout csv header\ncopy item(name) from stdin;\nmore\n\\.\ncopy item to stdout;\n\\copy nowhere to stdout\n",
		"several statements":      "select 1\\; select 2\\; select 1/0;\n;\nselect 'last';\n",
		"notices and settings":    "do $$ begin raise notice 'hello'; end $$;\nset timezone = 'Asia/Kathmandu';\nshow timezone;\n\\timing off\ndrop table if exists nowhere;\nlisten c;\nnotify c, 'x';\n",
		"large objects":           "\\lo_list\nselect lo_from_bytea(777, 'abc');\n\\lo_list\n\\lo_unlink 777\n",
		"password and prepared":   "prepare p as select $1::int;\nexecute p(3);\n\\gdesc\nselect 1 as a, 'x'::text as b \\gdesc\n",
	}
	// What they do no policy permits.
	refused := []string{"copying", "notices and settings", "large objects", "password and prepared"}
	// Asynchronous notifications name the server process.
	pid := regexp.MustCompile(`server process with PID \d+`)
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			reset(t)
			want, err := psql(t, direct, nil, script)
			if err != nil {
				t.Fatalf("directly: %v\n%s", err, want)
			}
			for _, at := range proxied {
				if at == issued && slices.Contains(refused, name) {
					continue
				}
				reset(t)
				got, err := psql(t, at, nil, script)
				if err != nil {
					t.Fatalf("%s: %v\n%s", at.name, err, got)
				}
				if d := cmp.Diff(pid.ReplaceAllString(want, "pid"), pid.ReplaceAllString(got, "pid")); d != "" {
					t.Errorf("psql prints (-direct +%s):\n%s", at.name, d)
				}
			}
		})
	}
}

func TestPsqlCopiesFilesAndRunsCommands(t *testing.T) {
	everyUser(t, func(t *testing.T, at target) {
		file := filepath.Join(t.TempDir(), "items.csv")
		var rows strings.Builder
		for range 50_000 {
			rows.WriteString("a copied name,12.5\n")
		}
		if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := psql(t, at, []string{"-At", "-c", `\copy item(name, price) from '` + file + `' csv`, "-c", "select count(*) from item where price = 12.5", "-c", "begin; select 'in one'; commit"}, "")
		if err != nil || out != "COPY 50000\n50000\nBEGIN\nin one\nCOMMIT\n" {
			t.Fatalf("psql gave %v and\n%s", err, out)
		}
		back := file + ".out"
		if out, err := psql(t, at, []string{"-q", "-c", `\copy (select name, price from item where price = 12.5) to '` + back + `' csv`}, ""); err != nil || out != "" {
			t.Fatalf("psql gave %v and\n%s", err, out)
		}
		got, err := os.ReadFile(back)
		if err != nil || string(got) != rows.String() {
			t.Fatalf("the file that came back has %d bytes of %d, %v", len(got), rows.Len(), err)
		}
		if out, err := psql(t, at, []string{"-v", "ON_ERROR_STOP=1", "-1", "-c", "insert into item(name) values ('undone')", "-c", "select 1/0"}, ""); err == nil || !strings.Contains(out, "division by zero") {
			t.Fatalf("psql gave %v and\n%s", err, out)
		}
		if out, err := psql(t, at, []string{"-At", "-c", "select count(*) from item where name = 'undone'"}, ""); err != nil || out != "0\n" {
			t.Fatalf("psql gave %v and %s", err, out)
		}
	})
}

// Ctrl-C sends a cancel request on a connection of its own, in plain text
// with the psql versions of today.
func TestPsqlIsInterruptedByCtrlC(t *testing.T) {
	everyTarget(t, func(t *testing.T, at target) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*replyTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, harness.Program(t, "psql", "PostgreSQL's client programs"), "-X", "-At", at.url, "-c", "select 'before'", "-c", "select pg_sleep(300), 'ctrl-c at "+at.name+"'")
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, replyTimeout, "the statement is running", func() bool {
			var n int
			err := admin.QueryRow(ctx, "select count(*) from pg_stat_activity where state = 'active' and query like '%ctrl-c at "+at.name+"%' and pid <> pg_backend_pid()").Scan(&n)
			return err == nil && n == 1
		})
		start := time.Now()
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "canceling statement due to user request") {
			t.Fatalf("psql ended with %v after %s and printed\n%s", err, time.Since(start), out.String())
		}
	})
}
