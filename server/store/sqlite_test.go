package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "200"} {
		var got string
		if err := e.w.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s of the writer is %q, want %q; %v", pragma, got, want, err)
		}
	}
	if _, err := e.r.Exec("DELETE FROM projects"); err == nil {
		t.Error("a reader can write")
	}
}

// A writer waits for one of another process for as long as its context lets it,
// and is done then, or when the other one is.
func TestSQLiteWriterWaitsForOtherProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgbeam.db")
	s, err := Open(t.Context(), "sqlite:"+path, newKeys(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	other, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for name, write := range map[string]func(context.Context) error{
		"change": func(ctx context.Context) error { return s.Update(ctx, func(Tx) error { return nil }) },
		"lease": func(ctx context.Context) error {
			_, err := s.LeaseBudget(ctx, BudgetRequest{Subject: "agt_1", Need: 1})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := lock.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
				t.Fatal(err)
			}
			short, cancel := context.WithTimeout(t.Context(), 2*sqliteWriterWaits)
			defer cancel()
			if err := write(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("while the other one writes: %v", err)
			}
			long, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			written := make(chan error, 1)
			go func() { written <- write(long) }()
			select {
			case err := <-written:
				t.Errorf("it did not wait: %v", err)
			case <-time.After(3 * sqliteWriterWaits): // SQLite itself has given up by now
			}
			if _, err := lock.ExecContext(t.Context(), "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			if err := <-written; err != nil {
				t.Errorf("when the other one was done: %v", err)
			}
		})
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
