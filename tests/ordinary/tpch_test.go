package ordinary

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// tpch are the 22 queries of the benchmark, with the parameters that its
// validation run uses.
func tpch(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(harness.Root(), "server", "policy", "testdata", "tpch", "q*.sql"))
	if err != nil || len(files) != 22 {
		t.Fatalf("%d files with TPC-H queries, %v; want 22", len(files), err)
	}
	queries := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		queries[strings.TrimSuffix(filepath.Base(f), ".sql")] = string(text)
	}
	return queries
}

// The three ways in which drivers send a query.
var protocols = map[string]func(context.Context, *pgx.Conn, string) ([]string, error){
	"simple": func(ctx context.Context, c *pgx.Conn, sql string) ([]string, error) {
		return printed(c.PgConn().Exec(ctx, sql).ReadAll())
	},
	"extended": func(ctx context.Context, c *pgx.Conn, sql string) ([]string, error) {
		return printed(one(c.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()))
	},
	"prepared": func(ctx context.Context, c *pgx.Conn, sql string) ([]string, error) {
		if _, err := c.PgConn().Prepare(ctx, "q", sql, nil); err != nil {
			return nil, err
		}
		defer c.PgConn().Deallocate(ctx, "q")
		return printed(one(c.PgConn().ExecPrepared(ctx, "q", nil, nil, nil).Read()))
	},
}

func one(r *pgconn.Result) ([]*pgconn.Result, error) { return []*pgconn.Result{r}, r.Err }

// printed are the rows as text, after a line with the columns.
func printed(results []*pgconn.Result, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, r := range results {
		if r.Err != nil {
			return nil, r.Err
		}
		var columns []string
		for _, f := range r.FieldDescriptions {
			columns = append(columns, f.Name)
		}
		lines = append(lines, strings.Join(columns, " | "))
		for _, row := range r.Rows {
			var values []string
			for _, v := range row {
				if v == nil {
					values = append(values, "NULL")
					continue
				}
				values = append(values, fmt.Sprintf("%q", v))
			}
			lines = append(lines, strings.Join(values, " | "))
		}
	}
	return lines, nil
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// Every query passes, and what it gives is what it gives on a database that
// the rules were applied to by hand.
func TestTPCHGivesWhatRulesAppliedByHandGive(t *testing.T) {
	queries := tpch(t)
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			byHand, plain := connect(t, postgres.Server.URL(p.byHand())), connect(t, direct.url)
			changed := 0
			for name, sql := range queries {
				want, err := protocols["simple"](t.Context(), byHand, sql)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				unruled, err := protocols["simple"](t.Context(), plain, sql)
				if err != nil || len(unruled) < 2 {
					t.Fatalf("%s gives %d rows without a policy, %v: it would show nothing", name, len(unruled)-1, err)
				}
				if !cmp.Equal(want, unruled) {
					changed++
				}
				for protocol, run := range protocols {
					t.Run(name+" "+protocol, func(t *testing.T) {
						got, err := run(t.Context(), connect(t, p.at.url), sql)
						if err != nil {
							t.Fatal(err)
						}
						if d := cmp.Diff(want, got); d != "" {
							t.Errorf("-by hand +under the policy:\n%s", d)
						}
					})
				}
			}
			if changed < 8 {
				t.Errorf("the rules change the result of only %d queries", changed)
			}
			t.Logf("the rules change the results of %d of %d queries", changed, len(queries))
		})
	}
}
