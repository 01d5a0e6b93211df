package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// beforeAnalysis opens a transaction that lasts as long as the connection does.
// What decides how the role's texts are read stays as it is, but for what the
// proxy sets as well.
var beforeAnalysis = strings.Join([]string{
	"BEGIN READ ONLY",
	"SET LOCAL statement_timeout = '5s'",
	"SET LOCAL lock_timeout = '1s'",
	"SET LOCAL standard_conforming_strings = on",
	"SAVEPOINT analysis",
}, ";\n")

// Analyze connects, and hands f what has PostgreSQL parse and analyse a
// statement under the role's search path. No statement is planned or executed:
// what runs is what reads literals as values of their types, in a transaction
// that cannot write. What PostgreSQL refuses comes as a *wire.ServerError; f
// returns any other error. Of a catalog there is one connection at a time, this
// or the one that it is read by: those who ask meanwhile wait.
func (h *Handle) Analyze(ctx context.Context, f func(analyze func(sql string) error) error) error {
	h.entry = h.cache.entry(h.key)
	select {
	case h.entry.reading <- struct{}{}:
		defer func() { <-h.entry.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	conn, err := h.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect to analyse statements: %w", err)
	}
	defer conn.Close() // which ends the transaction
	stop, err := limit(ctx, conn)
	if err != nil {
		return fmt.Errorf("analyse statements: %w", err)
	}
	defer stop()
	ask := func(sql string) error {
		_, err := wire.Ask(conn, sql, wire.MaxAuth, nil)
		return err
	}
	if err := ask(beforeAnalysis); err != nil {
		return fmt.Errorf("analyse statements: %w", err)
	}
	err = f(func(sql string) error {
		err := wire.Analyze(conn, sql, maxRow)
		if refused := (*wire.ServerError)(nil); !errors.As(err, &refused) {
			return err
		}
		if err := ask("ROLLBACK TO analysis"); err != nil {
			return fmt.Errorf("analyse statements: %v", err)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, _ = conn.Write(wire.AppendTerminate(nil)) // a courtesy: closing ends it as well
	return nil
}
