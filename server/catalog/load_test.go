package catalog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg/localpgtest"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

var postgres *localpg.Server

func TestMain(m *testing.M) {
	os.Exit(localpgtest.Main(m, &postgres, func(string) localpg.Options { return localpg.Options{Password: "secret"} }))
}

// database makes a database with a schema and returns its name and a
// connection to it.
func database(t *testing.T, ddl ...string) (string, *pgx.Conn) {
	t.Helper()
	name := localpgtest.Database(t, postgres)
	conn, err := pgx.Connect(t.Context(), postgres.URL(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	for _, sql := range ddl {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return name, conn
}

func dialer(name string) Dial {
	return func(ctx context.Context) (net.Conn, error) {
		up, err := pool.Dial(ctx, pool.Target{
			Host: postgres.Host, Port: postgres.Port, Database: name, User: postgres.User,
			Password: secret.NewText(postgres.Password), SSLMode: "disable", RuntimeParams: map[string]string{"client_encoding": "UTF8"},
		})
		if err != nil {
			return nil, err
		}
		return up, nil
	}
}

func load(t *testing.T, name string) (*policy.Catalog, Digest) {
	t.Helper()
	conn, err := dialer(name)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c, d, err := Load(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return c, d
}

func TestLoad(t *testing.T) {
	name, _ := database(t,
		`create table "Odd Name" (id int primary key, "Select" text not null, gone int, after bool)`,
		`alter table "Odd Name" drop column gone`,
		"create schema app",
		"create table app.logs (at date, what varchar(20)) partition by range (at)",
		"create table app.logs_2026 partition of app.logs for values from ('2026-01-01') to ('2027-01-01')",
		"create domain app.email as text",
		"create function app.f(int, app.email) returns setof text language sql volatile leakproof as 'select null::text'",
		"create sequence app.numbers",
		"create materialized view app.m as select 1 as one",
		"create temp table mine (n int)",
		"alter role postgres set search_path = '$user', app, public, missing",
	)
	t.Cleanup(func() {
		if conn, err := pgx.Connect(context.Background(), postgres.URL("postgres")); err == nil {
			_, _ = conn.Exec(context.Background(), "alter role postgres reset search_path")
			conn.Close(context.Background())
		}
	})
	c, _ := load(t, name)
	if !slices.Equal(c.SearchPath, []string{"app", "public"}) {
		t.Errorf("search path %q", c.SearchPath)
	}
	odd := c.Relations[policy.RelationName{Schema: "public", Name: "Odd Name"}]
	if odd == nil || odd.Kind != 'r' || odd.OID == 0 || odd.Owner != "postgres" {
		t.Fatalf("table %+v", odd)
	}
	want := []policy.Column{{Name: "id", Number: 1, Type: 23, NotNull: true, Unique: true}, {Name: "Select", Number: 2, Type: 25, NotNull: true}, {Name: "after", Number: 4, Type: 16}}
	if !reflect.DeepEqual(odd.Columns, want) {
		t.Errorf("columns %+v", odd.Columns)
	}
	logs := policy.RelationName{Schema: "app", Name: "logs"}
	if r := c.Relations[logs]; r == nil || r.Kind != 'p' {
		t.Errorf("partitioned table %+v", r)
	}
	if r := c.Relations[policy.RelationName{Schema: "app", Name: "logs_2026"}]; r == nil || !slices.Equal(r.Parents, []policy.RelationName{logs}) {
		t.Errorf("partition %+v", r)
	}
	for name, kind := range map[string]byte{"numbers": 'S', "m": 'm'} {
		if r := c.Relations[policy.RelationName{Schema: "app", Name: name}]; r == nil || r.Kind != kind {
			t.Errorf("%s: %+v", name, r)
		}
	}
	f := c.Functions[policy.RelationName{Schema: "app", Name: "f"}]
	if len(f) != 1 || f[0].Kind != 'f' || f[0].Volatility != 'v' || !f[0].Leakproof || f[0].Builtin || !f[0].SetOf || f[0].Returns != 25 || len(f[0].Arguments) != 2 {
		t.Fatalf("function %+v", f)
	}
	if typ := c.Types[f[0].Arguments[1]]; typ.Name != "email" || typ.Schema != "app" || typ.Base != 25 || typ.Category != 'S' {
		t.Errorf("domain %+v", typ)
	}
	if typ := c.Types[1007]; typ.Name != "_int4" || typ.Element != 23 {
		t.Errorf("array type %+v", typ)
	}
	if l := c.Functions[policy.RelationName{Schema: "pg_catalog", Name: "lower"}]; len(l) < 2 || !l[0].Builtin || l[0].Volatility != 'i' {
		t.Errorf("lower: %+v", l)
	}
	// Drivers ask with it for primary keys.
	if l := c.Functions[policy.RelationName{Schema: "information_schema", Name: "_pg_expandarray"}]; len(l) != 1 || !l[0].Builtin {
		t.Errorf("_pg_expandarray: %+v", l)
	}
	if c.Relations[policy.RelationName{Schema: "pg_catalog", Name: "pg_class"}] == nil {
		t.Error("the system's own relations are missing")
	}
	for n := range c.Relations {
		if n.Name == "mine" {
			t.Errorf("temporary table %v of another session", n)
		}
	}
}

func TestColumnsOfViewsComeFromTables(t *testing.T) {
	name, _ := database(t,
		"create table users (id int primary key, email text, name text)",
		"create table orders (id int, user_id int)",
		"create view plain as select name as n, id, email as mail from users",
		"create view above as select mail from (select * from plain) as p",
		"create view computed as select id, lower(email) as low, 1 as one from users where name <> ''",
		"create view grouped as select name, count(id) from users where email <> '' group by name",
		"create view windowed as select rank() over (order by email) from users where id > 0",
		"create view nested as select x + 1 as y from (select id as x from users where email <> '') as s",
		"create view merged as select id, u.email || o.user_id::text as t from users as u full join orders as o using (id)",
		"create view ordered as select upper(name) as n from users where email like 'a%' order by email limit 3",
		"create view joined as select o.id, u.email from orders as o left join users as u on u.id = o.user_id",
		"create view cte as with w as (select email as e from users) select e from w",
		"create view both_ as select name from users union all select email from users",
		"create view row_ as select to_json(u.*) as j from users as u",
		"create view whole as select u from users as u",
		"create view scalar as select (select max(email) from users) as m, id from orders",
		"create materialized view mat as select email from users",
		`create view odd as select email as "a } b { \ :resno 7 c" from users`,
		"create view counted as select count(*) from users",
		"create table gen (id int, email text, low text generated always as (lower(email)) stored, other int default 1)",
		"create view over_gen as select low, id from gen",
		"create rule also as on insert to orders do also select email from users",
	)
	c, _ := load(t, name)
	for view, want := range map[string][]string{
		"plain":    {"users.name", "users.id", "users.email"},
		"above":    {"plain.mail users.email"},
		"gen":      {"", "", "gen.email", ""},
		"over_gen": {"gen.low gen.email", "gen.id"},
		"orders":   {"", ""},
		"computed": {"users.id", "users.email", ""},
		"grouped":  {"users.name", "users.id users.email users.name"},
		"windowed": {"users.id users.email"},
		"nested":   {"users.id users.email"},
		"merged":   {"users.id users.email orders.id orders.user_id", "users.email orders.user_id"},
		"ordered":  {"users.name"},
		"joined":   {"orders.id", "users.email"},
		"cte":      {"users.email"},
		"both_":    {"users.email users.name"},
		"row_":     {"users.id users.email users.name"},
		"whole":    {"users.id users.email users.name"},
		"scalar":   {"users.email orders.id", "orders.id"},
		"mat":      {"users.email"},
		"odd":      {"users.email"},
		"counted":  {""},
	} {
		r := c.Relations[policy.RelationName{Schema: "public", Name: view}]
		if r == nil {
			t.Errorf("%s: %+v", view, r)
			continue
		}
		for i, col := range r.Columns {
			var got []string
			for _, s := range col.Sources {
				got = append(got, s.Relation.Name+"."+s.Column)
			}
			have := sortedWords(got)
			if i >= len(want) || have != sortedWords(splitSpaces(want[i])) {
				t.Errorf("%s.%s comes from %q, want %q", view, col.Name, have, want[i])
			}
		}
	}
}

// A mask keeps its kind where the value is the column's own.
func TestColumnsThatAreComputedAreToldApart(t *testing.T) {
	name, _ := database(t,
		"create table users (id int, email text, low text generated always as (lower(email)) stored)",
		"create view plain as select email as mail, upper(email) as up, low from users",
		"create view above as select mail, up from plain",
		"create table logs (id int)",
		"create rule also as on insert to logs do also select email from users",
	)
	c, _ := load(t, name)
	for relation, want := range map[string]string{
		"users": "id= email= low=computed", "plain": "mail= up=computed low=computed", "above": "mail= up=computed", "logs": "id=",
	} {
		r := c.Relations[policy.RelationName{Schema: "public", Name: relation}]
		var got []string
		for _, col := range r.Columns {
			got = append(got, col.Name+"="+map[bool]string{true: "computed"}[col.Computed])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s, want %s", relation, got, want)
		}
		if r.Rules != (relation == "logs") {
			t.Errorf("%s: rules %v", relation, r.Rules)
		}
	}
}

func sortedWords(words []string) string {
	words = slices.Clone(words)
	slices.Sort(words)
	return fmt.Sprint(words)
}

func TestCacheReadsOnceForAll(t *testing.T) {
	name, conn := database(t, "create table a (n int)")
	var cache Cache
	k := Key{Project: "p", Database: "d", Role: "r"}
	var dials atomic.Int32
	dial := func(ctx context.Context) (net.Conn, error) { dials.Add(1); return dialer(name)(ctx) }
	var wg sync.WaitGroup
	seen := make([]*policy.Catalog, 20)
	for i := range seen {
		wg.Go(func() {
			c, err := cache.Handle(k, dial).Get(context.Background())
			if err != nil {
				t.Error(err)
			}
			seen[i] = c
		})
	}
	wg.Wait()
	if n := dials.Load(); n != 1 {
		t.Fatalf("%d connections for one catalog", n)
	}
	for _, c := range seen {
		if c != seen[0] {
			t.Fatal("not all got the same catalog")
		}
	}
	mine := cache.Handle(k, dial)
	cache.Expire("p", "d")
	if c, err := mine.Get(t.Context()); err != nil || c != seen[0] || dials.Load() != 2 {
		t.Fatalf("the same content is another catalog, or was not read again: %d, %v", dials.Load(), err)
	}
	cache.Expire("p", "other")
	if _, err := mine.Get(t.Context()); err != nil || dials.Load() != 2 {
		t.Fatalf("another database's change read this one again: %v", err)
	}
	if _, err := conn.Exec(t.Context(), "create table b (n int)"); err != nil {
		t.Fatal(err)
	}
	cache.Expire("p", "d")
	c, err := mine.Get(t.Context())
	if err != nil || c.Relations[policy.RelationName{Schema: "public", Name: "b"}] == nil || seen[0].Relations[policy.RelationName{Schema: "public", Name: "b"}] != nil {
		t.Fatalf("the new table: %v", err)
	}
}

// Whoever asks after a change was announced sees it, while others ask, look and
// have it read all the time.
func TestNoHandleAnswersFromBeforeAChange(t *testing.T) {
	name, conn := database(t)
	var cache Cache
	k := Key{Project: "p", Database: "d", Role: "r"}
	var announced atomic.Int64 // tables that all must see
	stop := make(chan struct{})
	var askers sync.WaitGroup
	for i := range 6 {
		askers.Go(func() {
			h := cache.Handle(k, dialer(name))
			for {
				select {
				case <-stop:
					return
				default:
				}
				least, ask := announced.Load(), h.Get
				if i == 0 {
					ask = h.Look
				}
				c, err := ask(context.Background())
				if err != nil {
					t.Error(err)
					return
				}
				if least > 0 && c.Relations[policy.RelationName{Schema: "public", Name: fmt.Sprint("t", least)}] == nil {
					t.Errorf("table %d is not there", least)
					return
				}
			}
		})
	}
	for n := range int64(15) {
		if _, err := conn.Exec(t.Context(), fmt.Sprintf("create table t%d (n int)", n+1)); err != nil {
			t.Error(err)
			break
		}
		cache.Expire("p", "d")
		announced.Store(n + 1)
		if _, err := cache.Handle(k, dialer(name)).Get(t.Context()); err != nil { // what is fresh now must not stay so
			t.Error(err)
		}
	}
	close(stop)
	askers.Wait()
}

func TestCacheAnswersNothingItCouldNotRead(t *testing.T) {
	name, _ := database(t)
	var cache Cache
	k := Key{Project: "p", Database: "d"}
	broken := errors.New("no way")
	held := cache.Handle(k, dialer(name))
	if _, err := held.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	cache.Expire("p", "d")
	fail := func(context.Context) (net.Conn, error) { return nil, broken }
	if _, err := cache.Handle(k, fail).Get(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("an expired catalog that cannot be read: %v", err)
	}
	if _, err := held.Get(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("who had it before goes on with it: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	other := Key{Project: "p", Database: "other"}
	if _, err := cache.Handle(other, dialer(name)).Get(gone); err == nil {
		t.Fatal("a catalog for somebody who is gone")
	}
	if _, err := cache.Handle(other, dialer(name)).Get(t.Context()); err != nil {
		t.Fatalf("the next one pays for who is gone: %v", err)
	}
}

func FuzzOrigins(f *testing.F) {
	f.Add(`({QUERY :commandType 1 :targetList ({TARGETENTRY :expr {VAR :varno 1} :resno 1 :resname n :resorigtbl 16384 :resorigcol 3 :resjunk false}) :setOperations <>})`)
	f.Add(`({QUERY :resname a\ \}b`)
	f.Add("}}{{QUERY")
	f.Fuzz(func(t *testing.T, tree string) { origins(tree) })
}
