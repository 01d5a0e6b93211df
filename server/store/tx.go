package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// errReadOnly says that a View tried to write.
var errReadOnly = errors.New("write in a read-only transaction: use Update")

// tx is one attempt at a transaction.
type tx struct {
	ctx     context.Context
	sql     *sql.Tx
	store   *store
	write   bool
	changed map[string]struct{} // ids of projects whose configuration changed
	// again is why this attempt must be rolled back and run once more. It
	// sticks even when the function in the transaction passes over the error.
	again error
}

func (tx *tx) keys() *secret.Keyring { return tx.store.keys }
func (tx *tx) now() time.Time        { return tx.store.now() }

func (tx *tx) change(projects ...string) {
	for _, id := range projects {
		tx.changed[id] = struct{}{}
	}
}

// note remembers an error that asks for another attempt.
func (tx *tx) note(err error) error {
	if err != nil && tx.again == nil && tx.store.engine.retryable(err) {
		tx.again = err
	}
	return err
}

func (tx *tx) query(query string, args ...any) (*sql.Rows, error) {
	rows, err := tx.sql.QueryContext(tx.ctx, tx.store.engine.bind(query), args...)
	return rows, tx.note(err)
}

// exec runs a statement and returns the number of rows it wrote.
func (tx *tx) exec(query string, args ...any) (int64, error) {
	if !tx.write {
		return 0, errReadOnly
	}
	res, err := tx.sql.ExecContext(tx.ctx, tx.store.engine.bind(query), args...)
	if err != nil {
		return 0, tx.note(err)
	}
	return res.RowsAffected()
}

// row reads one row, or ErrNotFound.
func (tx *tx) row(query string, args []any, dests ...any) error {
	err := tx.sql.QueryRowContext(tx.ctx, tx.store.engine.bind(query), args...).Scan(dests...)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return tx.note(err)
}

// strings reads a column of text.
func (tx *tx) strings(query string, args ...any) ([]string, error) {
	rows, err := tx.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, tx.note(err)
		}
		out = append(out, s)
	}
	return out, tx.note(rows.Err())
}

// exists turns a reference that does not hold into an error that names it.
func (tx *tx) exists(label, id, query string, args ...any) error {
	var found string
	err := tx.row(query, args, &found)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("%s %s: %w", label, id, ErrNotFound)
	}
	return err
}

// countMarks counts the parameters of a statement; ours have no question
// mark in literals.
func countMarks(query string) int { return strings.Count(query, "?") }

func (tx *tx) Organizations() Table[Organization] { return table[Organization]{tx, organizations} }
func (tx *tx) Keys() Table[Key]                   { return table[Key]{tx, keys} }
func (tx *tx) Projects() Table[Project]           { return table[Project]{tx, projects} }
func (tx *tx) Databases() Table[Database]         { return table[Database]{tx, databases} }
func (tx *tx) Replicas() Table[Replica]           { return table[Replica]{tx, replicas} }
func (tx *tx) Domains() Table[Domain]             { return table[Domain]{tx, domains} }
func (tx *tx) Policies() Table[Policy]            { return table[Policy]{tx, policies} }
func (tx *tx) Credentials() Table[Credential]     { return table[Credential]{tx, credentials} }
func (tx *tx) Webhooks() Table[Webhook]           { return table[Webhook]{tx, webhooks} }
func (tx *tx) CacheRules() Table[CacheRule]       { return table[CacheRule]{tx, cacheRules} }
func (tx *tx) Enrollments() Table[Enrollment]     { return table[Enrollment]{tx, enrollments} }
