package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// postgresConns is for writers and readers each, so that writers who wait
	// for each other never keep the data plane from reading.
	postgresConns = 12
	// postgresPoll stands behind LISTEN: a lost notification costs this long.
	postgresPoll = time.Second
	channel      = "pgbeam_changes"
	// queueLock is the advisory lock of transactions that collided repeatedly.
	queueLock = 0x7067626561_6d51
)

// postgresEngine runs every writing transaction as SERIALIZABLE: what the
// checks before a write have seen still holds when it commits, or it runs
// again.
type postgresEngine struct {
	w, r  *sql.DB
	conf  *pgx.ConnConfig
	bound sync.Map // statement with question marks -> with $1, $2, …
}

func openPostgres(ctx context.Context, rawURL string) (*postgresEngine, error) {
	if _, err := url.Parse(rawURL); err != nil {
		return nil, errors.New("the PostgreSQL URL is not a URL") // its parse error quotes it
	}
	conf, err := pgx.ParseConfig(rawURL)
	if err != nil {
		return nil, err // redacts the password
	}
	if conf.RuntimeParams["application_name"] == "" {
		conf.RuntimeParams["application_name"] = "pgbeam"
	}
	e := &postgresEngine{w: stdlib.OpenDB(*conf), r: stdlib.OpenDB(*conf), conf: conf}
	for _, db := range []*sql.DB{e.w, e.r} {
		db.SetMaxOpenConns(postgresConns)
		db.SetMaxIdleConns(postgresConns)
		db.SetConnMaxIdleTime(5 * time.Minute)
	}
	if err := migrate(ctx, "postgres", e.w); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *postgresEngine) writer() *sql.DB { return e.w }
func (e *postgresEngine) reader() *sql.DB { return e.r }

func (e *postgresEngine) writeOptions() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelSerializable}
}

func (e *postgresEngine) readIsolation() sql.IsolationLevel { return sql.LevelRepeatableRead }

func (e *postgresEngine) rowOptions() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// clock is the server's: the machines of a deployment need not agree.
func (e *postgresEngine) clock(tx *tx) (time.Time, error) {
	var micros int64
	err := tx.row("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)", nil, &micros)
	return time.UnixMicro(micros), err
}

func (e *postgresEngine) bind(query string) string {
	if b, ok := e.bound.Load(query); ok {
		return b.(string)
	}
	var out strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			out.WriteString("$" + strconv.Itoa(i))
		}
		out.WriteString(part)
	}
	e.bound.Store(query, out.String())
	return out.String()
}

// errHeld asks for a new snapshot after a wait for hold.
var errHeld = errors.New("another transaction held the name meanwhile")

func (e *postgresEngine) retryable(err error) bool {
	if errors.Is(err, errHeld) {
		return true
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "40001", "40P01": // serialization failure, deadlock
		return true
	case "23505", "23503": // unique or foreign key: checked before, so somebody was faster; now the check will tell
		return true
	}
	return false
}

func (e *postgresEngine) queue(ctx context.Context, conn *sql.Conn) (func(), error) {
	return advisoryLock(ctx, conn, queueLock)
}

// advisoryLock waits for a lock that the session on conn then holds.
func advisoryLock(ctx context.Context, conn *sql.Conn, key int64) (unlock func(), err error) {
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", key); err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", key); err != nil {
			// The session that ends gives the lock back.
			_ = conn.Raw(func(c any) error { return c.(*stdlib.Conn).Close() })
		}
	}, nil
}

// hold takes an advisory lock for the transaction. Who had to wait has a
// snapshot from before the other one's commit, and must begin again to see
// what that did.
func (e *postgresEngine) hold(tx *tx, name string) error {
	var free bool
	if err := tx.row("SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))", []any{name}, &free); err != nil || free {
		return err
	}
	if _, err := tx.exec("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", name); err != nil {
		return err
	}
	return tx.note(errHeld)
}

// settle relies on LOCK taking no snapshot: what the writers it waited for
// have committed is seen.
func (e *postgresEngine) settle(tx *tx, table string) error {
	_, err := tx.exec("LOCK TABLE " + table + " IN SHARE ROW EXCLUSIVE MODE")
	return err
}

func (e *postgresEngine) notify(tx *tx, changes []Change) error {
	for _, c := range changes {
		if _, err := tx.exec("SELECT pg_notify(?, ?)", channel, fmt.Sprintf("%s %d", c.ProjectID, c.Revision)); err != nil {
			return fmt.Errorf("announce change: %w", err)
		}
	}
	return nil
}

// follow listens on a connection of its own, and polls beside it.
func (e *postgresEngine) follow(ctx context.Context, s *store) {
	var polling sync.WaitGroup
	defer polling.Wait()
	polling.Go(func() { e.poll(ctx, s) })

	pause := 100 * time.Millisecond
	for first := true; ctx.Err() == nil; first = false {
		err := e.listen(ctx, s, first, func() { pause = 100 * time.Millisecond })
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("lost the connection that hears of changes, connecting again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, 5*time.Second)
	}
}

func (e *postgresEngine) listen(ctx context.Context, s *store, first bool, listening func()) error {
	conn, err := pgx.ConnectConfig(ctx, e.conf)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	listening()
	if first {
		err = s.poll(ctx) // what was committed between the first look and LISTEN
	} else {
		s.hub.announce(Change{})
	}
	for err == nil {
		var n *pgconn.Notification
		if n, err = conn.WaitForNotification(ctx); err != nil {
			break
		}
		id, rev, _ := strings.Cut(n.Payload, " ")
		revision, parseErr := strconv.ParseInt(rev, 10, 64)
		if parseErr != nil || id == "" {
			s.hub.announce(Change{}) // not ours, or of a later version: assume the worst
			continue
		}
		s.hub.announce(Change{ProjectID: id, Revision: revision})
	}
	return err
}

func (e *postgresEngine) poll(ctx context.Context, s *store) {
	tick := time.NewTicker(postgresPoll)
	defer tick.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := s.poll(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failed {
			s.log.Warn("cannot look for changes of other processes, trying again", "error", err)
		}
		if err == nil && failed {
			s.hub.announce(Change{})
		}
		failed = err != nil
	}
}

func (e *postgresEngine) close() error { return errors.Join(e.r.Close(), e.w.Close()) }
