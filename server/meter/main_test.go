package meter

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if postgres.server != nil {
		if err := postgres.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(postgres.dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// opener opens one more store on a test's database, as another process would.
type opener func() store.Store

// eachStore runs a test against both kinds of store. It waits out the end of
// an hour that would come in the middle of the test.
func eachStore(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	if left := time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)); left < 20*time.Second {
		time.Sleep(left + time.Second)
	}
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, opens(t, sqliteURL(t)))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, opens(t, postgresDatabase(t)))
	})
}

func opens(t testing.TB, url string) opener {
	t.Helper()
	keys, err := secret.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	return func() store.Store {
		s, err := store.Open(context.Background(), url, keys, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
}

func sqliteURL(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "pgbeam.db") }

var postgres struct {
	start  sync.Once
	server *localpg.Server
	dir    string
	err    error
	made   atomic.Int64
}

func postgresDatabase(t testing.TB) string {
	t.Helper()
	postgres.start.Do(func() {
		if postgres.dir, postgres.err = os.MkdirTemp("", "pgbeam-meter"); postgres.err != nil {
			return
		}
		// Not t.Context(): the server outlives the test that needs it first.
		postgres.server, postgres.err = localpg.Start(context.Background(), localpg.Options{
			Dir: postgres.dir, Password: "meter test", Settings: []string{"fsync=off", "max_connections=300"},
		})
	})
	if postgres.err != nil {
		t.Fatal(postgres.err)
	}
	s := postgres.server
	at := func(database string) string {
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword(s.User, s.Password),
			Host: fmt.Sprintf("%s:%d", s.Host, s.Port), Path: "/" + database, RawQuery: "sslmode=disable",
		}
		return u.String()
	}
	conn, err := pgx.Connect(t.Context(), at("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	name := fmt.Sprintf("meter_%d", postgres.made.Add(1))
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return at(name)
}
