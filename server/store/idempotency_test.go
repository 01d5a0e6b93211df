package store

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestOneEffectPerIdempotencyKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		stores := []*store{db.open(t), db.open(t)}
		seed(t, stores[0])
		for round := range 10 {
			key := fmt.Sprintf("key %d", round)
			const requests = 8
			bodies := make([]string, requests)
			var wg sync.WaitGroup
			for i := range requests {
				wg.Go(func() {
					err := stores[i%2].Update(t.Context(), func(tx Tx) error {
						kept, err := tx.Idempotent(org1, key)
						if err == nil {
							bodies[i] = string(kept.Body)
							return nil
						}
						if !errors.Is(err, ErrNotFound) {
							return err
						}
						w := aWebhook(prj1, 1000+round*requests+i)
						bodies[i] = w.ID
						return first(tx.Webhooks().Insert(w), tx.KeepResponse(IdempotentResponse{
							OrgID: org1, Key: key, RequestHash: "h", ResourceID: w.ID, Status: 201, Body: []byte(w.ID), CreatedAt: time.Now(),
						}))
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, b := range bodies {
				if b == "" || b != bodies[0] {
					t.Fatalf("requests with one key were answered %q", bodies)
				}
			}
			view(t, stores[0], func(tx Tx) error {
				_, _, total, err := tx.Webhooks().List(prj1, Page{Size: 1})
				if total != 1+round+1 {
					t.Fatalf("%d webhooks after %d keys", total-1, round+1)
				}
				return err
			})
		}
	})
}

func TestKeptResponses(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		now := time.Now().UTC().Truncate(time.Microsecond)
		s.now = func() time.Time { return now }
		kept := IdempotentResponse{OrgID: org1, Key: "k'1", RequestHash: "abc", ResourceID: agt1, Status: 201, Body: []byte(`{"once":"secret"}`), CreatedAt: now}
		empty := IdempotentResponse{OrgID: org1, Key: "empty", RequestHash: "d", Status: 204, CreatedAt: now}
		update(t, s, func(tx Tx) error { return first(tx.KeepResponse(kept), tx.KeepResponse(empty)) })
		get := func(org, key string) (r IdempotentResponse, err error) {
			err = s.View(t.Context(), func(tx Tx) (err error) {
				r, err = tx.Idempotent(org, key)
				return err
			})
			return r, err
		}
		for _, want := range []IdempotentResponse{kept, empty} {
			got, err := get(org1, want.Key)
			if err != nil {
				t.Fatal(err)
			}
			same(t, want.Key, got, want)
		}
		if _, err := get("org_2", kept.Key); !errors.Is(err, ErrNotFound) {
			t.Errorf("key of another organization: %v", err)
		}
		var conflict *ConflictError
		if err := s.Update(t.Context(), func(tx Tx) error { return tx.KeepResponse(kept) }); !errors.As(err, &conflict) {
			t.Errorf("live response was replaced: %v", err)
		}

		now = now.Add(23 * time.Hour)
		if _, err := get(org1, kept.Key); err != nil {
			t.Errorf("after 23 hours: %v", err)
		}
		now = now.Add(time.Hour + time.Second)
		if _, err := get(org1, kept.Key); !errors.Is(err, ErrNotFound) {
			t.Errorf("after 24 hours: %v", err)
		}
		// An expired key is free, and in passing the expired rest goes.
		kept.CreatedAt, kept.Body = now, []byte("new")
		update(t, s, func(tx Tx) error { return tx.KeepResponse(kept) })
		if got, err := get(org1, kept.Key); err != nil || !bytes.Equal(got.Body, kept.Body) {
			t.Errorf("reused key gave %q, %v", got.Body, err)
		}
		var rows int
		if err := db.raw(t).QueryRow("SELECT count(*) FROM idempotent_responses").Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d responses are kept, %v", rows, err)
		}

		update(t, s, func(tx Tx) error { return tx.Credentials().Delete(prj1, agt1) })
		if _, err := get(org1, kept.Key); !errors.Is(err, ErrNotFound) {
			t.Errorf("response of a deleted record: %v", err)
		}
	})
}

func TestStaleConnectionReportsAreRemoved(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		now := time.Now()
		s.now = func() time.Time { return now }
		update(t, s, func(tx Tx) error { return tx.ReportConnections("gone", prj1, 5, now) })
		now = now.Add(2 * time.Minute)
		update(t, s, func(tx Tx) error { return tx.ReportConnections("here", prj1, 2, now) })
		var rows int
		if err := db.raw(t).QueryRow("SELECT count(*) FROM connection_reports").Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d reports are kept, %v", rows, err)
		}
	})
}

// On SQLite the one writer settles it; on PostgreSQL it takes a lock.
func TestSecondRequestWaitsForTheFirst(t *testing.T) {
	db := testDB{engine: "postgres", url: newPostgresDatabase(t), keys: newKeys(t)}
	s, other := db.open(t), db.open(t)
	seed(t, s)
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.Update(t.Context(), func(tx Tx) error {
			if _, err := tx.Idempotent(org1, "k"); !errors.Is(err, ErrNotFound) {
				return err
			}
			close(inside)
			<-leave
			return tx.KeepResponse(IdempotentResponse{OrgID: org1, Key: "k", Status: 201, CreatedAt: time.Now()})
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside
	wg.Go(func() {
		err := other.Update(t.Context(), func(tx Tx) error {
			_, err := tx.Idempotent(org1, "k")
			if errors.Is(err, ErrNotFound) {
				t.Error("the second request began its work beside the first")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	waitForLock(t, db)
	close(leave)
	wg.Wait()
}
