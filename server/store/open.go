package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// engine is what differs between SQLite and PostgreSQL.
type engine interface {
	writer() *sql.DB
	reader() *sql.DB
	writeOptions() *sql.TxOptions
	readIsolation() sql.IsolationLevel
	// rowOptions are for transactions that one row's lock puts in order.
	rowOptions() *sql.TxOptions
	// clock tells the time that is the same for all processes of this store.
	clock(tx *tx) (time.Time, error)
	// bind writes a statement's question marks as the engine wants them.
	bind(query string) string
	// retryable reports whether an error asks to run the transaction again.
	retryable(err error) bool
	// queue makes a transaction on conn the only one of those that queue.
	queue(ctx context.Context, conn *sql.Conn) (leave func(), err error)
	// hold keeps other writers with the same name out until tx ends.
	hold(tx *tx, name string) error
	// settle waits for the writers of a table and keeps new ones out until tx
	// ends. It comes before everything else in tx.
	settle(tx *tx, table string) error
	// notify tells other processes of changes once tx commits.
	notify(tx *tx, changes []Change) error
	// follow announces the changes of other processes until ctx ends.
	follow(ctx context.Context, s *store)
	close() error
}

// store is a Store over either engine.
type store struct {
	engine engine
	keys   *secret.Keyring
	log    *slog.Logger
	now    func() time.Time

	hub    *hub
	inside sync.Map     // goroutine number of every running transaction
	swept  atomic.Int64 // microseconds since 1970

	ctx       context.Context // ends at Close
	cancel    context.CancelFunc
	running   sync.WaitGroup // goroutines to wait for at Close
	following sync.Once
	closing   sync.Mutex // held to start a goroutine or to begin closing
}

// Open opens the store at a URL, "sqlite:PATH" or "postgres://…", and brings
// its schema up to date. A SQLite file that does not exist is made, with mode
// 0600. Errors do not quote the URL, which may hold a password.
func Open(ctx context.Context, url string, keys *secret.Keyring, log *slog.Logger) (Store, error) {
	s, err := open(ctx, url, keys, log)
	if err != nil {
		return nil, err // not a typed nil
	}
	return s, nil
}

func open(ctx context.Context, url string, keys *secret.Keyring, log *slog.Logger) (*store, error) {
	if keys == nil {
		return nil, errors.New("open store: no encryption keyring")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	scheme, rest, _ := strings.Cut(url, ":")
	var e engine
	var err error
	switch scheme {
	case "sqlite":
		e, err = openSQLite(ctx, rest)
	case "postgres", "postgresql":
		e, err = openPostgres(ctx, url)
	default:
		return nil, errors.New(`open store: the URL must begin with "sqlite:" followed by a file, or with "postgres://"`)
	}
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &store{engine: e, keys: keys, log: log, now: time.Now, hub: newHub()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func (s *store) Ping(ctx context.Context) error {
	var one int
	if err := s.engine.reader().QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("ping store: %w", err)
	}
	return nil
}

// Close ends all watchers and waits for them.
func (s *store) Close() error {
	s.closing.Lock()
	s.cancel()
	s.closing.Unlock()
	s.running.Wait()
	return s.engine.close()
}
