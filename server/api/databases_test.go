package api

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func TestDatabasePatchChangesOnlyWhatItMentions(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	body := object{
		"host": "10.0.0.5", "port": 6432, "name": "app", "username": "owner", "password": "first",
		"ssl_mode": "require", "role": "replica", "pool_region": "eu-west-1", "query_timeout_ms": 5000, "auto_read_routing": true,
		"cache_config": object{"enabled": true, "ttl_seconds": 1, "max_entries": 2, "swr_seconds": 3},
		"pool_config":  object{"pool_size": 20, "min_pool_size": 2, "pool_mode": "session", "max_active": 40},
	}
	path := "/v1/projects/" + project + "/databases"
	created := s.send("POST", path, body).want(201, "")
	path += "/" + created.text("id")
	got := s.send("PATCH", path, object{"port": 5433, "password": "", "username": "", "pool_config": object{"pool_size": 30, "min_pool_size": 2, "pool_mode": "session"}}).want(200, "").body
	want := created.body
	want["port"], want["updated_at"] = 5433.0, got["updated_at"]
	want["pool_config"].(object)["pool_size"] = 30.0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after PATCH (-want +got):\n%s", diff)
	}
	if got := s.password(created.text("id")); got != "first" {
		t.Error("an empty password replaced the stored one")
	}
	s.send("PATCH", path, object{"password": "second"}).want(200, "")
	if got := s.password(created.text("id")); got != "second" {
		t.Error("the password was not replaced")
	}
	for field, body := range map[string]object{
		"host":                      {"host": "a b"},
		"port":                      {"port": 0},
		"pool_config.min_pool_size": {"pool_config": object{"pool_size": 1, "min_pool_size": 2, "pool_mode": "session"}},
		"project_id":                {"project_id": "x"},
	} {
		if r := s.send("PATCH", path, body).want(400, "INVALID_INPUT"); r.fields()[field] == "" {
			t.Errorf("%s is not named: %s", field, r.raw)
		}
	}
}

// password reads what the proxy logs in with.
func (s *service) password(database string) (plain string) {
	s.t.Helper()
	err := s.store.View(s.t.Context(), func(tx store.Tx) error {
		d, err := tx.Databases().Get("", database)
		plain = d.Password.Reveal()
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return plain
}

func TestDefaultSSLMode(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "prefer", "LOCALHOST.": "prefer", "db.localhost": "prefer", "127.0.0.1": "prefer", "127.9.9.9": "prefer", "::1": "prefer",
		"10.1.2.3": "prefer", "172.16.0.1": "prefer", "192.168.1.1": "prefer", "fd00::1": "prefer", "169.254.1.1": "prefer", "::ffff:10.0.0.1": "prefer",
		"db.example.com": "verify-full", "203.0.113.7": "verify-full", "2001:db8::1": "verify-full", "172.32.0.1": "verify-full",
		"localhost.example.com": "verify-full", "postgres": "verify-full",
	} {
		if got := defaultSSLMode(host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

func TestHostsOfUpstreams(t *testing.T) {
	for _, host := range []string{"db", "db.example.com", "db.example.com.", "my_db-1", "127.0.0.1", "::1", "2001:db8::1", strings.Repeat("a", 60) + ".example.com"} {
		if wrong := checkHost(host, "host"); wrong != nil {
			t.Errorf("%s is refused: %v", host, wrong)
		}
	}
	for _, host := range []string{"", "/var/run/postgresql", "postgres://db", "db:5432", "[::1]", "a..b", "-db", "db-", "a,b", "user@db", strings.Repeat("a.", 127) + "com"} {
		if checkHost(host, "host") == nil {
			t.Errorf("%s is admitted", host)
		}
	}
}

func TestConnectionStringSaysHowToFindTheProject(t *testing.T) {
	s := serve(t, func(c *Config) {
		c.Endpoint = domain.Endpoint{Host: "localhost", Port: 6432, MCPBase: "https://localhost:8443"}
	})
	project, database := s.newProject("shop")
	got := s.send("GET", "/v1/projects/"+project+"/databases/"+database, nil).text("connection_string")
	if !strings.HasPrefix(got, "postgresql://app:YOUR_PASSWORD@localhost:6432/app?") || !strings.Contains(got, "options=project%3D") {
		t.Errorf("without a proxy domain: %s", got)
	}
}

func TestDeletedDatabaseIsGoneWithItsReplicas(t *testing.T) {
	s := serve(t)
	project, database := s.newProject("shop")
	s.send("POST", "/v1/databases/"+database+"/replicas", object{"host": "r", "port": 5432}).want(201, "")
	path := "/v1/projects/" + project + "/databases/" + database
	s.send("DELETE", path, nil).want(204, "")
	s.send("DELETE", path, nil).want(404, "NOT_FOUND")
	s.send("GET", path, nil).want(404, "NOT_FOUND")
	s.send("GET", "/v1/databases/"+database+"/replicas", nil).want(404, "NOT_FOUND")
}

func TestReplicas(t *testing.T) {
	s := serve(t)
	_, database := s.newProject("shop")
	path := "/v1/databases/" + database + "/replicas"
	r := s.send("POST", path, object{"host": "replica.example.com", "port": 5432}).want(201, "")
	if r.text("database_id") != database || r.text("ssl_mode") != "verify-full" {
		t.Errorf("replica: %s", r.raw)
	}
	for range 25 { // the list has no pages
		s.send("POST", path, object{"host": strings.ToLower(store.NewSubdomain()) + ".example.com", "port": 5432, "ssl_mode": "disable"}).want(201, "")
	}
	if n := len(s.send("GET", path, nil).want(200, "").field("replicas").([]any)); n != 26 {
		t.Errorf("the list has %d replicas", n)
	}
	s.send("POST", path, object{"host": "replica.example.com", "port": 5432}).want(409, "CONFLICT")
	s.send("POST", path, object{"host": "a/b", "port": 5432}).want(400, "INVALID_INPUT")
	s.send("DELETE", path+"/"+r.text("id"), nil).want(204, "")
	s.send("DELETE", path+"/"+r.text("id"), nil).want(404, "NOT_FOUND")
}

func TestConnectionTestReportsAndNeverFails(t *testing.T) {
	dir := t.TempDir()
	pg, err := localpg.Start(t.Context(), localpg.Options{Dir: dir, Password: "postgres-s3cret"})
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
		if err := localpg.Remove(dir); err != nil {
			t.Error(err)
		}
	})

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().(*net.TCPAddr).Port
	closed.Close()

	s := serve(t)
	test := func(name string, change object) *reply {
		t.Helper()
		db := object{"host": "127.0.0.1", "port": pg.Port, "name": "postgres", "username": pg.User, "password": pg.Password, "ssl_mode": "prefer"}
		for k, v := range change {
			db[k] = v
		}
		r := s.send("POST", "/v1/projects", object{"name": name, "org_id": s.org, "database": db}).want(201, "")
		return s.send("POST", "/v1/projects/"+r.text("project.id")+"/databases/"+r.text("database.id")+"/test-connection", nil, idempotent(name)).want(200, "")
	}
	good := test("good", nil)
	if good.field("ok") != true || good.text("server_version") == "" || good.field("latency_ms").(float64) <= 0 {
		t.Errorf("a good connection: %s", good.raw)
	}
	for name, c := range map[string]struct {
		change object
		want   string
	}{
		"password": {object{"password": "wr0ng-s3cret"}, "28P01"},
		"database": {object{"name": "nosuch"}, "3D000"},
		"port":     {object{"port": nobody}, "refused"},
		"tls":      {object{"ssl_mode": "verify-full"}, "SQLSTATE"},
	} {
		r := test(name, c.change)
		if r.field("ok") != false || r.field("latency_ms") != nil || !strings.Contains(r.text("error"), c.want) {
			t.Errorf("%s: %s", name, r.raw)
		}
		if strings.Contains(string(r.raw), "wr0ng-s3cret") || strings.Contains(string(r.raw), pg.Password) {
			t.Errorf("%s: the password is in the answer", name)
		}
	}
}
