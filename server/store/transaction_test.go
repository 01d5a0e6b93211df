package store

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
)

func TestTransactionWithinATransactionIsRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s, other := db.open(t), db.open(t)
		seed(t, s)
		nothing := func(Tx) error { return nil }
		for outer, run := range map[string]func(context.Context, func(Tx) error) error{"Update": s.Update, "View": s.View} {
			err := run(t.Context(), func(Tx) error {
				if err := s.Update(t.Context(), nothing); !errors.Is(err, ErrNested) {
					t.Errorf("Update within %s: %v", outer, err)
				}
				if err := s.View(t.Context(), nothing); !errors.Is(err, ErrNested) {
					t.Errorf("View within %s: %v", outer, err)
				}
				return other.View(t.Context(), nothing)
			})
			if err != nil {
				t.Error(err)
			}
		}
		update(t, s, nothing) // after which it is as before
	})
}

func TestViewCannotWrite(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		err := s.View(t.Context(), func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
		if !errors.Is(err, errReadOnly) {
			t.Errorf("View wrote: %v", err)
		}
	})
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		insert := func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) }
		func() {
			defer func() {
				if recover() != "fault" {
					t.Error("the panic was swallowed")
				}
			}()
			_ = s.Update(t.Context(), func(tx Tx) error {
				if err := insert(tx); err != nil {
					t.Error(err)
				}
				panic("fault")
			})
		}()
		ctx, cancel := context.WithCancel(t.Context())
		if err := s.Update(ctx, func(tx Tx) error {
			defer cancel()
			return insert(tx)
		}); !errors.Is(err, context.Canceled) {
			t.Errorf("commit after the context ended: %v", err)
		}
		view(t, s, func(tx Tx) error {
			if _, err := tx.Policies().Get(prj1, aPolicy(prj1, 2).ID); !errors.Is(err, ErrNotFound) {
				t.Errorf("what was rolled back is there: %v", err)
			}
			return nil
		})
		update(t, s, insert)
	})
}

func TestWaitingWriterLeavesWithItsContext(t *testing.T) {
	path := t.TempDir() + "/pgbeam.db"
	db := testDB{engine: "sqlite", url: "sqlite:" + path, path: path, keys: newKeys(t)}
	s := db.open(t)
	seed(t, s)
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.Update(t.Context(), func(Tx) error {
			close(inside)
			<-leave
			return nil
		})
	})
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Update(ctx, func(Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("writer that gave up waiting: %v", err)
	}
	// Readers do not wait for the writer.
	view(t, s, func(tx Tx) error { return second(tx.Projects().Get(org1, prj1)) })
	close(leave)
	wg.Wait()
}

func TestConcurrentIncrementsAreNotLost(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		stores := []*store{db.open(t), db.open(t)}
		seed(t, stores[0])
		update(t, stores[0], func(tx Tx) error {
			p, err := tx.Projects().Get(org1, prj1)
			p.Description = "0"
			return first(err, tx.Projects().Update(p))
		})
		const writers, each = 12, 8
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for range each {
					err := stores[w%2].Update(t.Context(), func(tx Tx) error {
						p, err := tx.Projects().Get(org1, prj1)
						if err != nil {
							return err
						}
						n, err := strconv.Atoi(p.Description)
						p.Description = strconv.Itoa(n + 1)
						return first(err, tx.Projects().Update(p))
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		view(t, stores[0], func(tx Tx) error {
			p, err := tx.Projects().Get(org1, prj1)
			if p.Description != strconv.Itoa(writers*each) {
				t.Errorf("%d increments gave %s", writers*each, p.Description)
			}
			return err
		})
	})
}

// Each of two transactions is allowed alone; both together would leave a
// credential without rules, or two records of one name.
func TestConcurrentChecksHold(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		stores := []*store{db.open(t), db.open(t)}
		seed(t, stores[0])
		for round := range 25 {
			policy := aPolicy(prj1, 100+round)
			update(t, stores[0], func(tx Tx) error { return tx.Policies().Insert(policy) })
			a, b := aCredential(prj1, policy.ID, 1000+2*round), aCredential(prj1, policy.ID, 1001+2*round)
			b.Name = a.Name
			var wg sync.WaitGroup
			errs := make([]error, 3)
			start := make(chan struct{})
			for i, op := range []func(tx Tx) error{
				func(tx Tx) error { return tx.Policies().Delete(prj1, policy.ID) },
				func(tx Tx) error { return tx.Credentials().Insert(a) },
				func(tx Tx) error { return tx.Credentials().Insert(b) },
			} {
				wg.Go(func() {
					<-start
					errs[i] = stores[i%2].Update(t.Context(), op)
				})
			}
			close(start)
			wg.Wait()
			var inUse *InUseError
			var conflict *ConflictError
			deleted := errs[0] == nil
			switch {
			case deleted && errors.Is(errs[1], ErrNotFound) && errors.Is(errs[2], ErrNotFound):
			case errors.As(errs[0], &inUse) && errs[1] == nil && errors.As(errs[2], &conflict) && conflict.ID == a.ID:
			case errors.As(errs[0], &inUse) && errs[2] == nil && errors.As(errs[1], &conflict) && conflict.ID == b.ID:
			default:
				t.Fatalf("round %d: policy delete: %v; first credential: %v; second: %v", round, errs[0], errs[1], errs[2])
			}
		}
	})
}

// Neither transaction writes what the other one does, but each counts what the
// other adds: a quota must hold all the same.
func TestConcurrentQuotaHolds(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		stores := []*store{db.open(t), db.open(t)}
		for round := range 15 {
			org := anOrg(100 + round)
			update(t, stores[0], func(tx Tx) error { return tx.Organizations().Insert(org) })
			errFull := errors.New("quota reached")
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					err := stores[i%2].Update(t.Context(), func(tx Tx) error {
						_, _, total, err := tx.Projects().List(org.ID, Page{Size: 1})
						if err != nil {
							return err
						}
						if total >= 2 {
							return errFull
						}
						return tx.Projects().Insert(aProject(org.ID, i))
					})
					if err != nil && err != errFull {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			view(t, stores[0], func(tx Tx) error {
				_, _, total, err := tx.Projects().List(org.ID, Page{Size: 1})
				if total != 2 {
					t.Errorf("round %d: a quota of 2 let %d through", round, total)
				}
				return err
			})
		}
	})
}

// What pulumi up does: many creates in one project at a time.
func TestParallelCreatesInOneProject(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		before := revision(t, s, prj1)
		const writers, each = 16, 5
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					n := 100 + w*each + i
					err := s.Update(t.Context(), func(tx Tx) error {
						return first(tx.Webhooks().Insert(aWebhook(prj1, n)), tx.Credentials().Insert(aCredential(prj1, pol1, n)))
					})
					if err != nil {
						t.Error(err)
					}
					if err := s.View(t.Context(), func(tx Tx) error { return second(tx.Snapshot(prj1)) }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if got := revision(t, s, prj1); got != before+writers*each {
			t.Errorf("revision grew by %d in %d transactions", got-before, writers*each)
		}
		view(t, s, func(tx Tx) error {
			_, _, total, err := tx.Webhooks().List(prj1, Page{Size: 1})
			if total != 1+writers*each {
				t.Errorf("%d webhooks", total)
			}
			return err
		})
	})
}

func TestViewIsOneSnapshot(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s, other := db.open(t), db.open(t)
		seed(t, s)
		view(t, s, func(tx Tx) error {
			before, err := tx.Snapshot(prj1)
			if err != nil {
				return err
			}
			update(t, other, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
			after, err := tx.Snapshot(prj1)
			if before.Project.Revision != after.Project.Revision || len(after.Policies) != 1 {
				t.Errorf("a commit of another process shows within a view: revision %d then %d", before.Project.Revision, after.Project.Revision)
			}
			return err
		})
	})
}

func TestGoroutineNumbersDiffer(t *testing.T) {
	here := goroutine()
	there := make(chan uint64)
	go func() { there <- goroutine() }()
	if other := <-there; here == other || here == 0 || here != goroutine() {
		t.Errorf("goroutine numbers %d and %d", here, other)
	}
}
