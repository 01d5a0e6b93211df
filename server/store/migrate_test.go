package store

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

var record = flag.Bool("update", false, "record the contents of a store of the newest schema version, unless that was done before")

// recording is all that a store of one schema version held, made by seed. It
// is never made again: it is what users of that version have.
type recording struct {
	Keys   string          // keyring, in base64; made for this test
	Tables []recordedTable // parents first
}

type recordedTable struct {
	Name string
	Rows []map[string]any // blobs as {"hex": "…"}
}

func recordingPath(version int64) string {
	return filepath.Join("testdata", fmt.Sprintf("version-%d.json", version))
}

func knownVersions(t *testing.T) []int64 {
	t.Helper()
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var out []int64
	for _, f := range files {
		v, err := goose.NumericComponent(filepath.Base(f))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

func TestStoreOfEveryVersionMigrates(t *testing.T) {
	versions := knownVersions(t)
	newest := versions[len(versions)-1]
	if _, err := os.Stat(recordingPath(newest)); *record && errors.Is(err, fs.ErrNotExist) {
		makeRecording(t, newest)
	}
	for _, version := range versions {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			raw, err := os.ReadFile(recordingPath(version))
			if err != nil {
				t.Fatalf("run go test -update to record what a store of this version holds: %v", err)
			}
			var rec recording
			if err := json.Unmarshal(raw, &rec); err != nil {
				t.Fatal(err)
			}
			eachEngine(t, func(t *testing.T, db testDB) {
				keys, err := secret.ParseKeyring(rec.Keys)
				if err != nil {
					t.Fatal(err)
				}
				db.keys = keys
				old := db.raw(t)
				dialect := goose.DialectPostgres
				if db.engine == "sqlite" {
					dialect = goose.DialectSQLite3
				}
				if err := migrateTo(t.Context(), dialect, old, version); err != nil {
					t.Fatal(err)
				}
				rec.insert(t, db, old)
				old.Close()

				migrated := contents(t, db.open(t))
				fresh := testDB{engine: "sqlite", path: filepath.Join(t.TempDir(), "fresh.db"), keys: newKeys(t)}
				fresh.url = "sqlite:" + fresh.path
				s := fresh.open(t)
				seed(t, s)
				same(t, "migrated store against a fresh one", migrated, contents(t, s))
			})
		})
	}
}

// everything is what a store that seed filled shows.
type everything struct {
	Snapshot    Snapshot
	Keys        []Key
	Enrollments []Enrollment
	Webhooks    []Webhook
}

func contents(t *testing.T, s Store) (e everything) {
	t.Helper()
	view(t, s, func(tx Tx) (err error) {
		var err1, err2, err3 error
		e.Keys, _, _, err1 = tx.Keys().List(org1, Page{})
		e.Enrollments, _, _, err2 = tx.Enrollments().List(org1, Page{})
		e.Webhooks, _, _, err3 = tx.Webhooks().List(prj1, Page{})
		e.Snapshot, err = tx.Snapshot(prj1)
		return first(err, err1, err2, err3)
	})
	return e
}

func makeRecording(t *testing.T, version int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pgbeam.db")
	db := testDB{engine: "sqlite", url: "sqlite:" + path, path: path, keys: newKeys(t)}
	seed(t, db.open(t))
	keys, err := db.keys.Encode()
	if err != nil {
		t.Fatal(err)
	}
	rec := recording{Keys: keys.Reveal()}
	raw := db.raw(t)
	tables := query(t, raw, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY rowid")
	for _, table := range tables {
		name := table["name"].(string)
		rows := query(t, raw, "SELECT * FROM "+name)
		for _, row := range rows {
			for c, v := range row {
				if b, ok := v.([]byte); ok {
					row[c] = map[string]any{"hex": hex.EncodeToString(b)}
				}
			}
		}
		rec.Tables = append(rec.Tables, recordedTable{Name: name, Rows: rows})
	}
	out, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recordingPath(version), append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, db *sql.DB, q string) (out []map[string]any) {
	t.Helper()
	rows, err := db.Query(q)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	types, typesErr := rows.ColumnTypes()
	if err = first(err, typesErr); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, dests := make([]any, len(names)), make([]any, len(names))
		for i := range dests {
			dests[i] = &values[i]
		}
		if err := rows.Scan(dests...); err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for i, n := range names {
			row[n] = values[i]
			if types[i].DatabaseTypeName() == "BOOLEAN" { // SQLite has numbers for them, PostgreSQL has not
				row[n] = values[i] == int64(1) || values[i] == true
			}
		}
		out = append(out, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func (rec recording) insert(t *testing.T, db testDB, raw *sql.DB) {
	t.Helper()
	for _, table := range rec.Tables {
		for _, row := range table.Rows {
			names := slices.Sorted(maps.Keys(row))
			var marks []string
			var args []any
			for i, n := range names {
				v := row[n]
				switch x := v.(type) {
				case map[string]any:
					b, err := hex.DecodeString(x["hex"].(string))
					if err != nil {
						t.Fatal(err)
					}
					v = b
				case float64:
					if x == float64(int64(x)) {
						v = int64(x)
					}
				}
				marks, args = append(marks, fmt.Sprintf("$%d", i+1)), append(args, v)
			}
			q := "INSERT INTO " + table.Name + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
			if _, err := raw.Exec(q, args...); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		seed(t, db.open(t))
		if _, err := db.raw(t).Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)"); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), db.url, db.keys, nil)
		if err == nil {
			s.Close()
			t.Fatal("a store of a later version opened")
		}
		if !strings.Contains(err.Error(), "schema version 9999") || !strings.Contains(err.Error(), "run a pgbeam at least as new") {
			t.Errorf("error without remedy: %v", err)
		}
	})
}

// Both engines must end up with the same tables and columns.
func TestEnginesHaveOneSchema(t *testing.T) {
	columns := map[string][]string{}
	t.Run("engines", func(t *testing.T) {
		for engine, q := range map[string]string{
			"sqlite": `SELECT t.name AS tbl, c.name AS col FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
				WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE 'goose_%'`,
			"postgres": `SELECT table_name AS tbl, column_name AS col FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'goose_%'`,
		} {
			path := filepath.Join(t.TempDir(), "pgbeam.db")
			db := testDB{engine: engine, url: "sqlite:" + path, path: path, keys: newKeys(t)}
			if engine == "postgres" {
				db.url = newPostgresDatabase(t)
			}
			db.open(t)
			for _, row := range query(t, db.raw(t), q) {
				columns[engine] = append(columns[engine], fmt.Sprint(row["tbl"], ".", row["col"]))
			}
			slices.Sort(columns[engine])
		}
	})
	if diff := cmp.Diff(columns["sqlite"], columns["postgres"]); diff != "" || len(columns["sqlite"]) < 100 {
		t.Errorf("%d columns (-sqlite +postgres):\n%s", len(columns["sqlite"]), diff)
	}
}
