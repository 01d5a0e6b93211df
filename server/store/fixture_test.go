package store

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// epoch is when the records of tests begin; the store keeps microseconds.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

func ptr[T any](v T) *T { return &v }

func at(i int) time.Time { return epoch.Add(time.Duration(i) * time.Second) }

// Each of these makes a record with every field set; i tells them apart.

func anOrg(i int) Organization {
	return Organization{
		ID: fmt.Sprintf("org_%d", i), Name: fmt.Sprintf("Org %d", i), Slug: fmt.Sprintf("org-%d", i),
		SpendLimit: ptr(0.0), SpendCappedAt: ptr(at(i)), CreatedAt: at(i), UpdatedAt: at(i + 1),
	}
}

func aKey(org string, i int) Key {
	return Key{
		ID: fmt.Sprintf("key_%s_%d", org, i), OrgID: org, Name: "ci", Hash: secret.HashToken(fmt.Sprint(org, i)), Hint: "pgb_…abcd",
		CreatedAt: at(i), ExpiresAt: ptr(at(1000)), RevokedAt: ptr(at(500)), LastUsedAt: ptr(at(100)),
	}
}

func aProject(org string, i int) Project {
	return Project{
		ID: fmt.Sprintf("prj_%s_%d", org, i), OrgID: org, Name: fmt.Sprintf("shop %d", i), Description: "日本 'quoted' \"both\" \\",
		Tags: []string{"prod", "eu <&>"}, Cloud: "aws", SelfHosted: true, Subdomain: fmt.Sprintf("s%s%d", org, i),
		AllowedCIDRs: []AllowedCIDR{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Label: "office"}, {Prefix: netip.MustParsePrefix("2001:db8::1/128")}},
		Residency:    "eu", AgentsDisabled: true, Status: "active", QueriesPerSecond: 50, BurstSize: 100, MaxConnections: 20,
		CreatedAt: at(i), UpdatedAt: at(i + 1),
	}
}

func aDatabase(project string, i int) Database {
	return Database{
		ID: fmt.Sprintf("db_%s_%d", project, i), ProjectID: project, Host: "db.example.com", Port: 5433, Name: "shop", Username: "app",
		Password: secret.NewText(fmt.Sprintf("canary-password-%s-%d", project, i)), SSLMode: "verify-full", Role: "primary", PoolRegion: "eu-west-1",
		QueryTimeoutMs: 30000, AutoReadRouting: true,
		Cache:     CacheConfig{Enabled: true, TTLSeconds: 60, MaxEntries: 10000, SWRSeconds: 30},
		Pool:      PoolConfig{PoolSize: 10, MinPoolSize: 1, PoolMode: "transaction", MaxActive: 200},
		CreatedAt: at(i), UpdatedAt: at(i + 1),
	}
}

func aReplica(database string, i int) Replica {
	return Replica{ID: fmt.Sprintf("rep_%s_%d", database, i), DatabaseID: database, Host: fmt.Sprintf("replica%d.example.com", i), Port: 5432, SSLMode: "require", CreatedAt: at(i), UpdatedAt: at(i + 1)}
}

func aDomain(project string, i int) Domain {
	return Domain{
		ID: fmt.Sprintf("dom_%s_%d", project, i), ProjectID: project, Domain: fmt.Sprintf("db%d.%s.example.com", i, project), Token: "pgbeam-verify-1",
		VerifiedAt: ptr(at(3)), TLSCertExpiry: ptr(at(4)), CreatedAt: at(i), UpdatedAt: at(i + 1),
	}
}

func aPolicy(project string, i int) Policy {
	return Policy{
		ID: fmt.Sprintf("pol_%s_%d", project, i), ProjectID: project, Name: fmt.Sprintf("readers %d", i),
		Rules: PolicyRules{
			AccessMode: "read_only", AllowStatements: []string{"SELECT"}, DenyStatements: []string{"COPY"}, TableAllowlist: []string{"public.orders"},
			TableDenylist: []string{"public.users"}, MaskingRules: []MaskingRule{{Table: "orders", Column: "email", Kind: "hash"}},
			RowFilters:           []RowFilter{{Table: "orders", Predicate: "tenant_id = 'a' AND x < 3 & 1"}},
			BudgetQueriesPerHour: 100, BudgetQueriesPerDay: 1000, MaxRows: 500, StatementTimeoutMs: 1000, WriteMode: "rollback", ApprovalMode: "ddl",
			ApprovalAutoMaxRows: 5, ApprovalTimeoutSeconds: 300, MigrationSafety: "block", EgressBytesPerDay: 1 << 40, MaxAffectedRows: 10,
		},
		CreatedAt: at(i), UpdatedAt: at(i + 1),
	}
}

func aCredential(project, policy string, i int) Credential {
	return Credential{
		ID: fmt.Sprintf("agt_%s_%d", project, i), ProjectID: project, PolicyID: policy, Name: fmt.Sprintf("bot %d", i),
		PgUsername: fmt.Sprintf("agent_%s_%d", project, i), Status: "active", PrincipalType: "agent", AuthMethod: "scram-sha-256", Verifier: "SCRAM-SHA-256$…",
		MCPTokenHash: secret.HashToken(fmt.Sprint("mcp", project, i)), Generation: 3, LastUsedAt: ptr(at(7)), ExpiresAt: ptr(at(9)), CreatedAt: at(i), UpdatedAt: at(i + 1),
	}
}

func aWebhook(project string, i int) Webhook {
	return Webhook{
		ID: fmt.Sprintf("whk_%s_%d", project, i), ProjectID: project, URL: fmt.Sprintf("https://hooks.example.com/%d?a=b&c", i),
		Secret: secret.NewText(fmt.Sprintf("canary-webhook-%s-%d", project, i)), Format: "json", EventTypes: []string{"query.blocked"},
		Enabled: true, Description: "to chat", CreatedAt: at(i), UpdatedAt: at(i + 1),
	}
}

func aCacheRule(project, database string, i int) CacheRule {
	return CacheRule{
		DatabaseID: database, ProjectID: project, QueryHash: fmt.Sprintf("%016x", i), NormalizedSQL: "select $1", QueryType: "read", CacheEnabled: true,
		CacheTTLSeconds: ptr(0), CacheSWRSeconds: ptr(30), CallCount: 1 << 40, AvgLatencyMs: 1.25, P95LatencyMs: 9.5, AvgResponseBytes: 4096,
		StabilityRate: 0.875, Recommendation: "great", FirstSeenAt: at(i), LastSeenAt: at(i + 1),
	}
}

func anEnrollment(org string, i int) Enrollment {
	return Enrollment{
		ID: fmt.Sprintf("she_%s_%d", org, i), OrgID: org, RegionLabel: "rack 4", Description: "basement", TokenHash: secret.HashToken(fmt.Sprint("she", org, i)), CreatedBy: "key_1",
		CreatedAt: at(i), LastSeenAt: ptr(at(20)), RevokedAt: ptr(at(30)), ExpiresAt: ptr(at(40)),
	}
}

// seed makes organization org_1 with project prj_org_1_1, and in it one
// record of each kind, numbered 1.
const (
	org1  = "org_1"
	prj1  = "prj_org_1_1"
	db1   = "db_prj_org_1_1_1"
	rep1  = "rep_db_prj_org_1_1_1_1"
	dom1  = "dom_prj_org_1_1_1"
	pol1  = "pol_prj_org_1_1_1"
	agt1  = "agt_prj_org_1_1_1"
	whk1  = "whk_prj_org_1_1_1"
	hash1 = "0000000000000001"
)

func seed(t testing.TB, s Store) {
	t.Helper()
	update(t, s, func(tx Tx) error {
		return first(
			tx.Organizations().Insert(anOrg(1)),
			tx.Keys().Insert(aKey(org1, 1)),
			tx.Enrollments().Insert(anEnrollment(org1, 1)),
			tx.Projects().Insert(aProject(org1, 1)),
			tx.Databases().Insert(aDatabase(prj1, 1)),
			tx.Replicas().Insert(aReplica(db1, 1)),
			tx.Domains().Insert(aDomain(prj1, 1)),
			tx.Policies().Insert(aPolicy(prj1, 1)),
			tx.Credentials().Insert(aCredential(prj1, pol1, 1)),
			tx.Webhooks().Insert(aWebhook(prj1, 1)),
			tx.CacheRules().Insert(aCacheRule(prj1, db1, 1)),
		)
	})
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func update(t testing.TB, s Store, fn func(tx Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, s Store, fn func(tx Tx) error) {
	t.Helper()
	if err := s.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// same compares records; what the store computes is left out.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}),
		cmpopts.IgnoreFields(Project{}, "Revision", "DatabaseCount", "ActiveConnections"))
	if diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
