package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		writeUntilKilled(url)
		return
	}
	if url := os.Getenv(childLeases); url != "" {
		leaseUntilKilled(url)
		return
	}
	code := m.Run()
	if err := stopPostgres(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// testDB is an empty database of one engine, which any number of stores may
// open.
type testDB struct {
	engine string // "sqlite", "postgres"
	url    string
	path   string // of the SQLite file
	keys   *secret.Keyring
}

// eachEngine runs a test of the contract against both engines.
func eachEngine(t *testing.T, test func(t *testing.T, db testDB)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "pgbeam.db")
		test(t, testDB{engine: "sqlite", url: "sqlite:" + path, path: path, keys: newKeys(t)})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, testDB{engine: "postgres", url: newPostgresDatabase(t), keys: newKeys(t)})
	})
}

func newKeys(t testing.TB) *secret.Keyring {
	t.Helper()
	keys, err := secret.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// open opens one more store on the database, as another process would.
func (db testDB) open(t testing.TB) *store {
	t.Helper()
	s, err := open(t.Context(), db.url, db.keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := s.engine.(*sqliteEngine); ok {
		e.every = 20 * time.Millisecond
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// raw is the database without the store in front of it.
func (db testDB) raw(t testing.TB) *sql.DB {
	t.Helper()
	driver, source := "pgx", db.url
	if db.engine == "sqlite" {
		driver, source = "sqlite", sqliteDSN(db.path, "deferred", "synchronous(FULL)")
	}
	raw, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return raw
}

var postgres struct {
	start  sync.Once
	server *localpg.Server
	dir    string
	err    error
	made   atomic.Int64
}

func newPostgresDatabase(t testing.TB) string {
	t.Helper()
	postgres.start.Do(func() {
		if postgres.dir, postgres.err = os.MkdirTemp("", "pgbeam-store"); postgres.err != nil {
			return
		}
		// Not t.Context(): the server outlives the test that needs it first. That
		// process dies, not PostgreSQL, so fsync would only cost time.
		postgres.server, postgres.err = localpg.Start(context.Background(), localpg.Options{
			Dir: postgres.dir, Password: "store test", Settings: []string{"fsync=off", "max_connections=300"},
		})
	})
	if postgres.err != nil {
		t.Fatal(postgres.err)
	}
	name := fmt.Sprintf("store_%d", postgres.made.Add(1))
	conn, err := pgx.Connect(t.Context(), postgresURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return postgresURL(name)
}

func postgresURL(database string) string {
	s := postgres.server
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(s.User, s.Password),
		Host: fmt.Sprintf("%s:%d", s.Host, s.Port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

func stopPostgres() error {
	defer os.RemoveAll(postgres.dir)
	if postgres.server == nil {
		return nil
	}
	return postgres.server.Stop()
}
