package store

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg/localpgtest"
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
	os.Exit(localpgtest.Main(m, &postgres, func(string) localpg.Options {
		return localpg.Options{Password: "store test", Settings: []string{"max_connections=300"}}
	}))
}

var postgres *localpg.Server

func newPostgresDatabase(t testing.TB) string {
	return postgres.URL(localpgtest.Database(t, postgres))
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
		driver, source = "sqlite", sqliteDSN(db.path, "deferred", sqlitePatience, "synchronous(FULL)")
	}
	raw, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return raw
}
