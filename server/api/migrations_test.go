package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMigrationLintSaysWhatIsUnsafe(t *testing.T) {
	s := serve(t)
	project, database := s.newProject("shop")
	path := "/v1/projects/" + project + "/migrations:lint"
	got := s.send("POST", path, object{"sql": "begin;\ncreate index orders_status on orders (status);\ncommit", "database_id": database}).want(200, "").body
	want := object{"safe": false, "findings": []any{object{
		"severity":  "error",
		"rule":      "missing_concurrently",
		"message":   "CREATE INDEX blocks writes to orders until the index is built",
		"statement": "create index orders_status on orders (status)",
		"hint":      "use CREATE INDEX CONCURRENTLY, outside a transaction",
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMigrationIsSafeUnlessAFindingIsAnError(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/migrations:lint"
	for sql, c := range map[string]struct {
		safe     bool
		findings int
	}{
		"create index concurrently i on t (a)":    {true, 0},
		"alter table t rename to u":               {true, 1},
		"alter table t rename to u; drop table u": {false, 2},
		"alter tabel t":                           {false, 1},
		"-- nothing":                              {true, 0},
		"insert into t values ('" + strings.Repeat("x", 1<<20-30) + "')": {true, 0},
	} {
		r := s.send("POST", path, object{"sql": sql}).want(200, "")
		if r.body["safe"] != c.safe || len(r.body["findings"].([]any)) != c.findings {
			t.Errorf("%.60s: %.300s", sql, r.raw)
		}
	}
}

func TestMigrationLintRefusesWhatItCannotPlace(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	_, elsewhere := s.newProject("other")
	path := "/v1/projects/" + project + "/migrations:lint"
	for name, c := range map[string]struct {
		path   string
		body   object
		status int
		code   string
	}{
		"no SQL":                         {path, object{}, 400, "INVALID_INPUT"},
		"empty SQL":                      {path, object{"sql": ""}, 400, "INVALID_INPUT"},
		"too long":                       {path, object{"sql": strings.Repeat("x", 1<<20+1)}, 400, "INVALID_INPUT"},
		"unknown project":                {"/v1/projects/prj_x/migrations:lint", object{"sql": "select 1"}, 404, "NOT_FOUND"},
		"unknown database":               {path, object{"sql": "select 1", "database_id": "db_x"}, 404, "NOT_FOUND"},
		"database of another project":    {path, object{"sql": "select 1", "database_id": elsewhere}, 404, "NOT_FOUND"},
		"a member that it does not know": {path, object{"sql": "select 1", "dialect": "mysql"}, 400, "INVALID_INPUT"},
	} {
		t.Run(name, func(t *testing.T) { s.send("POST", c.path, c.body).want(c.status, c.code) })
	}
}

// A repetition with the same key is answered from memory, as of every POST.
func TestMigrationLintHonoursTheIdempotencyKey(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/migrations:lint"
	first := s.send("POST", path, object{"sql": "drop table t"}, idempotent("k")).want(200, "")
	again := s.send("POST", path, object{"sql": "drop table t"}, idempotent("k")).want(200, "")
	if string(first.raw) != string(again.raw) {
		t.Errorf("%s, then %s", first.raw, again.raw)
	}
}
