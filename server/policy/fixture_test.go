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

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
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
		upstream.catalog, upstream.err = readCatalog(ctx, upstream.conn)
	})
	if upstream.err != nil {
		t.Fatal(upstream.err)
	}
	return upstream.conn, upstream.catalog
}

// readCatalog reads as much of a catalog as these tests ask about.
func readCatalog(ctx context.Context, conn *pgx.Conn) (*policy.Catalog, error) {
	c := &policy.Catalog{SearchPath: []string{"public"}, Relations: make(map[policy.RelationName]*policy.Relation),
		Functions: make(map[policy.RelationName][]policy.Function), Types: make(map[uint32]policy.TypeInfo)}
	each := func(sql string, into []any, do func()) error {
		rows, err := conn.Query(ctx, sql)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, into, func() error { do(); return nil })
		return err
	}
	var rel policy.Relation
	var col policy.Column
	var kind, definition string
	err := each(`SELECT n.nspname, c.relname, c.oid, c.relkind::text, coalesce(pg_get_viewdef(c.oid), '') FROM pg_class c
		JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'v', 'm', 'p') AND nspname NOT LIKE 'pg_toast%'`,
		[]any{&rel.Schema, &rel.Name, &rel.OID, &kind, &definition}, func() {
			r := rel
			r.Kind, r.Definition = kind[0], definition
			c.Relations[r.RelationName] = &r
		})
	if err != nil {
		return nil, err
	}
	var name policy.RelationName
	if err = each(`SELECT n.nspname, c.relname, attname, attnum, atttypid, attnotnull FROM pg_attribute a
		JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
		WHERE attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum`,
		[]any{&name.Schema, &name.Name, &col.Name, &col.Number, &col.Type, &col.NotNull}, func() {
			if r := c.Relations[name]; r != nil {
				r.Columns = append(r.Columns, col)
			}
		}); err != nil {
		return nil, err
	}
	var parent policy.RelationName
	if err = each(`SELECT n.nspname, c.relname, m.nspname, p.relname FROM pg_inherits
		JOIN pg_class c ON c.oid = inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_class p ON p.oid = inhparent JOIN pg_namespace m ON m.oid = p.relnamespace`,
		[]any{&name.Schema, &name.Name, &parent.Schema, &parent.Name}, func() {
			if r := c.Relations[name]; r != nil {
				r.Parents = append(r.Parents, parent)
			}
		}); err != nil {
		return nil, err
	}
	var typ policy.TypeInfo
	var category string
	if err = each(`SELECT t.oid, nspname, typname, typcategory::text, typbasetype, typelem FROM pg_type t
		JOIN pg_namespace n ON n.oid = typnamespace`,
		[]any{&typ.OID, &typ.Schema, &typ.Name, &category, &typ.Base, &typ.Element}, func() {
			typ.Category = category[0]
			c.Types[typ.OID] = typ
		}); err != nil {
		return nil, err
	}
	var f policy.Function
	var prokind, volatility string
	if err = each(`SELECT nspname, proname, p.oid, prokind::text, provolatile::text, proleakproof, prorettype, proargtypes::oid[], proretset
		FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace`,
		[]any{&f.Schema, &f.Name, &f.OID, &prokind, &volatility, &f.Leakproof, &f.Returns, &f.Arguments, &f.SetOf}, func() {
			g := f
			g.Kind, g.Volatility, g.Builtin = prokind[0], volatility[0], f.Schema == "pg_catalog"
			g.Arguments = append([]uint32(nil), f.Arguments...)
			c.Functions[g.RelationName] = append(c.Functions[g.RelationName], g)
		}); err != nil {
		return nil, err
	}
	users := policy.RelationName{Schema: "public", Name: "users"}
	people := c.Relations[policy.RelationName{Schema: "public", Name: "people"}]
	for i, source := range []string{"id", "name", "email", "email"} {
		people.Columns[i].Sources = []policy.ColumnRef{{Relation: users, Column: source}}
	}
	return c, nil
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
