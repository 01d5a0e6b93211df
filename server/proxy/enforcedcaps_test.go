package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// noticed opens a session that keeps the notices it gets.
func (d *deployment) noticed(change func(*store.PolicyRules)) (*pgx.Conn, *[]string) {
	d.Helper()
	l := d.credential(d.project("shop-"+store.NewSubdomain()), rules(change))
	var notices []string
	c := d.as(l)
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
	return d.connect(c), &notices
}

func TestMaxRowsCutsResults(t *testing.T) {
	d := deploy(t)
	conn, notices := d.noticed(func(r *store.PolicyRules) { r.MaxRows = 10 })
	count := func(sql string, mode pgx.QueryExecMode) (int, string) {
		t.Helper()
		*notices = nil
		rows, err := conn.Query(t.Context(), sql, mode)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return n, rows.CommandTag().String()
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				if n, tag := count("select i, repeat('x', 5000) from generate_series(1, 200) i", mode); n != 10 || tag != "SELECT 10" || fmt.Sprint(*notices) != "[result truncated to 10 rows by policy]" {
					t.Fatalf("%d rows, %s, %q", n, tag, *notices)
				}
				if n, tag := count("select i from generate_series(1, 10) i", mode); n != 10 || tag != "SELECT 10" || len(*notices) > 0 {
					t.Fatalf("%d rows, %s, %q", n, tag, *notices)
				}
			}
			if n, tag := count("select repeat('x', 100000) from generate_series(1, 30)", mode); n != 10 || tag != "SELECT 10" {
				t.Fatalf("%d rows longer than the buffer, %s", n, tag)
			}
		})
	}
	t.Run("batch of statements", func(t *testing.T) {
		results, err := conn.PgConn().Exec(t.Context(), "select generate_series(1, 30); select generate_series(1, 3); select generate_series(1, 11)").ReadAll()
		if err != nil || len(results) != 3 || len(results[0].Rows) != 10 || len(results[1].Rows) != 3 || len(results[2].Rows) != 10 || results[2].CommandTag.String() != "SELECT 10" {
			t.Fatalf("%d results, %v", len(results), err)
		}
	})
	t.Run("cursor", func(t *testing.T) {
		total := 0
		for _, sql := range []string{"begin", "declare c cursor for select generate_series(1, 100)", "fetch 7 from c", "fetch 7 from c", "fetch 7 from c", "commit"} {
			n, tag := count(sql, pgx.QueryExecModeSimpleProtocol)
			if total += n; strings.HasPrefix(tag, "FETCH") && tag != fmt.Sprint("FETCH ", n) {
				t.Fatalf("%s: %d rows, %s", sql, n, tag)
			}
		}
		if total != 10 {
			t.Fatalf("fetched %d rows", total)
		}
	})
	t.Run("portal", func(t *testing.T) {
		b := appendParse(nil, "", "select generate_series(1, 100)", []byte{0, 0})
		b = wire.AppendBody(b, wire.Bind, make([]byte, 8))
		for range 3 {
			b = wire.AppendBody(b, wire.Execute, []byte{0, 0, 0, 0, 7})
		}
		got := exchange(t, conn, wire.AppendBody(b, wire.Sync, nil))
		if want := "12DDDDDDDsDDDNssZ"; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
	t.Run("explain is whole", func(t *testing.T) {
		if n, _ := count("explain select "+strings.Repeat("(select count(*) from pg_class) +", 15)+" 1", pgx.QueryExecModeSimpleProtocol); n <= 10 {
			t.Fatalf("%d lines", n)
		}
	})
}

func TestMigrationSafety(t *testing.T) {
	schema := fixture(t, "create table items (id int, name text)")
	d := deploy(t)
	risky := "create index on " + schema + ".items (name)"
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			conn, notices := d.noticed(func(r *store.PolicyRules) { r.MigrationSafety = "warn" })
			if _, err := conn.Exec(t.Context(), risky, mode); err != nil {
				t.Fatal(err)
			}
			if len(*notices) == 0 || !strings.Contains((*notices)[0], "missing_concurrently") {
				t.Fatalf("notices %q", *notices)
			}
			*notices = nil
			if _, err := conn.Exec(t.Context(), "select 1", mode); err != nil || len(*notices) > 0 {
				t.Fatalf("%v, notices %q", err, *notices)
			}
			conn, _ = d.noticed(func(r *store.PolicyRules) { r.MigrationSafety = "block" })
			_, err := conn.Exec(t.Context(), "alter table "+schema+".items drop column name", mode)
			wantBlocked(t, err, "migration blocked: drop_column")
			scalar[int](t, conn, "select 1")
		})
	}
}
