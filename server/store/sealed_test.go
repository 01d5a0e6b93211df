package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// stored is everything the database holds, byte for byte: of SQLite its
// files, of PostgreSQL all rows of all tables.
func (db testDB) stored(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	if db.engine == "sqlite" {
		files, err := filepath.Glob(db.path + "*")
		if err != nil || len(files) == 0 {
			t.Fatalf("files %v, %v", files, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(b)
		}
		return out.Bytes()
	}
	raw := db.raw(t)
	var tables []string
	rows, err := raw.Query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		// Escape form keeps printable bytes of bytea readable.
		rows, err := raw.Query("SELECT t::text FROM (SELECT set_config('bytea_output', 'escape', true)) AS c, " + table + " AS t")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var row string
			if err := rows.Scan(&row); err != nil {
				t.Fatal(err)
			}
			out.WriteString(row)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestNoSecretIsStoredInClear(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		update(t, s, func(tx Tx) error {
			return first(
				tx.Databases().Update(aDatabase(prj1, 1)),
				tx.KeepResponse(IdempotentResponse{OrgID: org1, Key: "k", ResourceID: "x", Status: 201, Body: []byte("canary-response"), CreatedAt: time.Now()}),
			)
		})
		stored := db.stored(t)
		if !bytes.Contains(stored, []byte("db.example.com")) {
			t.Fatal("the search does not see what is stored")
		}
		if i := bytes.Index(stored, []byte("canary")); i >= 0 {
			t.Errorf("secret in clear: %q", stored[i:i+30])
		}
	})
}

func TestSealedValueDoesNotOpenInAnotherRow(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		update(t, s, func(tx Tx) error { return tx.Databases().Insert(aDatabase(prj1, 2)) })
		_, err := db.raw(t).Exec("UPDATE databases SET password = (SELECT d.password FROM databases AS d WHERE d.id = '" + db1 + "') WHERE id <> '" + db1 + "'")
		if err != nil {
			t.Fatal(err)
		}
		err = s.View(t.Context(), func(tx Tx) error { return second(tx.Databases().Get(prj1, aDatabase(prj1, 2).ID)) })
		if !errors.Is(err, secret.ErrOpen) {
			t.Errorf("swapped password opened: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("error holds the secret: %v", err)
		}
	})
}

func TestResealAfterRotation(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		const more = resealBatch + 50 // more than one batch
		update(t, s, func(tx Tx) error {
			for i := range more {
				if err := tx.Webhooks().Insert(aWebhook(prj1, 10+i)); err != nil {
					return err
				}
			}
			w := aWebhook(prj1, 5)
			w.Secret = secret.Text{}
			return first(tx.Webhooks().Insert(w),
				tx.KeepResponse(IdempotentResponse{OrgID: org1, Key: "k", ResourceID: "x", Status: 201, Body: []byte("body"), CreatedAt: time.Now()}))
		})
		before := revision(t, s, prj1)
		if err := db.keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		n, err := s.Reseal(t.Context())
		if err != nil || n != more+3 {
			t.Fatalf("resealed %d values, want %d: %v", n, more+3, err)
		}
		if n, err := s.Reseal(t.Context()); err != nil || n != 0 {
			t.Errorf("resealed %d values again: %v", n, err)
		}
		if err := db.keys.DropOld(); err != nil {
			t.Fatal(err)
		}
		if got := revision(t, s, prj1); got != before {
			t.Errorf("resealing is no configuration change, revision went from %d to %d", before, got)
		}
		view(t, s, func(tx Tx) error {
			d, err1 := tx.Databases().Get(prj1, db1)
			same(t, "database", d, aDatabase(prj1, 1))
			all, _, _, err2 := tx.Webhooks().List(prj1, Page{})
			for _, w := range all {
				if want := fmt.Sprint("canary-webhook-", strings.TrimPrefix(w.ID, "whk_")); w.ID != aWebhook(prj1, 5).ID && w.Secret.Reveal() != strings.Replace(want, "_1_1_", "_1_1-", 1) {
					t.Fatalf("secret of %s is %q, want %q", w.ID, w.Secret.Reveal(), want)
				}
			}
			r, err3 := tx.Idempotent(org1, "k")
			if string(r.Body) != "body" {
				t.Errorf("kept response is %q", r.Body)
			}
			return first(err1, err2, err3)
		})
	})
}

// Lost otherwise: a value that was sealed before the rotation and committed
// after the resealing, when the old key is dropped next.
func TestResealWaitsForWritersUnderTheOldKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s, cli := db.open(t), db.open(t)
		seed(t, s)
		written, commit := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			err := s.Update(t.Context(), func(tx Tx) error {
				if err := tx.Webhooks().Insert(aWebhook(prj1, 2)); err != nil {
					return err
				}
				close(written)
				<-commit
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-written
		if err := db.keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		resealed := make(chan int)
		wg.Go(func() {
			n, err := cli.Reseal(t.Context())
			if err != nil {
				t.Error(err)
			}
			resealed <- n
		})
		if db.engine == "postgres" {
			waitForLock(t, db)
		}
		close(commit)
		if n := <-resealed; n != 3 {
			t.Errorf("resealed %d values, want the password, the old secret and the one just written", n)
		}
		wg.Wait()
		if err := db.keys.DropOld(); err != nil {
			t.Fatal(err)
		}
		view(t, s, func(tx Tx) error {
			return first(second(tx.Webhooks().Get(prj1, aWebhook(prj1, 2).ID)), second(tx.Snapshot(prj1)))
		})
	})
}

// waitForLock returns once a PostgreSQL session waits for a lock of another.
func waitForLock(t *testing.T, db testDB) {
	t.Helper()
	raw := db.raw(t)
	for deadline := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		var waiting bool
		err := raw.QueryRow(`SELECT count(*) > 0 FROM pg_locks WHERE NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting {
			return
		}
		if time.Now().After(deadline) {
			t.Error("nobody waits for the other's lock")
			return
		}
	}
}
