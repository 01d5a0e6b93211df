package ordinary

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What a driver has prepared goes on while a mask comes, changes and goes, and
// a filter with it: also in psycopg, which does not prepare again when it is
// told that a statement has changed.
func TestPreparedStatementsGoOnWhenThePolicyChanges(t *testing.T) {
	dir, python := pythonPackages(t)
	plain := byPgx(t, direct)()
	masked := func(kind string) map[string]any {
		return map[string]any{"masking_rules": []any{mask("public.supplier", "s_address", kind)}}
	}
	steps := []struct {
		rules        map[string]any
		text, binary string
	}{
		{nil, plain, plain},
		{masked("redact"), "1 [redacted]; 2 [redacted]", "1 None; 2 None"},
		{masked("null"), "1 None; 2 None", "1 None; 2 None"},
		{map[string]any{"row_filters": []any{filter("public.supplier", "s_suppkey <> 1")}}, plain[strings.Index(plain, "; ")+2:], plain[strings.Index(plain, "; ")+2:]},
		{nil, plain, plain},
	}
	for _, driver := range []string{"pgx", "psycopg", "psycopg, binary", "psycopg, pipeline", "asyncpg"} {
		t.Run(driver, func(t *testing.T) {
			policy := map[string]any{"name": "goes on with " + driver, "access_mode": "read_only"}
			at, id, err := held(t.Context(), policy)
			if err != nil {
				t.Fatal(err)
			}
			var ask func() string
			if driver == "pgx" {
				ask = byPgx(t, at)
			} else {
				ask = byPython(t, at, dir, python, driver)
			}
			for i, s := range steps {
				rules := map[string]any{"masking_rules": []any{}, "row_filters": []any{}} // unless the step has some
				maps.Copy(rules, policy)
				maps.Copy(rules, s.rules)
				beam.Call(t, http.MethodPut, project+"/policies/"+id, rules)
				want := s.text
				if driver == "asyncpg" || strings.HasSuffix(driver, "binary") {
					want = s.binary
				}
				for range 2 {
					if got := ask(); got != want {
						t.Fatalf("%d: got %q, want %q", i, got, want)
					}
				}
			}
		})
	}
}

// byPgx returns what runs a statement that pgx was told to prepare, once.
func byPgx(t *testing.T, at target) func() string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), at.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Prepare(t.Context(), "suppliers", "select s_suppkey, s_address from supplier where s_suppkey <= $1 order by s_suppkey"); err != nil {
		t.Fatal(err)
	}
	return func() string {
		rows, err := conn.Query(t.Context(), "suppliers", 2)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for rows.Next() {
			var key int
			var address *string
			if err := rows.Scan(&key, &address); err != nil {
				t.Fatal(err)
			}
			if address == nil {
				none := "None"
				address = &none
			}
			all = append(all, fmt.Sprint(key, " ", *address))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return strings.Join(all, "; ")
	}
}

// byPython returns what has a driver of Python run its statement.
func byPython(t *testing.T, at target, dir, python, driver string) func() string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), programTimeout)
	cmd := exec.CommandContext(ctx, python, "prepared.py", driver)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PGBEAM_TEST_URL="+at.url)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		in.Close()
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("%s: %v\n%s", driver, err, stderr.String())
		}
	})
	lines := bufio.NewScanner(out)
	return func() string {
		fmt.Fprintln(in)
		if !lines.Scan() {
			cancel()
			_ = cmd.Wait()
			t.Fatalf("%s has ended: %s", driver, stderr.String())
		}
		return lines.Text()
	}
}
