package catalog

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

func TestStatementsAreAnalysedAndNotRun(t *testing.T) {
	name, conn := database(t, "CREATE TABLE lots (bid int)")
	// Texts are read as the proxy has them read, whatever the database prefers.
	if _, err := conn.Exec(t.Context(), "ALTER DATABASE "+name+" SET standard_conforming_strings = off"); err != nil {
		t.Fatal(err)
	}
	var cache Cache
	h := cache.Handle(Key{Database: name}, dialer(name))
	err := h.Analyze(t.Context(), func(analyze func(string) error) error {
		for _, c := range []struct{ sql, code string }{
			{"SELECT * FROM lots WHERE bid = 1 / 0", ""}, // a plan would fail
			{"SELECT * FROM lots WHERE bid", "42804"},
			{"SELECT * FROM nosuch", "42P01"},
			{"SELECT 1; DROP TABLE lots", "42601"},
			{"ROLLBACK; DROP TABLE lots", "42601"},
			{"DROP TABLE lots", ""},
			{"SELECT * FROM lots WHERE '\\' = 'a'", ""},
			{"SELECT * FROM lots WHERE bid = 1", ""}, // it is still there
		} {
			var refused *wire.ServerError
			if err := analyze(c.sql); !errors.As(err, &refused) && err != nil {
				t.Fatalf("%s: %v", c.sql, err)
			} else if (err != nil) != (c.code != "") || err != nil && refused.Code != c.code {
				t.Errorf("%s: %v, want SQLSTATE %q", c.sql, err, c.code)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT FROM lots"); err != nil {
		t.Error(err)
	}
}

func TestAnalysisEndsWithItsConnectionOrContext(t *testing.T) {
	name, _ := database(t)
	var cache Cache
	var open net.Conn
	h := cache.Handle(Key{Database: name}, func(ctx context.Context) (net.Conn, error) {
		var err error
		open, err = dialer(name)(ctx)
		return open, err
	})
	for _, c := range []struct {
		name string
		cut  func(cancel func())
	}{
		{"the connection is closed", func(func()) { open.Close() }},
		{"the asker leaves", func(cancel func()) { cancel() }},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		err := h.Analyze(ctx, func(analyze func(string) error) error {
			c.cut(cancel)
			for {
				if err := analyze("SELECT 1"); err != nil {
					return err
				}
			}
		})
		cancel()
		if refused := (*wire.ServerError)(nil); err == nil || errors.As(err, &refused) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	err := h.Analyze(t.Context(), func(func(string) error) error {
		cancel()
		return h.cache.Handle(h.key, h.dial).Analyze(cancelled, nil) // there is one at work
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("who waits for another and leaves: %v", err)
	}
}

// counted closes under the count of what is open.
type counted struct {
	net.Conn
	close func()
}

func (c counted) Close() error {
	c.close()
	return c.Conn.Close()
}

func TestAnalysesTakeOneConnectionAtATime(t *testing.T) {
	name, _ := database(t)
	var cache Cache
	var mu sync.Mutex
	all, open, most := 0, 0, 0
	count := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		open += by
		all, most = all+max(by, 0), max(most, open)
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		conn, err := dialer(name)(ctx)
		if err == nil {
			count(1)
		}
		return counted{conn, func() { count(-1) }}, err
	}
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			h := cache.Handle(Key{Database: name}, dial)
			h.Expire()
			if _, err := h.Get(t.Context()); err != nil {
				t.Error(err)
			}
			if err := h.Analyze(t.Context(), func(analyze func(string) error) error { return analyze("SELECT 1") }); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	if open != 0 || most != 1 || all < 9 {
		t.Errorf("%d connections, %d at once, %d still open", all, most, open)
	}
}
