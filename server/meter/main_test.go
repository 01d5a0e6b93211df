package meter

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg/localpgtest"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

var postgres *localpg.Server

func TestMain(m *testing.M) {
	os.Exit(localpgtest.Main(m, &postgres, func(string) localpg.Options {
		return localpg.Options{Password: "meter test", Settings: []string{"max_connections=300"}}
	}))
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
		test(t, opens(t, postgres.URL(localpgtest.Database(t, postgres))))
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
