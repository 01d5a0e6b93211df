package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// ErrNested says that a transaction was begun within another one by the same
// goroutine: it would wait for itself, or read what the outer one hides.
var ErrNested = errors.New("transaction within a transaction: use the tx at hand")

// Colliding transactions run again. From queueAfter attempts on they do so
// one at a time, which ends any pile-up; maxAttempts only ends a fault.
const (
	queueAfter  = 3
	maxAttempts = 50
)

func (s *store) Update(ctx context.Context, fn func(tx Tx) error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	for attempt := 1; ; attempt++ {
		changes, again, err := s.attempt(ctx, fn, attempt > queueAfter)
		if again == nil {
			if err == nil {
				s.hub.announce(changes...)
			}
			return err
		}
		if attempt == maxAttempts {
			return fmt.Errorf("transaction kept colliding with others in %d attempts: %w", attempt, again)
		}
		// Full jitter, so that those who collided do not meet again.
		pause := time.Duration(rand.Int64N(int64(min(attempt, 10)) * int64(5*time.Millisecond)))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// attempt runs fn once. again tells why it must run once more; then nothing
// has happened.
func (s *store) attempt(ctx context.Context, fn func(tx Tx) error, queued bool) (changes []Change, again, err error) {
	conn, err := s.engine.writer().Conn(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("begin transaction: %w", err)
	}
	defer conn.Close()
	if queued {
		leave, err := s.engine.queue(ctx, conn)
		if err != nil {
			return nil, nil, fmt.Errorf("queue for transaction: %w", err)
		}
		defer leave()
	}
	raw, err := conn.BeginTx(ctx, s.engine.writeOptions())
	if err != nil {
		if s.engine.retryable(err) {
			return nil, err, nil
		}
		return nil, nil, fmt.Errorf("begin transaction: %w", err)
	}
	defer raw.Rollback() // does nothing after a commit; covers a panic of fn
	tx := &tx{ctx: ctx, sql: raw, store: s, write: true, changed: map[string]struct{}{}}
	err = fn(tx)
	if tx.again != nil {
		return nil, tx.again, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if changes, err = tx.advance(); err == nil {
		err = tx.note(raw.Commit())
	}
	if tx.again != nil {
		return nil, tx.again, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("commit transaction: %w", err)
	}
	return changes, nil, nil
}

// advance gives every changed project its new revision. In order of id, so
// that two transactions never wait for each other.
func (tx *tx) advance() ([]Change, error) {
	var changes []Change
	for _, id := range slices.Sorted(maps.Keys(tx.changed)) {
		c := Change{ProjectID: id}
		err := tx.row("UPDATE projects SET revision = revision + 1 WHERE id = ? RETURNING revision", []any{id}, &c.Revision)
		if errors.Is(err, ErrNotFound) {
			continue // went away with its organization
		}
		if err != nil {
			return nil, fmt.Errorf("advance revision of %s: %w", id, err)
		}
		changes = append(changes, c)
	}
	return changes, tx.store.engine.notify(tx, changes)
}

func (s *store) View(ctx context.Context, fn func(tx Tx) error) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	raw, err := s.engine.reader().BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: s.engine.readIsolation()})
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer raw.Rollback()
	return fn(&tx{ctx: ctx, sql: raw, store: s})
}

// enter refuses a goroutine that is in a transaction of this store already.
func (s *store) enter() (leave func(), err error) {
	id := goroutine()
	if _, inside := s.inside.LoadOrStore(id, struct{}{}); inside {
		return nil, ErrNested
	}
	return func() { s.inside.Delete(id) }, nil
}

// goroutine is the number of the running goroutine, read from its stack trace
// ("goroutine 18 [running]:…"). A transaction is known by its goroutine
// because fn takes no context of ours that could carry a mark.
func goroutine() uint64 {
	var buf [64]byte
	line := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	id, err := strconv.ParseUint(string(line[:bytes.IndexByte(line, ' ')]), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("stack trace does not begin with the goroutine's number: %q", line))
	}
	return id
}
