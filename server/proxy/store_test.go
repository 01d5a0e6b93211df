package proxy

import (
	"context"
	"database/sql"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// storeDown is a deployment whose store can be taken away and given back, and
// one session of it with a budget and one without.
type storeDown struct {
	*deployment
	budgeted, free *pgx.Conn
}

func budget(r *store.PolicyRules) { r.BudgetQueriesPerHour = 100_000 }

func (d *deployment) withBudget() storeDown {
	d.Helper()
	a, _ := d.under(budget)
	b, _ := d.session()
	return storeDown{d, a, b}
}

// lost checks what a lost store means, and that nothing hangs: what was leased
// is good, then statements with a budget are refused, and all others run.
func (s storeDown) lost(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	refused := false
	for !refused {
		switch _, err := s.budgeted.Exec(ctx, "select 1"); {
		case err == nil:
		case ctx.Err() != nil:
			t.Fatalf("a statement with a budget hangs: %v", err)
		default:
			if e := asPgError(t, err); e.Severity != "ERROR" || e.Code != codeSystem || !strings.Contains(e.Message, "budget") {
				t.Fatalf("got %v", e)
			}
			refused = true
		}
	}
	began := time.Now()
	for range 10 {
		if _, err := s.free.Exec(ctx, "select 1"); err != nil {
			t.Fatalf("a statement without a budget: %v", err)
		}
	}
	t.Logf("10 statements without a budget took %v", time.Since(began))
}

func (s storeDown) back(t *testing.T) {
	t.Helper()
	eventually(t, "statements with a budget run again", func() bool {
		_, err := s.budgeted.Exec(t.Context(), "select 1")
		return err == nil
	})
}

func TestLockedStoreRefusesBudgetsAndHoldsUpNothingElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked.db")
	keys, err := secret.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	of, err := store.Open(t.Context(), "sqlite:"+path, keys, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { of.Close() })
	d := deployOver(t, of, of)
	s := d.withBudget()
	if _, err := s.budgeted.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.ExecContext(t.Context(), "begin immediate"); err != nil {
		t.Fatal(err)
	}
	s.lost(t)
	began := time.Now()
	if _, err := lock.ExecContext(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	s.back(t)
	t.Logf("back after %v", time.Since(began))
}

func TestFrozenStoreRefusesBudgetsAndHoldsUpNothingElse(t *testing.T) {
	s, link := frozenStore(t)
	link.frozen.Store(true)
	s.lost(t)
	began := time.Now()
	link.thawed()
	s.back(t)
	t.Logf("back after %v", time.Since(began))
}

func TestShutdownDoesNotWaitForAFrozenStore(t *testing.T) {
	s, link := frozenStore(t)
	link.frozen.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_ = s.server.Shutdown(ctx)
	t.Logf("it took %v", time.Since(began))
}

// frozenStore is a deployment over a store in PostgreSQL behind a link.
func frozenStore(t *testing.T) (storeDown, *link) {
	t.Helper()
	name := "store_" + store.NewSubdomain()
	if _, err := direct(t).Exec(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	link := newLink(t, net.JoinHostPort(postgres.Host, itoa(postgres.Port)))
	keys, err := secret.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	open := func(address string) store.Store {
		s, err := store.Open(t.Context(), address, keys, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	near := postgres.URL(name)
	u, err := url.Parse(near)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = net.JoinHostPort("127.0.0.1", itoa(link.port))
	d := deployOver(t, open(near), open(u.String()))
	s := d.withBudget()
	if _, err := s.budgeted.Exec(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	return s, link
}

// deployOver is deploy with a store that the test writes to, and the same one as
// the proxy sees it.
func deployOver(t *testing.T, ours, theirs store.Store) *deployment {
	t.Helper()
	d := deploy(t, func(c *Config) { c.Store = theirs })
	unused := d.store
	t.Cleanup(func() { unused.Close() })
	d.store = ours
	now := time.Now().UTC().Truncate(time.Microsecond)
	d.update(func(tx store.Tx) error {
		return tx.Organizations().Insert(store.Organization{ID: "org_1", Name: "Org", Slug: "org", CreatedAt: now, UpdatedAt: now})
	})
	return d
}
