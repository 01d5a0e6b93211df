package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqlitePoll is how often a file is asked whether another process wrote it.
const sqlitePoll = 500 * time.Millisecond

// How long SQLite waits for a lock of another process before it gives up. No
// context reaches it meanwhile: writers come back soon, and try again.
const (
	sqlitePatience    = 10 * time.Second
	sqliteWriterWaits = 200 * time.Millisecond
)

// sqliteEngine has one connection that writes, so that writers of this
// process queue in Go, where a context can end the wait, and several that
// read beside it. Writers of other processes are kept out by BEGIN IMMEDIATE,
// which is tried again while one of them is at it.
type sqliteEngine struct {
	w, r  *sql.DB
	every time.Duration // between looks for the changes of other processes
}

func openSQLite(ctx context.Context, path string) (*sqliteEngine, error) {
	if path == "" {
		return nil, errors.New(`the SQLite URL names no file: write "sqlite:PATH"`)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make folder of SQLite file: %w", err)
	}
	// Made here because SQLite would make it readable by others. The files
	// beside it (-wal, -shm) take their mode from it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open SQLite file: %w", err)
	}
	f.Close()
	e := &sqliteEngine{every: sqlitePoll}
	// FULL: an answer that was sent, with its one-time secret, must survive a
	// power cut; in WAL mode NORMAL would not promise that.
	writer := func(waits time.Duration) error {
		e.w, err = sql.Open("sqlite", sqliteDSN(path, "immediate", waits, "synchronous(FULL)"))
		if err == nil {
			e.w.SetMaxOpenConns(1)
		}
		return err
	}
	if err := writer(sqlitePatience); err != nil {
		return nil, err
	}
	err = migrate(ctx, "sqlite", e.w)
	e.w.Close()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := writer(sqliteWriterWaits); err != nil {
		return nil, err
	}
	if e.r, err = sql.Open("sqlite", sqliteDSN(path, "deferred", sqlitePatience, "query_only(1)")); err != nil {
		e.w.Close()
		return nil, err
	}
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	e.r.SetMaxOpenConns(readers)
	e.r.SetMaxIdleConns(readers)
	return e, nil
}

func sqliteDSN(path, lock string, waits time.Duration, pragma string) string {
	q := url.Values{
		"_txlock": {lock},
		"_pragma": {fmt.Sprintf("busy_timeout(%d)", waits.Milliseconds()), "journal_mode(WAL)", "foreign_keys(1)", pragma},
	}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
}

func (e *sqliteEngine) writer() *sql.DB                   { return e.w }
func (e *sqliteEngine) reader() *sql.DB                   { return e.r }
func (e *sqliteEngine) writeOptions() *sql.TxOptions      { return nil }
func (e *sqliteEngine) readIsolation() sql.IsolationLevel { return sql.LevelDefault }
func (e *sqliteEngine) rowOptions() *sql.TxOptions        { return nil }
func (e *sqliteEngine) bind(query string) string          { return query }

func (e *sqliteEngine) retryable(err error) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_BUSY
}

// The processes of a SQLite file are on one machine.
func (e *sqliteEngine) clock(tx *tx) (time.Time, error) { return tx.now(), nil }

// There is one writer at a time, so nothing is left to order.
func (e *sqliteEngine) queue(context.Context, *sql.Conn) (func(), error) { return func() {}, nil }
func (e *sqliteEngine) hold(*tx, string) error                           { return nil }
func (e *sqliteEngine) settle(*tx, string) error                         { return nil }
func (e *sqliteEngine) notify(*tx, []Change) error                       { return nil }

// follow polls: SQLite tells nobody of a commit, but data_version changes
// when another connection made one.
func (e *sqliteEngine) follow(ctx context.Context, s *store) {
	tick := time.NewTicker(e.every)
	defer tick.Stop()
	var conn *sql.Conn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	last, failed := int64(-1), false
	for {
		err := func() (err error) {
			if conn == nil {
				if conn, err = e.r.Conn(ctx); err != nil {
					return err
				}
				last = -1
			}
			var version int64
			if err := conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
				conn.Close()
				conn = nil
				return err
			}
			if version == last {
				return nil
			}
			if err := s.poll(ctx); err != nil {
				return err
			}
			last = version
			return nil
		}()
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failed {
			s.log.Warn("cannot look for changes of other processes, trying again", "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (e *sqliteEngine) close() error { return errors.Join(e.r.Close(), e.w.Close()) }
