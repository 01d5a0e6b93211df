package policy_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/server/catalog"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// fixture is a schema whose hidden cells and rows carry markers: SECRET in a
// masked column, HIDDEN in a row of another tenant.
const fixture = `
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, email text, phone varchar(12), ssn char(11),
	tags text[], born date, note text);
INSERT INTO users VALUES
	(1, 'ann', 'SECRET1@x', 'SECRET-01', 'SECRET-001', '{SECRET}', '1980-01-01', 'n1'),
	(2, 'bob', 'SECRET2@x', NULL, 'SECRET-002', '{SECRET}', '1981-01-01', 'n2'),
	(3, 'cyd', NULL, 'SECRET-03', NULL, NULL, NULL, NULL);
CREATE TABLE orders (id int PRIMARY KEY, tenant_id int NOT NULL, user_id int REFERENCES users, amount numeric, item text);
INSERT INTO orders VALUES (10, 42, 1, 5, 'pen'), (11, 42, 2, 7, 'ink'), (12, 42, NULL, 1, 'cap'),
	(20, 7, 1, 0, 'HIDDEN-a'), (21, 7, 3, 9, 'HIDDEN-b'), (22, 8, 2, 11, 'HIDDEN-c');
CREATE INDEX orders_tenant ON orders (tenant_id);
CREATE TABLE plain (id int PRIMARY KEY, label text, user_id int);
INSERT INTO plain VALUES (1, 'one', 1), (2, 'two', 2), (3, 'three', NULL);
CREATE TABLE events (id int, tenant_id int, body text) PARTITION BY LIST (tenant_id);
CREATE TABLE events_42 PARTITION OF events FOR VALUES IN (42);
CREATE TABLE events_rest PARTITION OF events DEFAULT;
INSERT INTO events VALUES (1, 42, 'ok'), (2, 7, 'HIDDEN-e');
CREATE VIEW people AS SELECT id, name, email, email || '' AS mail FROM users;
CREATE VIEW sales AS SELECT count(*) AS n, sum(amount) AS total FROM orders;
CREATE TABLE members (user_id int, team int);
INSERT INTO members VALUES (1, 1);
CREATE TABLE docs (id int PRIMARY KEY, team int, body text);
INSERT INTO docs VALUES (1, 1, 'mine'), (2, 2, 'HIDDEN-doc');
CREATE TABLE codes (id int PRIMARY KEY, tenant_id int, name text, c text COLLATE "C", posix text COLLATE "POSIX");
INSERT INTO codes VALUES (1, 7, 'HIDDEN-name', 'HIDDEN-code', 'HIDDEN-code');
CREATE FUNCTION reveal(text) RETURNS text LANGUAGE sql AS 'SELECT string_agg(email, $1) FROM users';
`

var upstream struct {
	once    sync.Once
	server  *localpg.Server
	conn    *pgx.Conn
	catalog *policy.Catalog
	err     error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if upstream.conn != nil {
		_ = upstream.conn.Close(context.Background())
	}
	if upstream.server != nil {
		_ = upstream.server.Stop()
		_ = localpg.Remove(upstream.server.Dir)
	}
	os.Exit(code)
}

// database starts PostgreSQL with the fixture, once for all tests.
func database(t testing.TB) (*pgx.Conn, *policy.Catalog) {
	t.Helper()
	upstream.once.Do(func() {
		ctx := context.Background()
		dir, err := os.MkdirTemp("", "policy")
		if err != nil {
			upstream.err = err
			return
		}
		upstream.server, upstream.err = localpg.Start(ctx, localpg.Options{Dir: dir, Password: "pw", Settings: []string{"fsync=off"}})
		if upstream.err != nil {
			return
		}
		s := upstream.server
		url := fmt.Sprintf("postgres://postgres:pw@%s:%d/postgres?sslmode=disable&default_query_exec_mode=exec", s.Host, s.Port)
		if upstream.conn, upstream.err = pgx.Connect(ctx, url); upstream.err != nil {
			return
		}
		if _, upstream.err = upstream.conn.PgConn().Exec(ctx, fixture).ReadAll(); upstream.err != nil {
			return
		}
		upstream.catalog, upstream.err = loadCatalog(ctx, s)
	})
	if upstream.err != nil {
		t.Fatal(upstream.err)
	}
	return upstream.conn, upstream.catalog
}

// loadCatalog reads the catalog as the proxy does.
func loadCatalog(ctx context.Context, s *localpg.Server) (*policy.Catalog, error) {
	conn, err := pool.Dial(ctx, pool.Target{Host: s.Host, Port: s.Port, Database: "postgres", User: "postgres",
		Password: secret.NewText("pw"), SSLMode: "disable", RuntimeParams: map[string]string{"client_encoding": "UTF8"}})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c, _, err := catalog.Load(ctx, conn)
	return c, err
}

// extended is the catalog after more was added to the fixture, for one test.
func extended(t testing.TB, ddl string) *policy.Catalog {
	t.Helper()
	conn, _ := database(t)
	ctx := context.Background()
	if _, err := conn.PgConn().Exec(ctx, ddl).ReadAll(); err != nil {
		t.Fatal(err)
	}
	c, err := loadCatalog(ctx, upstream.server)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run returns what is seen, which is everything that a client receives for one text,
// and the rows alone.
func run(t testing.TB, conn *pgx.Conn, sql string, hideDetail ...bool) (seen string, rows string) {
	t.Helper()
	ctx := context.Background()
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Exec(ctx, "ROLLBACK") }()
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	var all, data strings.Builder
	if err != nil {
		fmt.Fprintf(&all, "%v", err)
		if pgErr, ok := err.(*pgconn.PgError); ok {
			if len(hideDetail) > 0 && hideDetail[0] {
				pgErr.Detail, pgErr.Hint, pgErr.Where = "", "", ""
			}
			fmt.Fprintf(&all, " %+v", *pgErr)
		}
	}
	for _, r := range results {
		for _, f := range r.FieldDescriptions {
			fmt.Fprintf(&all, "%s ", f.Name)
		}
		for i, row := range r.Rows {
			if i > 0 {
				data.WriteString("; ")
			}
			for j, cell := range row {
				if j > 0 {
					data.WriteString(",")
				}
				if cell == nil {
					data.WriteString("∅")
				} else {
					data.Write(cell)
				}
			}
		}
	}
	all.WriteString(data.String())
	return all.String(), data.String()
}

func leaked(seen string) bool {
	return strings.Contains(seen, "SECRET") || strings.Contains(seen, "HIDDEN")
}

func compile(t testing.TB, p policy.Profile, c *policy.Catalog) *policy.Engine {
	t.Helper()
	e, err := policy.Compile(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
