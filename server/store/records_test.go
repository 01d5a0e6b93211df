package store

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// recordCase is one kind of record with two parents to keep apart.
type recordCase[T any] struct {
	table       func(Tx) Table[T]
	make        func(i int) T // below parent
	parent      string
	id          func(T) string
	change      func(*T)
	newestFirst bool
}

func testRecords[T any](t *testing.T, name string, c recordCase[T]) {
	t.Run(name, func(t *testing.T) {
		eachEngine(t, func(t *testing.T, db testDB) {
			s := db.open(t)
			seed(t, s)
			var want []T
			for i := 11; i <= 13; i++ {
				r := c.make(i)
				want = append(want, r)
				update(t, s, func(tx Tx) error { return c.table(tx).Insert(r) })
			}
			if c.newestFirst {
				slices.Reverse(want)
			}
			id := c.id(want[1])
			view(t, s, func(tx Tx) error {
				for _, parent := range []string{c.parent, ""} {
					got, err := c.table(tx).Get(parent, id)
					if err != nil {
						return err
					}
					same(t, "Get", got, want[1])
				}
				if _, err := c.table(tx).Get("org_other", id); c.parent != "" && !errors.Is(err, ErrNotFound) {
					t.Errorf("Get below a foreign parent: %v", err)
				}
				if _, err := c.table(tx).Get(c.parent, "nobody"); !errors.Is(err, ErrNotFound) {
					t.Errorf("Get of what never was: %v", err)
				}
				return nil
			})
			list := func() []T {
				var got []T
				view(t, s, func(tx Tx) error {
					all, next, total, err := c.table(tx).List(c.parent, Page{})
					if next != "" || total != len(all) {
						t.Errorf("List of all: next %q, total %d of %d", next, total, len(all))
					}
					got = slices.DeleteFunc(all, func(r T) bool { // what seed made
						return !slices.ContainsFunc(want, func(w T) bool { return c.id(w) == c.id(r) })
					})
					return err
				})
				return got
			}
			same(t, "List", list(), want)

			err := s.Update(t.Context(), func(tx Tx) error { return c.table(tx).Insert(want[0]) })
			var conflict *ConflictError
			if !errors.As(err, &conflict) {
				t.Errorf("Insert of an id that exists: %v", err)
			}

			c.change(&want[1])
			update(t, s, func(tx Tx) error { return c.table(tx).Update(want[1]) })
			same(t, "List after Update", list(), want)

			update(t, s, func(tx Tx) error { return c.table(tx).Delete(c.parent, id) })
			view(t, s, func(tx Tx) error {
				if _, err := c.table(tx).Get(c.parent, id); !errors.Is(err, ErrNotFound) {
					t.Errorf("Get of a deleted record: %v", err)
				}
				return nil
			})
			for what, op := range map[string]func(tx Tx) error{
				"Delete": func(tx Tx) error { return c.table(tx).Delete(c.parent, id) },
				"Update": func(tx Tx) error { return c.table(tx).Update(want[1]) },
			} {
				if err := s.Update(t.Context(), op); !errors.Is(err, ErrNotFound) {
					t.Errorf("%s of a deleted record: %v", what, err)
				}
			}
			same(t, "List after Delete", list(), slices.Delete(slices.Clone(want), 1, 2))
			if c.parent != "" {
				err := s.Update(t.Context(), func(tx Tx) error { return c.table(tx).Delete("org_other", c.id(want[0])) })
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("Delete below a foreign parent: %v", err)
				}
			}
		})
	})
}

func TestRecords(t *testing.T) {
	later := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	testRecords(t, "organizations", recordCase[Organization]{
		table: func(tx Tx) Table[Organization] { return tx.Organizations() }, make: anOrg, id: func(r Organization) string { return r.ID },
		change: func(r *Organization) { r.Name, r.SpendLimit, r.SpendCappedAt = "x", nil, nil },
	})
	testRecords(t, "keys", recordCase[Key]{
		table: func(tx Tx) Table[Key] { return tx.Keys() }, make: func(i int) Key { return aKey(org1, i) }, parent: org1, id: func(r Key) string { return r.ID },
		change: func(r *Key) { r.RevokedAt, r.ExpiresAt, r.LastUsedAt = &later, nil, nil },
	})
	testRecords(t, "enrollments", recordCase[Enrollment]{
		table: func(tx Tx) Table[Enrollment] { return tx.Enrollments() }, make: func(i int) Enrollment { return anEnrollment(org1, i) }, parent: org1,
		id: func(r Enrollment) string { return r.ID }, newestFirst: true,
		change: func(r *Enrollment) { r.TokenHash, r.RevokedAt = "rotated", nil },
	})
	testRecords(t, "projects", recordCase[Project]{
		table: func(tx Tx) Table[Project] { return tx.Projects() }, make: func(i int) Project { return aProject(org1, i) }, parent: org1, id: func(r Project) string { return r.ID },
		change: func(r *Project) {
			r.Name, r.Tags, r.AllowedCIDRs, r.AgentsDisabled, r.Status, r.UpdatedAt = "renamed", []string{}, nil, false, "suspended", later
		},
	})
	testRecords(t, "databases", recordCase[Database]{
		table: func(tx Tx) Table[Database] { return tx.Databases() }, make: func(i int) Database { return aDatabase(prj1, i) }, parent: prj1, id: func(r Database) string { return r.ID },
		change: func(r *Database) {
			r.Password, r.Cache, r.Pool.PoolMode = aDatabase(prj1, 99).Password, CacheConfig{}, "session"
		},
	})
	testRecords(t, "replicas", recordCase[Replica]{
		table: func(tx Tx) Table[Replica] { return tx.Replicas() }, make: func(i int) Replica { return aReplica(db1, i) }, parent: db1, id: func(r Replica) string { return r.ID },
		change: func(r *Replica) { r.Port, r.SSLMode = 6432, "disable" },
	})
	testRecords(t, "domains", recordCase[Domain]{
		table: func(tx Tx) Table[Domain] { return tx.Domains() }, make: func(i int) Domain { return aDomain(prj1, i) }, parent: prj1, id: func(r Domain) string { return r.ID },
		change: func(r *Domain) { r.VerifiedAt, r.TLSCertExpiry = nil, &later },
	})
	testRecords(t, "policies", recordCase[Policy]{
		table: func(tx Tx) Table[Policy] { return tx.Policies() }, make: func(i int) Policy { return aPolicy(prj1, i) }, parent: prj1, id: func(r Policy) string { return r.ID },
		change: func(r *Policy) { r.Name, r.Rules = "other", PolicyRules{AccessMode: "read_write"} },
	})
	testRecords(t, "credentials", recordCase[Credential]{
		table: func(tx Tx) Table[Credential] { return tx.Credentials() }, make: func(i int) Credential { return aCredential(prj1, pol1, i) }, parent: prj1, id: func(r Credential) string { return r.ID },
		change: func(r *Credential) { r.Verifier, r.Generation, r.ExpiresAt, r.Status = "rotated", 4, nil, "disabled" },
	})
	testRecords(t, "webhooks", recordCase[Webhook]{
		table: func(tx Tx) Table[Webhook] { return tx.Webhooks() }, make: func(i int) Webhook { return aWebhook(prj1, i) }, parent: prj1, id: func(r Webhook) string { return r.ID },
		change: func(r *Webhook) { r.Secret, r.Enabled, r.EventTypes = aWebhook(prj1, 99).Secret, false, nil },
	})
	testRecords(t, "cache rules", recordCase[CacheRule]{
		table: func(tx Tx) Table[CacheRule] { return tx.CacheRules() }, make: func(i int) CacheRule { return aCacheRule(prj1, db1, i) }, parent: db1, id: func(r CacheRule) string { return r.QueryHash },
		change: func(r *CacheRule) { r.CacheEnabled, r.CacheTTLSeconds, r.CacheSWRSeconds = false, nil, nil },
	})
}

func TestInsertBelowNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		otherPolicy := aCredential(prj1, "pol_nobody", 5)
		wrongProject := aCacheRule("prj_nobody", db1, 5)
		for name, op := range map[string]func(tx Tx) error{
			"key":                      func(tx Tx) error { return tx.Keys().Insert(aKey("org_nobody", 1)) },
			"enrollment":               func(tx Tx) error { return tx.Enrollments().Insert(anEnrollment("org_nobody", 1)) },
			"project":                  func(tx Tx) error { return tx.Projects().Insert(aProject("org_nobody", 1)) },
			"database":                 func(tx Tx) error { return tx.Databases().Insert(aDatabase("prj_nobody", 1)) },
			"replica":                  func(tx Tx) error { return tx.Replicas().Insert(aReplica("db_nobody", 1)) },
			"domain":                   func(tx Tx) error { return tx.Domains().Insert(aDomain("prj_nobody", 1)) },
			"policy":                   func(tx Tx) error { return tx.Policies().Insert(aPolicy("prj_nobody", 1)) },
			"webhook":                  func(tx Tx) error { return tx.Webhooks().Insert(aWebhook("prj_nobody", 1)) },
			"cache rule":               func(tx Tx) error { return tx.CacheRules().Insert(wrongProject) },
			"credential without rules": func(tx Tx) error { return tx.Credentials().Insert(otherPolicy) },
			"default policy": func(tx Tx) error {
				p, err := tx.Projects().Get(org1, prj1)
				p.DefaultPolicyID = "pol_nobody"
				return first(err, tx.Projects().Update(p))
			},
		} {
			if err := s.Update(t.Context(), op); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestSecretMayBeAbsent(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		w := aWebhook(prj1, 2)
		w.Secret = Webhook{}.Secret
		update(t, s, func(tx Tx) error { return tx.Webhooks().Insert(w) })
		view(t, s, func(tx Tx) error {
			got, err := tx.Webhooks().Get(prj1, w.ID)
			if !got.Secret.IsZero() {
				t.Error("a webhook without a secret came back with one")
			}
			return err
		})
	})
}

func TestDeletedProject(t *testing.T) {
	for name, remove := range map[string]func(tx Tx) error{
		"by Delete": func(tx Tx) error { return tx.Projects().Delete(org1, prj1) },
		"by status": func(tx Tx) error {
			p, err := tx.Projects().Get(org1, prj1)
			p.Status = "deleted"
			return first(err, tx.Projects().Update(p))
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, db testDB) {
				s := db.open(t)
				seed(t, s)
				update(t, s, func(tx Tx) error {
					return first(
						tx.KeepResponse(IdempotentResponse{OrgID: org1, Key: "p", ResourceID: prj1, Status: 201, CreatedAt: time.Now()}),
						tx.KeepResponse(IdempotentResponse{OrgID: org1, Key: "a", ResourceID: agt1, Status: 201, CreatedAt: time.Now()}),
						tx.KeepResponse(IdempotentResponse{OrgID: org1, Key: "other", ResourceID: "prj_other", Status: 201, CreatedAt: time.Now()}))
				})
				update(t, s, remove)
				view(t, s, func(tx Tx) error {
					for what, err := range map[string]error{
						"project":     second(tx.Projects().Get(org1, prj1)),
						"database":    second(tx.Databases().Get("", db1)),
						"replica":     second(tx.Replicas().Get("", rep1)),
						"domain":      second(tx.Domains().Get("", dom1)),
						"policy":      second(tx.Policies().Get("", pol1)),
						"credential":  second(tx.Credentials().Get("", agt1)),
						"webhook":     second(tx.Webhooks().Get("", whk1)),
						"cache rule":  second(tx.CacheRules().Get(db1, hash1)),
						"subdomain":   second(tx.ProjectBySubdomain("sorg_11")),
						"host name":   second(tx.ProjectByDomain("db1.prj_org_1_1.example.com")),
						"snapshot":    second(tx.Snapshot(prj1)),
						"sole":        second(tx.SoleProject()),
						"response":    second(tx.Idempotent(org1, "p")),
						"response of": second(tx.Idempotent(org1, "a")),
					} {
						if !errors.Is(err, ErrNotFound) {
							t.Errorf("%s of a deleted project: %v", what, err)
						}
					}
					if _, err := tx.Idempotent(org1, "other"); err != nil {
						t.Errorf("another project's kept response: %v", err)
					}
					c, err := tx.CredentialByUsername("agent_prj_org_1_1_1")
					if err != nil || c.Status != "revoked" {
						t.Errorf("credential of a deleted project: status %q, %v", c.Status, err)
					}
					return nil
				})
				err := s.Update(t.Context(), func(tx Tx) error { return tx.Databases().Insert(aDatabase(prj1, 2)) })
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("Insert into a deleted project: %v", err)
				}
				// Its name and host name are free, its subdomain never is.
				next := aProject(org1, 2)
				next.Name = aProject(org1, 1).Name
				update(t, s, func(tx Tx) error {
					d := aDomain(next.ID, 1)
					d.Domain = aDomain(prj1, 1).Domain
					return first(tx.Projects().Insert(next), tx.Domains().Insert(d))
				})
				again := aProject(org1, 3)
				again.Subdomain = aProject(org1, 1).Subdomain
				var conflict *ConflictError
				if err := s.Update(t.Context(), func(tx Tx) error { return tx.Projects().Insert(again) }); !errors.As(err, &conflict) || conflict.Field != "subdomain" {
					t.Errorf("subdomain of a deleted project was given away: %v", err)
				}
			})
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestLookups(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		view(t, s, func(tx Tx) error {
			key, err1 := tx.KeyByHash(aKey(org1, 1).Hash)
			same(t, "KeyByHash", key, aKey(org1, 1))
			enrollment, err2 := tx.EnrollmentByHash(anEnrollment(org1, 1).TokenHash)
			same(t, "EnrollmentByHash", enrollment, anEnrollment(org1, 1))
			credential, err3 := tx.CredentialByUsername("agent_prj_org_1_1_1")
			same(t, "CredentialByUsername", credential, aCredential(prj1, pol1, 1))
			bySubdomain, err4 := tx.ProjectBySubdomain("sorg_11")
			same(t, "ProjectBySubdomain", bySubdomain, aProject(org1, 1))
			byDomain, err5 := tx.ProjectByDomain("db1.prj_org_1_1.example.com")
			same(t, "ProjectByDomain", byDomain, aProject(org1, 1))
			sole, err6 := tx.SoleProject()
			same(t, "SoleProject", sole, aProject(org1, 1))
			for _, err := range []error{second(tx.KeyByHash("x")), second(tx.EnrollmentByHash("x")), second(tx.CredentialByUsername("x")), second(tx.ProjectBySubdomain("x")), second(tx.ProjectByDomain("x")), second(tx.Snapshot("x"))} {
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("look-up of nothing: %v", err)
				}
			}
			return first(err1, err2, err3, err4, err5, err6)
		})
		update(t, s, func(tx Tx) error {
			d := aDomain(prj1, 1)
			d.VerifiedAt = nil
			return first(tx.Projects().Insert(aProject(org1, 2)), tx.Domains().Update(d), tx.Credentials().Delete(prj1, agt1))
		})
		view(t, s, func(tx Tx) error {
			if _, err := tx.SoleProject(); !errors.Is(err, ErrNotFound) {
				t.Errorf("sole project of two: %v", err)
			}
			if _, err := tx.ProjectByDomain("db1.prj_org_1_1.example.com"); !errors.Is(err, ErrNotFound) {
				t.Errorf("unverified domain routes: %v", err)
			}
			c, err := tx.CredentialByUsername("agent_prj_org_1_1_1")
			if c.Status != "revoked" {
				t.Errorf("revoked credential has status %q", c.Status)
			}
			return err
		})
	})
}

func TestSnapshotHoldsTheProjectAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		update(t, s, func(tx Tx) error {
			other := aProject(org1, 2)
			if err := first(tx.Projects().Insert(other), tx.Databases().Insert(aDatabase(other.ID, 1)), tx.Replicas().Insert(aReplica(aDatabase(other.ID, 1).ID, 1))); err != nil {
				return err
			}
			for i := 2; i < 20; i++ {
				if err := first(tx.Databases().Insert(aDatabase(prj1, i)), tx.Policies().Insert(aPolicy(prj1, i)), tx.Credentials().Insert(aCredential(prj1, pol1, i))); err != nil {
					return err
				}
			}
			return tx.Credentials().Delete(prj1, aCredential(prj1, pol1, 19).ID)
		})
		counter := &countingEngine{engine: s.engine}
		s.engine = counter
		var got Snapshot
		view(t, s, func(tx Tx) (err error) {
			got, err = tx.Snapshot(prj1)
			return err
		})
		if counter.statements != 8 {
			t.Errorf("a snapshot took %d queries, want 8 whatever the project holds", counter.statements)
		}
		if len(got.Databases) != 19 || len(got.Policies) != 19 || len(got.Credentials) != 18 || len(got.Replicas) != 1 || len(got.Domains) != 1 || len(got.CacheRules) != 1 {
			t.Errorf("snapshot has %d databases, %d policies, %d credentials, %d replicas, %d domains, %d cache rules", len(got.Databases), len(got.Policies), len(got.Credentials), len(got.Replicas), len(got.Domains), len(got.CacheRules))
		}
		same(t, "database", got.Databases[0], aDatabase(prj1, 1))
		same(t, "organization", got.Org, anOrg(1))
		if got.Project.DatabaseCount != 19 {
			t.Errorf("database count %d", got.Project.DatabaseCount)
		}
		counter.statements = 0
		view(t, s, func(tx Tx) error { return second(tx.Databases().Get(prj1, db1)) })
		if counter.statements != 1 {
			t.Errorf("Get took %d queries", counter.statements)
		}
	})
}

// countingEngine counts statements; each is bound once.
type countingEngine struct {
	engine
	statements int
}

func (e *countingEngine) bind(query string) string {
	e.statements++
	return e.engine.bind(query)
}
