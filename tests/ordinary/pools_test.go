package ordinary

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// afterReset is what the second user of a pooled connection finds, whatever the
// pool: a connection that is as it was after its login, and as bound.
const afterReset = `changed: 1234kB first
same connection: True
as after the login: True ''
address: [redacted]
filtered: 0
writes: 42501
names: public reading only: on
`

func wantAfterReset(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
}

// The pools of Python reset a connection that goes back to them, each in its own
// way. asyncpg asks for masked columns in binary, where they are NULL, and looks
// up the types that it does not know; Django's models work.
func TestPythonPools(t *testing.T) {
	dir, python := pythonPackages(t)
	inBinary := strings.Replace(afterReset, "[redacted]", "None", 1)
	for name, want := range map[string]string{
		"asyncpg":                   inBinary + "types: ('Ada', 'ok', None, 2, None, [], None) ('Grace', 'ok', None, 3, None, [], None)\n",
		"SQLAlchemy with asyncpg":   inBinary,
		"SQLAlchemy with psycopg":   afterReset,
		"SQLAlchemy with psycopg2":  afterReset,
		"psycopg_pool, DISCARD ALL": afterReset,
		"psycopg_pool, RESET ALL":   afterReset,
		"Django": afterReset + `addresses: {'[redacted]'}
one: [redacted]
in parts: True
priorities: 1-URGENT 2-HIGH 3-MEDIUM 4-NOT SPECIFIED
grouped: 1-URGENT 2-HIGH 3-MEDIUM 4-NOT SPECIFIED
in a savepoint: False
tables: True
create: 42501
update: 42501
`,
	} {
		t.Run(name, func(t *testing.T) {
			wantAfterReset(t, tool(t, shop.at, dir, nil, python, "pools.py", name), want)
		})
	}
}

func TestNodePool(t *testing.T) {
	dir, node := nodePackages(t)
	wantAfterReset(t, tool(t, shop.at, dir, nil, node, "pool.mjs"), afterReset)
}

func TestHikariPool(t *testing.T) {
	wantAfterReset(t, javaTool(t, "Pool")(shop.at), afterReset)
}

// second plays the user of a connection who changes it, and the next one. ask
// runs a statement and returns what it gives; next gives the connection back and
// takes it again.
func second(t *testing.T, ask func(sql string) (string, error), next func()) string {
	t.Helper()
	var out strings.Builder
	must := func(sql string) string {
		t.Helper()
		value, err := ask(sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return value
	}
	truth := func(yes bool) string { return map[bool]string{true: "True", false: "False"}[yes] }
	pid, workMem := must("select pg_backend_pid()::text"), must("show work_mem")
	must("set work_mem = '1234kB'")
	must("set app.tenant = 'first'")
	fmt.Fprintln(&out, "changed:", must("show work_mem"), must("select current_setting('app.tenant')"))
	next()
	fmt.Fprintln(&out, "same connection:", truth(must("select pg_backend_pid()::text") == pid))
	fmt.Fprintf(&out, "as after the login: %s '%s'\n", truth(must("show work_mem") == workMem), must("select current_setting('app.tenant', true)"))
	fmt.Fprintln(&out, "address:", must("select s_address from supplier where s_suppkey = 1"))
	fmt.Fprintln(&out, "filtered:", must("select count(*)::text from orders where o_orderpriority = '5-LOW'"))
	_, err := ask("delete from orders where o_orderkey = 1")
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		t.Fatalf("delete: %v", err)
	}
	fmt.Fprintln(&out, "writes:", refusal.Code)
	fmt.Fprintln(&out, "names:", must("show search_path"), "reading only:", must("show default_transaction_read_only"))
	return out.String()
}

// value is the first column of the first row, and nothing of a statement that
// gives no rows.
func value(rows pgx.Rows, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer rows.Close()
	text := ""
	if rows.Next() {
		if err := rows.Scan(&text); err != nil {
			return "", err
		}
	}
	rows.Close()
	return text, rows.Err()
}

func TestPgxPool(t *testing.T) {
	for _, reset := range []string{"reset all", "discard all"} {
		for name, mode := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "extended": pgx.QueryExecModeExec} {
			t.Run(reset+" "+name, func(t *testing.T) {
				config, err := pgxpool.ParseConfig(shop.at.url)
				if err != nil {
					t.Fatal(err)
				}
				config.MaxConns = 1
				config.ConnConfig.DefaultQueryExecMode = mode
				config.AfterRelease = func(c *pgx.Conn) bool {
					_, err := c.Exec(context.Background(), reset)
					return err == nil
				}
				pool, err := pgxpool.NewWithConfig(t.Context(), config)
				if err != nil {
					t.Fatal(err)
				}
				defer pool.Close()
				conn, err := pool.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got := second(t, func(sql string) (string, error) {
					return value(conn.Query(t.Context(), sql))
				}, func() {
					conn.Release()
					if conn, err = pool.Acquire(t.Context()); err != nil {
						t.Fatal(err)
					}
				})
				conn.Release()
				wantAfterReset(t, got, afterReset)
			})
		}
	}
}

// database/sql resets by a hook of the driver, and pings.
func TestDatabaseSQLPool(t *testing.T) {
	config, err := pgx.ParseConfig(shop.at.url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	resets := 0
	db := sql.OpenDB(stdlib.GetConnector(*config, stdlib.OptionResetSession(func(ctx context.Context, c *pgx.Conn) error {
		resets++
		_, err := c.Exec(ctx, "discard all")
		return err
	})))
	defer db.Close()
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := second(t, func(sql string) (string, error) {
		rows, err := conn.QueryContext(t.Context(), sql)
		if err != nil {
			return "", err
		}
		defer rows.Close()
		text := ""
		if rows.Next() {
			if err := rows.Scan(&text); err != nil {
				return "", err
			}
		}
		return text, rows.Err()
	}, func() {
		conn.Close()
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if conn, err = db.Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	conn.Close()
	wantAfterReset(t, got, afterReset)
	if resets == 0 {
		t.Error("the session was not reset")
	}
}
