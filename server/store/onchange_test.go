package store

import (
	"sync"
	"testing"
)

func TestChangeIsKnownBeforeItsUpdateReturns(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		var mu sync.Mutex
		known := map[string]int64{}
		stop := s.OnChange(func(c Change) {
			mu.Lock()
			defer mu.Unlock()
			known[c.ProjectID] = max(known[c.ProjectID], c.Revision)
		})
		s.Watch(t.Context()) // whoever announces first, the update or what follows the database
		newest := func() int64 {
			mu.Lock()
			defer mu.Unlock()
			return known[prj1]
		}
		for range 20 {
			update(t, s, func(tx Tx) error {
				p, err := tx.Projects().Get(org1, prj1)
				p.AgentsDisabled = !p.AgentsDisabled
				return first(err, tx.Projects().Update(p))
			})
			if got, want := newest(), revision(t, s, prj1); got != want {
				t.Fatalf("the update returned with revision %d known, want %d", got, want)
			}
		}
		stop()
		before := newest()
		update(t, s, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
		if got := newest(); got != before {
			t.Fatalf("called with revision %d after it was stopped", got)
		}
	})
}
