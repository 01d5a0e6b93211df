package api

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
)

const shopSchema = `
create table customers (id int primary key, email text, country text);
create view contacts as select id, email as contact from customers;
create table orders (id int primary key, tenant_id int);
create procedure settle(id int) language sql as 'delete from orders where id = settle.id';
create function secret_total() returns int language sql as 'select 1';
`

// startShop starts a PostgreSQL with tables, and returns how a database of a
// project leads to it and how to run a statement there.
func startShop(t *testing.T) (object, func(sql string)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pg")
	pg, err := localpg.Start(context.Background(), localpg.Options{Dir: dir, Password: "canary-superuser", Settings: []string{"fsync=off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
		if err := localpg.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(context.Background(), pg.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	run := func(sql string) {
		t.Helper()
		if _, err := conn.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	run(shopSchema)
	return object{"host": "127.0.0.1", "port": pg.Port, "name": "postgres", "username": pg.User, "password": pg.Password, "ssl_mode": "disable"}, run
}

// projectOn makes a project with that database.
func (s *service) projectOn(name string, database object) string {
	s.t.Helper()
	return s.send("POST", "/v1/projects", object{"name": name, "org_id": s.org, "database": database}).want(201, "").text("project.id")
}

// patient waits for a schema as long as a busy machine may take.
func patient(c *Config) { c.SchemaTimeout = time.Minute }

func notesOf(r *reply) []string {
	var notes []string
	list, _ := r.body["notes"].([]any)
	for _, n := range list {
		notes = append(notes, n.(string))
	}
	return notes
}

// holdsNoSecret fails if an answer or the log has a password.
func (s *service) holdsNoSecret(r *reply) {
	s.t.Helper()
	if strings.Contains(string(r.raw), "canary-") || strings.Contains(s.log.String(), "canary-") {
		s.t.Errorf("a password is in the answer or the log: %s", r.raw)
	}
}

func TestEvaluationKnowsTheSchema(t *testing.T) {
	s := serve(t, patient)
	database, _ := startShop(t)
	project := s.projectOn("shop", database)
	blind, _ := s.newProject("blind")
	rules := object{
		"name":          "support",
		"masking_rules": []any{object{"table": "customers", "column": "email", "kind": "redact"}},
		"row_filters":   []any{object{"table": "orders", "predicate": "tenant_id = 42"}},
	}
	saved := s.send("POST", "/v1/projects/"+project+"/policies", rules).want(201, "").text("id")
	for sql, c := range map[string]struct{ verdict, rule, rewritten, byName string }{
		"select email from customers":           {"mask", "ok", "[redacted]", "mask"},
		"select contact from contacts":          {"mask", "ok", "[redacted]", "allow"}, // names alone do not know the view
		"select count(*) from orders":           {"row-filter", "ok", "tenant_id = 42", "row-filter"},
		"select secret_total()":                 {"block", "function_not_allowed", "", "block"},
		"select id from contacts where contact": {"block", "masked_column_predicate", "", "allow"},
		"select * from nosuch":                  {"block", "table_not_allowed", "", "allow"},
	} {
		for _, by := range []object{{"policy_id": saved}, {"policy": rules}} {
			by["sql"] = sql
			r := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", by).want(200, "")
			rewritten, _ := r.body["rewritten_sql"].(string)
			if r.text("verdict") != c.verdict || r.text("rule") != c.rule || !strings.Contains(rewritten, c.rewritten) {
				t.Errorf("%s: %s", sql, r.raw)
			}
			if notes := notesOf(r); len(notes) != 0 {
				t.Errorf("%s: the schema was known, and yet %q", sql, notes)
			}
			s.holdsNoSecret(r)
		}
		r := s.send("POST", "/v1/projects/"+blind+"/policy-evaluations", object{"sql": sql, "policy": rules}).want(200, "")
		if r.text("verdict") != c.byName {
			t.Errorf("%s, by names alone: %s", sql, r.raw)
		}
	}
	for sql, rule := range map[string]string{"call settle(1)": "ok", "call no_such_procedure(1)": "statement_not_allowed"} {
		r := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"sql": sql, "policy": object{"name": "writer", "access_mode": "read_write"}}).want(200, "")
		if r.text("rule") != rule {
			t.Errorf("%s: %s", sql, r.raw)
		}
	}
	if list := s.send("GET", "/v1/projects/"+project+"/policies", nil).want(200, "").body["policies"].([]any); len(list) != 1 {
		t.Errorf("evaluations left policies: %v", list)
	}
}

// An evaluation that cannot reach the database is still one.
func TestEvaluationWithoutTheDatabase(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().(*net.TCPAddr).Port
	closed.Close()
	database, _ := startShop(t)

	for name, c := range map[string]struct {
		change object
		note   string
		wait   func(*Config)
	}{
		"refused":        {object{"port": nobody}, "connection refused", patient},
		"silent":         {object{"port": silent.Addr().(*net.TCPAddr).Port}, "timed out", func(c *Config) { c.SchemaTimeout = time.Second }},
		"wrong password": {object{"password": "canary-wrong"}, "password authentication failed", patient},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.wait)
			at := object{}
			for _, from := range []object{database, c.change} {
				for k, v := range from {
					at[k] = v
				}
			}
			project := s.projectOn(name, at)
			// Saving does not fail for it either.
			saved := s.send("POST", "/v1/projects/"+project+"/policies", object{
				"name": "support", "row_filters": []any{object{"table": "orders", "predicate": "no_such_column = 42"}},
			}).want(201, "")
			s.holdsNoSecret(saved)
			r := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"policy_id": saved.text("id"), "sql": "select id from orders"}).want(200, "")
			notes := notesOf(r)
			if r.text("verdict") != "row-filter" || len(notes) != 1 || !strings.HasPrefix(notes[0], "decided by names alone") || !strings.Contains(notes[0], c.note) {
				t.Errorf("%s", r.raw)
			}
			s.holdsNoSecret(r)
			if name == "silent" {
				return // each question takes its time
			}
			blocked := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"policy_id": saved.text("id"), "sql": "drop table orders"}).want(200, "")
			if blocked.text("rule") != "destructive_ddl" || len(notesOf(blocked)) != 1 {
				t.Errorf("a refusal by names alone: %s", blocked.raw)
			}
			// What needs no schema asks for none.
			plain := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"policy": object{"name": "d"}, "sql": "select 1"}).want(200, "")
			if len(notesOf(plain)) != 0 {
				t.Errorf("a policy without rules about tables: %s", plain.raw)
			}
		})
	}
}

func TestPredicatesBindToTheTableWhenAPolicyIsSaved(t *testing.T) {
	s := serve(t, patient)
	database, _ := startShop(t)
	project := s.projectOn("shop", database)
	path := "/v1/projects/" + project + "/policies"
	filters := func(list ...string) object {
		rules := object{"name": "filtered"}
		var all []any
		for i := 0; i < len(list); i += 2 {
			all = append(all, object{"table": list[i], "predicate": list[i+1]})
		}
		rules["row_filters"] = all
		return rules
	}
	id := s.send("POST", path, filters("orders", "tenant_id = 42 and id in (select id from customers)")).want(201, "").text("id")
	for name, c := range map[string]struct {
		rules object
		field string
		want  string
	}{
		"unknown column":            {filters("customers", "country = 'DE'", "orders", "tennant_id = 42"), "row_filters[1].predicate", "tennant_id"},
		"column of another table":   {filters("orders", "country = 'DE'"), "row_filters[0].predicate", "country"},
		"unbalanced":                {filters("orders", "true) or (true"), "row_filters[0].predicate", "balanced"},
		"column of a schema's view": {filters("public.contacts", "email is null"), "row_filters[0].predicate", "email"},
	} {
		t.Run(name, func(t *testing.T) {
			create := filters()
			create["row_filters"] = c.rules["row_filters"]
			create["name"] = "other"
			for _, r := range []*reply{
				s.send("POST", path, create), s.send("PUT", path+"/"+id, object{"row_filters": c.rules["row_filters"]}),
			} {
				if r.want(400, "INVALID_INPUT"); !strings.Contains(r.fields()[c.field], c.want) {
					t.Errorf("%s is not named: %s", c.field, r.raw)
				}
				s.holdsNoSecret(r)
			}
			r := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"sql": "select 1", "policy": create}).want(400, "INVALID_INPUT")
			if !strings.Contains(r.fields()["policy."+c.field], c.want) {
				t.Errorf("a draft: %s", r.raw)
			}
		})
	}
	if list := s.send("GET", path, nil).want(200, "").body["policies"].([]any); len(list) != 1 {
		t.Errorf("a refused policy was stored: %v", list)
	}
}

// A program may declare a policy before a migration makes the table.
func TestPolicyMayNameWhatIsNotThereYet(t *testing.T) {
	s := serve(t, patient)
	database, run := startShop(t)
	project := s.projectOn("shop", database)
	saved := s.send("POST", "/v1/projects/"+project+"/policies", object{
		"name": "early", "table_denylist": []any{"payroll"},
		"masking_rules": []any{object{"table": "customers", "column": "phone", "kind": "redact"}},
		"row_filters":   []any{object{"table": "invoices", "predicate": "tenant_id = 42"}},
	}).want(201, "").text("id")
	ask := func() *reply {
		t.Helper()
		return s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"policy_id": saved, "sql": "select id from customers"}).want(200, "")
	}
	want := []string{
		`table_denylist[0]: there is no table "payroll" in the database`,
		`masking_rules[0].column: table "customers" has no column "phone"`,
		`row_filters[0].table: there is no table "invoices" in the database`,
	}
	// A masked column that is not there may only have another name: until it is,
	// its table is closed.
	if r := ask(); r.text("rule") != "masked_column_expression" || !slices.Equal(notesOf(r), want) {
		t.Errorf("%s\nwant notes %q", r.raw, want)
	}
	run("alter table customers add phone text; create table payroll (id int); create table invoices (id int, tenant_id int)")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r := ask()
		if r.text("verdict") == "mask" && len(notesOf(r)) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the tables are there, and yet: %s", r.raw)
		}
	}
	// A schema that the policy does not fit any more: what the proxy would say.
	run("alter table invoices rename tenant_id to tenant")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r := ask()
		if r.text("verdict") == "block" && r.text("rule") == "row_filter_unsafe" && strings.Contains(r.text("reason"), "row_filters[0].predicate") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the filter does not bind, and yet: %s", r.raw)
		}
	}
}
