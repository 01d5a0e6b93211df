package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg/localpgtest"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// postgres is the upstream of all tests here. It takes TLS as well, with a
// certificate of upstreamCA for localhost.
var (
	postgres   *localpg.Server
	upstreamCA *authority
)

func TestMain(m *testing.M) {
	os.Exit(localpgtest.Main(m, &postgres, func(dir string) localpg.Options {
		upstreamCA = newAuthority()
		cert, key := write(dir, upstreamCA.issue("localhost"))
		return localpg.Options{
			Password: "upstream-secret",
			Settings: []string{"max_connections=200", "wal_level=logical", "ssl=on", "ssl_cert_file=" + cert, "ssl_key_file=" + key},
			HBA:      []string{"host replication all 127.0.0.1/32 scram-sha-256"},
		}
	}))
}

const testDomain = "proxy.test"

// deployment is a proxy over a store, with one organization.
type deployment struct {
	testing.TB
	store  store.Store
	server *Server
	ca     *authority
	addr   string
	mode   string // ssl_mode of databases
	log    *logBuffer

	passthrough bool // sessions are of a user of the upstream
}

func deploy(t testing.TB, change ...func(*Config)) *deployment {
	t.Helper()
	d := &deployment{TB: t, mode: "disable", ca: newAuthority(), log: &logBuffer{}}
	log := slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	keys, err := secret.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	d.store, err = store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "store.db"), keys, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.store.Close() })
	now := time.Now().UTC().Truncate(time.Microsecond)
	d.update(func(tx store.Tx) error {
		return tx.Organizations().Insert(store.Organization{ID: "org_1", Name: "Org", Slug: "org", CreatedAt: now, UpdatedAt: now})
	})
	cfg := Config{
		Store: d.store, Endpoint: domain.Endpoint{ProxyDomain: testDomain}, Log: log, Instance: "test", UpstreamRoots: upstreamCA.pool,
		TLS: &tls.Config{Certificates: []tls.Certificate{d.ca.issue("*."+testDomain, "db.example.com", testDomain)}},
	}
	for _, f := range change {
		f(&cfg)
	}
	d.start(cfg)
	return d
}

// start serves cfg until the test ends.
func (d *deployment) start(cfg Config) {
	d.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	s := New(cfg)
	d.server, d.addr = s, ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), ln) }()
	d.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
		if err := <-served; err != nil {
			d.Errorf("Serve returned %v", err)
		}
	})
}

func (d *deployment) update(fn func(tx store.Tx) error) {
	d.Helper()
	if err := d.store.Update(d.Context(), fn); err != nil {
		d.Fatal(err)
	}
}

// project inserts a project over the test's PostgreSQL.
func (d *deployment) project(name string, change ...func(*store.Project, *store.Database)) store.Project {
	d.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	p := store.Project{
		ID: store.NewID("prj"), OrgID: "org_1", Name: name, Cloud: "aws", Subdomain: store.NewSubdomain(),
		Residency: "any", Status: "active", CreatedAt: now, UpdatedAt: now,
	}
	db := store.Database{
		ID: store.NewID("db"), Host: "localhost", Port: postgres.Port, Name: "postgres",
		Username: "postgres", Password: secret.NewText(postgres.Password), SSLMode: d.mode, Role: "primary",
		Pool: store.PoolConfig{PoolSize: 10, MinPoolSize: 1, PoolMode: "transaction", MaxActive: 200}, CreatedAt: now, UpdatedAt: now,
	}
	for _, f := range change {
		f(&p, &db)
	}
	db.ProjectID = p.ID
	d.update(func(tx store.Tx) error {
		if err := tx.Projects().Insert(p); err != nil {
			return err
		}
		return tx.Databases().Insert(db)
	})
	return p
}

// login is an issued credential with its password.
type login struct {
	store.Credential
	password string
	host     string
}

// credential issues a login; rules nil is read_write without any rule.
func (d *deployment) credential(p store.Project, rules *store.PolicyRules, change ...func(*store.Credential)) login {
	d.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	if rules == nil {
		rules = &store.PolicyRules{AccessMode: "read_write", WriteMode: "normal", ApprovalMode: "off", MigrationSafety: "off"}
	}
	policy := store.Policy{ID: store.NewID("pol"), ProjectID: p.ID, Name: "policy-" + store.NewSubdomain(), Rules: *rules, CreatedAt: now, UpdatedAt: now}
	password := secret.NewPassword()
	verifier, err := secret.NewVerifier(password)
	if err != nil {
		d.Fatal(err)
	}
	c := store.Credential{
		ID: store.NewID("agt"), ProjectID: p.ID, PolicyID: policy.ID, Name: "agent-" + store.NewSubdomain(), PgUsername: store.NewPgUsername(),
		Status: "active", PrincipalType: "agent", AuthMethod: "scram-sha-256", Verifier: verifier, Generation: 1, CreatedAt: now, UpdatedAt: now,
	}
	for _, f := range change {
		f(&c)
	}
	d.update(func(tx store.Tx) error {
		if err := tx.Policies().Insert(policy); err != nil {
			return err
		}
		return tx.Credentials().Insert(c)
	})
	return login{c, password.Reveal(), p.Subdomain + "." + testDomain}
}

// change updates the stored credential.
func (d *deployment) change(l login, f func(*store.Credential)) {
	d.Helper()
	d.update(func(tx store.Tx) error {
		c, err := tx.Credentials().Get(l.ProjectID, l.ID)
		if err != nil {
			return err
		}
		f(&c)
		return tx.Credentials().Update(c)
	})
}

func (d *deployment) changeProject(p store.Project, f func(*store.Project)) {
	d.Helper()
	d.update(func(tx store.Tx) error {
		row, err := tx.Projects().Get("", p.ID)
		if err != nil {
			return err
		}
		f(&row)
		return tx.Projects().Update(row)
	})
}

// config is a client's configuration: host is the server name it asks for,
// "" sends none.
func (d *deployment) config(host, user, password, database string, query ...string) *pgx.ConnConfig {
	d.Helper()
	q := "sslmode=disable"
	for _, s := range query {
		q += "&" + s
	}
	c, err := pgx.ParseConfig("postgresql://" + url.UserPassword(user, password).String() + "@" + d.addr + "/" + database + "?" + q)
	if err != nil {
		d.Fatal(err)
	}
	c.TLSConfig = &tls.Config{ServerName: host, RootCAs: d.ca.pool}
	if host == "" {
		c.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	}
	c.Fallbacks = nil
	c.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		readers.Store(w, r)
		return pgproto3.NewFrontend(r, w)
	}
	return c
}

// readers are what the driver reads its connections with. Once a write was slow
// it does so in the background, and what it has got then comes from there alone.
var readers sync.Map

// rawConn is a client's connection, to be spoken on past its driver.
type rawConn struct{ *tls.Conn }

func rawOf(conn *pgx.Conn) rawConn { return rawConn{conn.PgConn().Conn().(*tls.Conn)} }

func (c rawConn) Read(b []byte) (int, error) {
	r, _ := readers.Load(c.Conn)
	return r.(io.Reader).Read(b)
}

func (d *deployment) as(l login) *pgx.ConnConfig {
	return d.config(l.host, l.PgUsername, l.password, "postgres")
}

// connect opens a connection that the test closes.
func (d *deployment) connect(c *pgx.ConnConfig) *pgx.Conn {
	d.Helper()
	conn, err := pgx.ConnectConfig(d.Context(), c)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		conn.Close(ctx)
	})
	return conn
}

// refused tries to connect and returns what the server said against it.
func (d *deployment) refused(c *pgx.ConnConfig) *pgconn.PgError {
	d.Helper()
	conn, err := pgx.ConnectConfig(d.Context(), c)
	if err == nil {
		conn.Close(d.Context())
		d.Fatalf("%s was let in", c.User)
	}
	return asPgError(d.TB, err)
}
