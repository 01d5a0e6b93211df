package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConflicts(t *testing.T) {
	project := aProject(org1, 2)
	project.Name = aProject(org1, 1).Name
	subdomain := aProject(org1, 2)
	subdomain.Subdomain = aProject(org1, 1).Subdomain
	replica := aReplica(db1, 2)
	replica.Host, replica.Port = aReplica(db1, 1).Host, aReplica(db1, 1).Port
	domain := aDomain(prj1, 2)
	domain.Domain, domain.VerifiedAt = aDomain(prj1, 1).Domain, nil
	policy := aPolicy(prj1, 2)
	policy.Name = aPolicy(prj1, 1).Name
	credential := aCredential(prj1, pol1, 2)
	credential.Name = aCredential(prj1, pol1, 1).Name
	username := aCredential(prj1, pol1, 2)
	username.PgUsername = aCredential(prj1, pol1, 1).PgUsername
	webhook := aWebhook(prj1, 2)
	webhook.URL = aWebhook(prj1, 1).URL

	cases := map[string]struct {
		insert func(tx Tx) error
		want   ConflictError
	}{
		"project name":    {func(tx Tx) error { return tx.Projects().Insert(project) }, ConflictError{"project", "name", "shop 1", prj1}},
		"subdomain":       {func(tx Tx) error { return tx.Projects().Insert(subdomain) }, ConflictError{"project", "subdomain", "sorg_11", ""}},
		"replica address": {func(tx Tx) error { return tx.Replicas().Insert(replica) }, ConflictError{"replica", "host", "replica1.example.com:5432", rep1}},
		"domain":          {func(tx Tx) error { return tx.Domains().Insert(domain) }, ConflictError{"custom domain", "domain", domain.Domain, dom1}},
		"policy name":     {func(tx Tx) error { return tx.Policies().Insert(policy) }, ConflictError{"policy profile", "name", "readers 1", pol1}},
		"credential name": {func(tx Tx) error { return tx.Credentials().Insert(credential) }, ConflictError{"agent credential", "name", "bot 1", agt1}},
		"user name":       {func(tx Tx) error { return tx.Credentials().Insert(username) }, ConflictError{"agent credential", "pg_username", username.PgUsername, ""}},
		"webhook URL":     {func(tx Tx) error { return tx.Webhooks().Insert(webhook) }, ConflictError{"webhook endpoint", "url", webhook.URL, whk1}},
		"cache rule":      {func(tx Tx) error { return tx.CacheRules().Insert(aCacheRule(prj1, db1, 1)) }, ConflictError{"cache rule", "query_hash", hash1, hash1}},
	}
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		for name, c := range cases {
			var conflict *ConflictError
			update(t, s, func(tx Tx) error {
				if err := c.insert(tx); !errors.As(err, &conflict) {
					t.Errorf("%s: %v", name, err)
				}
				// The transaction goes on: a caller may look at what is in the way.
				return second(tx.Projects().Get(org1, prj1))
			})
			if conflict != nil {
				if diff := cmp.Diff(c.want, *conflict); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
		}
	})
}

func TestConflictOnRename(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		update(t, s, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
		renamed := aPolicy(prj1, 2)
		renamed.Name = aPolicy(prj1, 1).Name
		var conflict *ConflictError
		if err := s.Update(t.Context(), func(tx Tx) error { return tx.Policies().Update(renamed) }); !errors.As(err, &conflict) || conflict.ID != pol1 {
			t.Errorf("renamed onto another policy: %v", err)
		}
		// Its own name is no obstacle.
		update(t, s, func(tx Tx) error { return tx.Policies().Update(aPolicy(prj1, 2)) })
	})
}

func TestNamesAreFreeElsewhereAndAfterwards(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		otherOrg := aProject("org_2", 1)
		other := aProject(org1, 2)
		policy := aPolicy(other.ID, 1)
		credential := aCredential(other.ID, policy.ID, 1)
		webhook := aWebhook(other.ID, 1)
		domain := aDomain(other.ID, 1)
		domain.Domain, domain.VerifiedAt = aDomain(prj1, 1).Domain, nil
		successor := aCredential(prj1, pol1, 2)
		successor.Name = aCredential(prj1, pol1, 1).Name
		update(t, s, func(tx Tx) error {
			return first(
				tx.Organizations().Insert(anOrg(2)), tx.Projects().Insert(otherOrg), tx.Projects().Insert(other),
				tx.Policies().Insert(policy), tx.Credentials().Insert(credential), tx.Webhooks().Insert(webhook), tx.Domains().Insert(domain),
				tx.Credentials().Delete(prj1, agt1), tx.Credentials().Insert(successor),
			)
		})
		// Who verifies second loses, and does not learn to whom.
		domain.VerifiedAt = ptr(at(50))
		var conflict *ConflictError
		err := s.Update(t.Context(), func(tx Tx) error { return tx.Domains().Update(domain) })
		if !errors.As(err, &conflict) || conflict.Field != "domain" || conflict.ID != "" {
			t.Errorf("domain verified for two projects: %v", err)
		}
		update(t, s, func(tx Tx) error { return first(tx.Domains().Delete(prj1, dom1), tx.Domains().Update(domain)) })
	})
}

func TestPolicyInUseStays(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		remove := func() (inUse *InUseError) {
			t.Helper()
			err := s.Update(t.Context(), func(tx Tx) error { return tx.Policies().Delete(prj1, pol1) })
			if err != nil && !errors.As(err, &inUse) {
				t.Fatal(err)
			}
			return inUse
		}
		if got, want := remove(), (&InUseError{"policy profile", "agent credential", []string{agt1}}); !cmp.Equal(got, want) {
			t.Errorf("used by a credential: %+v", got)
		}
		update(t, s, func(tx Tx) error {
			p, err := tx.Projects().Get(org1, prj1)
			p.DefaultPolicyID = pol1
			return first(err, tx.Projects().Update(p), tx.Credentials().Delete(prj1, agt1))
		})
		if got, want := remove(), (&InUseError{"policy profile", "project", []string{prj1}}); !cmp.Equal(got, want) {
			t.Errorf("used as default: %+v", got)
		}
		update(t, s, func(tx Tx) error {
			p, err := tx.Projects().Get(org1, prj1)
			p.DefaultPolicyID = ""
			return first(err, tx.Projects().Update(p))
		})
		if got := remove(); got != nil {
			t.Errorf("used by a revoked credential only: %+v", got)
		}
	})
}

func TestOrganizationWithProjectsStays(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		var inUse *InUseError
		err := s.Update(t.Context(), func(tx Tx) error { return tx.Organizations().Delete("", org1) })
		if !errors.As(err, &inUse) || !cmp.Equal(inUse, &InUseError{"organization", "project", []string{prj1}}) {
			t.Errorf("organization with a project: %v", err)
		}
		update(t, s, func(tx Tx) error {
			return first(tx.Projects().Delete(org1, prj1), tx.Organizations().Delete("", org1))
		})
		view(t, s, func(tx Tx) error {
			if _, err := tx.KeyByHash(aKey(org1, 1).Hash); !errors.Is(err, ErrNotFound) {
				t.Errorf("key of a deleted organization: %v", err)
			}
			return nil
		})
	})
}
