package store

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// within bounds a wait that never should be long.
const within = time.Minute

func receive(t *testing.T, changes <-chan Change) Change {
	t.Helper()
	select {
	case c, ok := <-changes:
		if !ok {
			t.Fatal("the watch ended")
		}
		return c
	case <-time.After(within):
		t.Fatal("no change was announced")
	}
	panic("unreachable")
}

func revision(t *testing.T, s Store, project string) (rev int64) {
	t.Helper()
	view(t, s, func(t Tx) error {
		all, err := table[Project]{t.(*tx), projects}.query("id = ?", project) // deleted ones as well
		if len(all) == 1 {
			rev = all[0].Revision
		}
		return err
	})
	return rev
}

func TestConfigurationChangesAreAnnounced(t *testing.T) {
	project := func(tx Tx, change func(p *Project)) error {
		p, err := tx.Projects().Get(org1, prj1)
		change(&p)
		return first(err, tx.Projects().Update(p))
	}
	steps := []struct {
		name string
		op   func(tx Tx) error
	}{
		{"project update", func(tx Tx) error { return project(tx, func(p *Project) { p.AgentsDisabled = false }) }},
		{"database insert", func(tx Tx) error { return tx.Databases().Insert(aDatabase(prj1, 2)) }},
		{"database update", func(tx Tx) error { return tx.Databases().Update(aDatabase(prj1, 2)) }},
		{"replica insert", func(tx Tx) error { return tx.Replicas().Insert(aReplica(db1, 2)) }},
		{"replica update", func(tx Tx) error { return tx.Replicas().Update(aReplica(db1, 2)) }},
		{"replica delete", func(tx Tx) error { return tx.Replicas().Delete(db1, rep1) }},
		{"domain insert", func(tx Tx) error { return tx.Domains().Insert(aDomain(prj1, 2)) }},
		{"domain update", func(tx Tx) error { return tx.Domains().Update(aDomain(prj1, 2)) }},
		{"domain delete", func(tx Tx) error { return tx.Domains().Delete(prj1, dom1) }},
		{"policy insert", func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) }},
		{"policy update", func(tx Tx) error { return tx.Policies().Update(aPolicy(prj1, 2)) }},
		{"policy delete", func(tx Tx) error { return tx.Policies().Delete(prj1, aPolicy(prj1, 2).ID) }},
		{"credential insert", func(tx Tx) error { return tx.Credentials().Insert(aCredential(prj1, pol1, 2)) }},
		{"credential update", func(tx Tx) error { return tx.Credentials().Update(aCredential(prj1, pol1, 2)) }},
		{"credential delete", func(tx Tx) error { return tx.Credentials().Delete(prj1, agt1) }},
		{"webhook insert", func(tx Tx) error { return tx.Webhooks().Insert(aWebhook(prj1, 2)) }},
		{"webhook delete", func(tx Tx) error { return tx.Webhooks().Delete(prj1, whk1) }},
		{"cache rule insert", func(tx Tx) error { return tx.CacheRules().Insert(aCacheRule(prj1, db1, 2)) }},
		{"cache rule update", func(tx Tx) error { return tx.CacheRules().Update(aCacheRule(prj1, db1, 2)) }},
		{"cache rule delete", func(tx Tx) error { return tx.CacheRules().Delete(db1, hash1) }},
		{"database delete", func(tx Tx) error { return tx.Databases().Delete(prj1, db1) }},
		{"spend limit", func(tx Tx) error { return tx.Organizations().Update(anOrg(1)) }},
		{"project delete", func(tx Tx) error { return tx.Projects().Delete(org1, prj1) }},
	}
	eachEngine(t, func(t *testing.T, db testDB) {
		s, other := db.open(t), db.open(t)
		seed(t, s)
		here, there := s.Watch(t.Context()), other.Watch(t.Context())
		last := revision(t, s, prj1)
		for _, step := range steps {
			update(t, s, step.op)
			rev := revision(t, s, prj1)
			if rev != last+1 {
				t.Fatalf("%s: revision went from %d to %d", step.name, last, rev)
			}
			last = rev
			want := Change{ProjectID: prj1, Revision: rev}
			if got := receive(t, here); got != want {
				t.Fatalf("%s: announced %+v here, want %+v", step.name, got, want)
			}
			if got := receive(t, there); got != want {
				t.Fatalf("%s: announced %+v to another process, want %+v", step.name, got, want)
			}
		}
	})
}

func TestUseIsNoConfigurationChange(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		changes := s.Watch(t.Context())
		before := revision(t, s, prj1)
		now := time.Now().UTC().Truncate(time.Microsecond)
		update(t, s, func(tx Tx) error {
			return first(
				tx.TouchCredential(agt1, now), tx.TouchKey("key_org_1_1", now), tx.TouchEnrollment("she_org_1_1", now),
				tx.TouchCredential(agt1, now.Add(-time.Hour)), // late reports do not move it back
				tx.TouchCredential("agt_gone", now),
				tx.ReportConnections("one", prj1, 3, now), tx.ReportConnections("one", prj1, 4, now), tx.ReportConnections("two", prj1, 5, now),
				tx.ReportConnections("dead", prj1, 100, now.Add(-2*time.Minute)), tx.ReportConnections("one", "prj_gone", 5, now),
				tx.KeepResponse(IdempotentResponse{OrgID: org1, Key: "k", CreatedAt: now}),
				tx.Keys().Insert(aKey(org1, 2)), tx.Enrollments().Insert(anEnrollment(org1, 2)),
			)
		})
		view(t, s, func(tx Tx) error {
			p, err1 := tx.Projects().Get(org1, prj1)
			if p.Revision != before || p.ActiveConnections != 9 || p.DatabaseCount != 1 {
				t.Errorf("revision %d (was %d), %d connections, %d databases", p.Revision, before, p.ActiveConnections, p.DatabaseCount)
			}
			c, err2 := tx.Credentials().Get(prj1, agt1)
			k, err3 := tx.Keys().Get(org1, "key_org_1_1")
			e, err4 := tx.Enrollments().Get(org1, "she_org_1_1")
			if err := first(err1, err2, err3, err4); err != nil {
				return err
			}
			if !c.LastUsedAt.Equal(now) || !k.LastUsedAt.Equal(now) || !e.LastSeenAt.Equal(now) {
				t.Errorf("last use: %v, %v, %v, want %v", c.LastUsedAt, k.LastUsedAt, e.LastSeenAt, now)
			}
			return nil
		})
		update(t, s, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
		if got := receive(t, changes); got.Revision != before+1 {
			t.Errorf("announced %+v, want only the policy's revision %d", got, before+1)
		}
	})
}

func TestRolledBackChangeIsNotAnnounced(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		changes := s.Watch(t.Context())
		before := revision(t, s, prj1)
		if err := s.Update(t.Context(), func(tx Tx) error {
			return first(tx.Policies().Insert(aPolicy(prj1, 2)), context.Canceled)
		}); err != context.Canceled {
			t.Fatalf("error of the function came back as %v", err)
		}
		update(t, s, func(tx Tx) error { // several changes are one revision
			return first(tx.Policies().Insert(aPolicy(prj1, 3)), tx.Policies().Insert(aPolicy(prj1, 4)))
		})
		if got := receive(t, changes); got.Revision != before+1 {
			t.Errorf("announced %+v, want revision %d", got, before+1)
		}
	})
}

func TestOrganizationChangeReachesAllItsProjects(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		update(t, s, func(tx Tx) error {
			return first(tx.Projects().Insert(aProject(org1, 2)), tx.Organizations().Insert(anOrg(2)), tx.Projects().Insert(aProject("org_2", 1)))
		})
		changes := s.Watch(t.Context())
		update(t, s, func(tx Tx) error { return tx.Organizations().Update(anOrg(1)) })
		got := map[string]bool{receive(t, changes).ProjectID: true, receive(t, changes).ProjectID: true}
		if !got[prj1] || !got["prj_org_1_2"] {
			t.Errorf("announced %v", got)
		}
		select {
		case c := <-changes:
			t.Errorf("also announced %+v", c)
		default:
		}
	})
}

func TestWatchEnds(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		ended, closed := s.Watch(ctx), s.Watch(t.Context())
		// Neither is being read while something waits to be delivered.
		update(t, s, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
		cancel()
		drain(t, ended)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		drain(t, closed)
		drain(t, s.Watch(t.Context()))
	})
}

func drain(t *testing.T, changes <-chan Change) {
	t.Helper()
	timeout := time.After(within)
	for {
		select {
		case _, open := <-changes:
			if !open {
				return
			}
		case <-timeout:
			t.Fatal("the channel was not closed")
		}
	}
}

func TestSlowWatcherSeesTheNewest(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		changes := s.Watch(t.Context())
		for i := 2; i < 30; i++ {
			update(t, s, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, i)) })
		}
		want := revision(t, s, prj1)
		received := 0
		for receive(t, changes).Revision < want {
			received++
		}
		if received > 2 {
			t.Errorf("%d outdated announcements were queued", received)
		}
	})
}

func TestLostListenerReloadsAllAndHearsAgain(t *testing.T) {
	db := testDB{engine: "postgres", url: newPostgresDatabase(t), keys: newKeys(t)}
	s, other := db.open(t), db.open(t)
	seed(t, s)
	changes := other.Watch(t.Context())
	raw := db.raw(t)
	listener := "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
	deadline := time.Now().Add(within)
	for {
		var ended bool
		if err := raw.QueryRow("SELECT count(*) > 0 FROM (" + listener + ") AS t").Scan(&ended); err != nil {
			t.Fatal(err)
		}
		if ended {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody listens")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got := receive(t, changes); got != (Change{}) {
		t.Fatalf("announced %+v, want a reload of everything", got)
	}
	update(t, s, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
	if got := receive(t, changes); got.ProjectID != prj1 {
		t.Fatalf("announced %+v", got)
	}
}

// link leads to PostgreSQL until it is frozen: what came through it by then
// hangs, as with a machine that is gone without a word.
type link struct {
	net.Listener
	mu     sync.Mutex
	frozen []chan struct{}
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	l := &link{Listener: listener}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			frozen := make(chan struct{})
			l.mu.Lock()
			l.frozen = append(l.frozen, frozen)
			l.mu.Unlock()
			pass := func(from, to net.Conn) {
				defer from.Close()
				defer to.Close()
				buf := make([]byte, 4096)
				for {
					n, err := from.Read(buf)
					select {
					case <-frozen:
						_, _ = io.Copy(io.Discard, from)
						return
					default:
					}
					if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
						return
					}
				}
			}
			go pass(client, server)
			go pass(server, client)
		}
	}()
	return l
}

func (l *link) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.frozen {
		close(c)
	}
	l.frozen = nil
}

func TestAConnectionThatHangsHidesNoChange(t *testing.T) {
	db := testDB{engine: "postgres", url: newPostgresDatabase(t), keys: newKeys(t)}
	s := db.open(t)
	seed(t, s)
	u, err := url.Parse(db.url)
	if err != nil {
		t.Fatal(err)
	}
	l := newLink(t, u.Host)
	u.Host = l.Addr().String()
	far := db
	far.url = u.String()
	changes := far.open(t).Watch(t.Context())
	update(t, s, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
	receive(t, changes)
	l.freeze()
	update(t, s, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 3)) })
	receive(t, changes)
}
