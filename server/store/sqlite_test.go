package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestSQLiteFileIsPrivateWhateverItsName(t *testing.T) {
	for _, name := range []string{"pgbeam.db", "with space.db", "50%?.db", "a#b&c=d.db", "日本.db", filepath.Join("new folder", "x.db")} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			db := testDB{engine: "sqlite", url: "sqlite:" + path, path: path, keys: newKeys(t)}
			s := db.open(t)
			seed(t, s)
			files, err := os.ReadDir(filepath.Dir(path))
			if err != nil {
				t.Fatal(err)
			}
			if len(files) != 3 { // the database, -wal and -shm
				t.Errorf("files: %v", files)
			}
			for _, f := range files {
				st, err := f.Info()
				if err != nil {
					t.Fatal(err)
				}
				if st.Mode().Perm() != 0o600 || !strings.HasPrefix(f.Name(), filepath.Base(path)) {
					t.Errorf("%s has mode %04o", f.Name(), st.Mode().Perm())
				}
			}
		})
	}
}

func TestSQLiteRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := Open(t.Context(), "sqlite:pgbeam.db", newKeys(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := os.Stat("pgbeam.db"); err != nil {
		t.Error(err)
	}
}

func TestSQLiteSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgbeam.db")
	db := testDB{engine: "sqlite", url: "sqlite:" + path, path: path, keys: newKeys(t)}
	e := db.open(t).engine.(*sqliteEngine)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
		var got string
		if err := e.w.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s of the writer is %q, want %q; %v", pragma, got, want, err)
		}
	}
	if _, err := e.r.Exec("DELETE FROM projects"); err == nil {
		t.Error("a reader can write")
	}
}

func TestOpenRefuses(t *testing.T) {
	keys := newKeys(t)
	notADatabase := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notADatabase, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]string{
		"":                        `must begin with "sqlite:"`,
		"pgbeam.db":               `must begin with "sqlite:"`,
		"mysql://u:canary@h/d":    `must begin with "sqlite:"`,
		"sqlite:":                 "names no file",
		"sqlite:" + notADatabase:  "not a database",
		"postgres://u:canary@%zz": "",
		"postgres://u:canary@127.0.0.1:1/d?sslmode=disable&connect_timeout=2": "",
	} {
		s, err := Open(t.Context(), url, keys, nil)
		if err == nil {
			s.Close()
			t.Errorf("%q opened", url)
			continue
		}
		if s != nil {
			t.Errorf("%q: a store beside the error", url)
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"), nil, nil); err == nil {
		t.Error("opened without a keyring")
	}
}

func TestPing(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Ping(ctx); err == nil {
			t.Error("answered after the context ended")
		}
	})
}

// Several processes that start on an empty database at once.
func TestOpenTogether(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				s, err := Open(t.Context(), db.url, db.keys, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		seed(t, db.open(t))
	})
}
