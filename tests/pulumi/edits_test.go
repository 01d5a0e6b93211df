package pulumi

// edit is one property of one resource, changed alone. Every input property
// in provider/schema.json has one; TestEveryInputPropertyHasAnEdit sees to it.
type edit struct {
	resource string // "Project"
	path     string // "database.cacheConfig.ttlSeconds"
	from, to any    // nil: the program does not set it
	// replaces says what the table of replacement triggers says.
	replaces bool
	// planned says why the change is only previewed: one key sees one
	// organization, and a child does not move to a parent it does not belong to.
	planned string
	// unseen says that the API never returns the property.
	unseen bool
	// seen is what the API returns for `to` where that is not `to` itself.
	seen any
}

// later is a value that only the state of the first up can give.
type later func(w *walk) any

const (
	otherOrg    = "a key sees one organization"
	otherParent = "what it refers to belongs to the first project"
	future      = "2037-01-02T03:04:05Z"
)

func edits() []edit {
	all := []edit{
		{resource: "Project", path: "orgId", from: later(func(w *walk) any { return w.beam.Org }), to: "org_elsewhere", replaces: true, planned: otherOrg},
		{resource: "Project", path: "name", from: "walk-name", to: "walk-name-changed"},
		{resource: "Project", path: "description", to: "now described"},
		{resource: "Project", path: "tags", from: []any{"one"}, to: []any{"one", "two"}},
		{resource: "Project", path: "allowedCidrs", to: []any{"10.0.0.0/8", map[string]any{"cidr": "2001:db8::/32", "label": "office"}, "192.0.2.7"},
			seen: []any{map[string]any{"cidr": "10.0.0.0/8"}, map[string]any{"cidr": "2001:db8::/32", "label": "office"}, map[string]any{"cidr": "192.0.2.7/32"}}},
		{resource: "Project", path: "defaultPolicyProfileId", to: later(func(w *walk) any { return w.defaultPolicy() })},
		{resource: "Project", path: "agentsDisabled", to: true},
		{resource: "Project", path: "status", to: "suspended"},
		{resource: "Project", path: "cloud", to: "gcp", replaces: true},
		{resource: "Project", path: "residency", to: "eu"},
		{resource: "Project", path: "selfHosted", to: true, replaces: true},

		{resource: "Database", path: "projectId", from: "${base.id}", to: "${other.id}", replaces: true},

		{resource: "Replica", path: "databaseId", from: "${base.primaryDatabaseId}", to: "${other.primaryDatabaseId}", replaces: true},
		{resource: "Replica", path: "host", from: "replica-a.example.com", to: "replica-b.example.com", replaces: true},
		{resource: "Replica", path: "port", from: 5432, to: 6432, replaces: true},
		{resource: "Replica", path: "sslMode", from: "require", to: "verify-full", replaces: true},

		{resource: "CustomDomain", path: "projectId", from: "${base.id}", to: "${other.id}", replaces: true},
		{resource: "CustomDomain", path: "domain", from: "db.walk.example.com", to: "pg.walk.example.com", replaces: true},

		{resource: "CacheRule", path: "projectId", from: "${base.id}", to: "${other.id}", replaces: true, planned: otherParent},
		{resource: "CacheRule", path: "databaseId", from: "${base.primaryDatabaseId}", to: "${second.id}", replaces: true},
		{resource: "CacheRule", path: "queryHash", from: "00000000000000a1", to: "00000000000000a2", replaces: true},
		{resource: "CacheRule", path: "cacheEnabled", from: true, to: false},
		{resource: "CacheRule", path: "cacheTtlSeconds", from: 10, to: 20},
		{resource: "CacheRule", path: "cacheSwrSeconds", to: 0},

		{resource: "SpendLimit", path: "orgId", from: later(func(w *walk) any { return w.beam.Org }), to: "org_elsewhere", replaces: true, planned: otherOrg},
		{resource: "SpendLimit", path: "spendLimit", from: 75.5, to: 0},

		{resource: "AgentCredential", path: "projectId", from: "${base.id}", to: "${other.id}", replaces: true, planned: otherParent},
		{resource: "AgentCredential", path: "policyProfileId", from: "${policy.id}", to: "${policy2.id}", replaces: true},
		{resource: "AgentCredential", path: "name", from: "walk", to: "walk-changed", replaces: true},
		{resource: "AgentCredential", path: "status", to: "disabled"},
		{resource: "AgentCredential", path: "principalType", to: "human", replaces: true},
		{resource: "AgentCredential", path: "expiresAt", to: future, replaces: true},
		{resource: "AgentCredential", path: "rotationTriggers", from: map[string]any{"issued": "1"}, to: map[string]any{"issued": "2"}, unseen: true},

		{resource: "PolicyProfile", path: "projectId", from: "${base.id}", to: "${other.id}", replaces: true},
		{resource: "PolicyProfile", path: "name", from: "walk-name", to: "walk-name-changed"},
		{resource: "PolicyProfile", path: "accessMode", to: "read_write"},
		{resource: "PolicyProfile", path: "statementRules.allow", to: []any{"select", "insert"}},
		{resource: "PolicyProfile", path: "statementRules.deny", to: []any{"ddl"}},
		{resource: "PolicyProfile", path: "tableAllowlist", from: []any{"public.orders"}, to: []any{"public.orders", "public.users"}},
		{resource: "PolicyProfile", path: "tableDenylist", to: []any{"public.secrets"}},
		{resource: "PolicyProfile", path: "maskingRules", to: []any{map[string]any{"table": "public.users", "column": "email", "kind": "hash"}}},
		{resource: "PolicyProfile", path: "maskingRules.table", from: mask("public.users", "email", "hash"), to: mask("public.people", "email", "hash")},
		{resource: "PolicyProfile", path: "maskingRules.column", from: mask("public.users", "email", "hash"), to: mask("public.users", "phone", "hash")},
		{resource: "PolicyProfile", path: "maskingRules.kind", from: mask("public.users", "email", "hash"), to: mask("public.users", "email", "redact")},
		{resource: "PolicyProfile", path: "rowFilters", to: []any{map[string]any{"table": "public.users", "predicate": "tenant = 1"}}},
		{resource: "PolicyProfile", path: "rowFilters.table", from: filter("public.users", "tenant = 1"), to: filter("public.orders", "tenant = 1")},
		{resource: "PolicyProfile", path: "rowFilters.predicate", from: filter("public.users", "tenant = 1"), to: filter("public.users", "tenant = 2")},
		{resource: "PolicyProfile", path: "budgetQueriesPerHour", to: 100},
		{resource: "PolicyProfile", path: "budgetQueriesPerDay", from: 1000, to: 2000},
		{resource: "PolicyProfile", path: "maxRows", to: 500},
		{resource: "PolicyProfile", path: "statementTimeoutMs", to: 2500},
		{resource: "PolicyProfile", path: "writeMode", to: "rollback"},
		{resource: "PolicyProfile", path: "approvalMode", to: "writes"},
		{resource: "PolicyProfile", path: "approvalAutoMaxRows", to: 10},
		{resource: "PolicyProfile", path: "approvalTimeoutSeconds", to: 60},
		{resource: "PolicyProfile", path: "migrationSafety", to: "warn"},
		{resource: "PolicyProfile", path: "egressBytesPerDay", to: 5_000_000_000},
		{resource: "PolicyProfile", path: "maxAffectedRows", to: 25},

		{resource: "WebhookEndpoint", path: "projectId", from: "${base.id}", to: "${other.id}", replaces: true},
		{resource: "WebhookEndpoint", path: "url", from: "https://hooks.example.com/walk-url", to: "https://hooks.example.com/walk-url-changed"},
		{resource: "WebhookEndpoint", path: "format", to: "datadog"},
		{resource: "WebhookEndpoint", path: "eventTypes", to: []any{"query_blocked", "kill_switch"}},
		{resource: "WebhookEndpoint", path: "enabled", to: false},
		{resource: "WebhookEndpoint", path: "description", to: "now described"},
		{resource: "WebhookEndpoint", path: "secret", from: "canary-webhook-first", to: "canary-webhook-second", unseen: true},

		{resource: "SelfHostEnrollment", path: "orgId", from: later(func(w *walk) any { return w.beam.Org }), to: "org_elsewhere", replaces: true, planned: otherOrg},
		{resource: "SelfHostEnrollment", path: "regionLabel", from: "rack 1", to: "rack 2", replaces: true},
		{resource: "SelfHostEnrollment", path: "description", to: "now described", replaces: true},
		{resource: "SelfHostEnrollment", path: "expiresAt", to: future, replaces: true},
	}
	// A database is edited the same way where it stands alone and inside its project.
	for _, e := range []edit{
		{path: "host", from: "db-a.example.com", to: "db-b.example.com"},
		{path: "port", from: 5432, to: 6432},
		{path: "name", from: "app", to: "app2"},
		{path: "username", from: "app", to: "app_owner"},
		{path: "password", from: "canary-database-first", to: "canary-database-second", unseen: true},
		{path: "sslMode", from: "require", to: "verify-full"},
		{path: "poolRegion", to: "eu-west-1"},
		{path: "queryTimeoutMs", to: 5000},
		{path: "autoReadRouting", to: true},
		{path: "cacheConfig.enabled", from: false, to: true},
		{path: "cacheConfig.ttlSeconds", from: 60, to: 0},
		{path: "cacheConfig.maxEntries", from: 100, to: 200},
		{path: "cacheConfig.swrSeconds", from: 10, to: 20},
		{path: "poolConfig.poolSize", from: 10, to: 20},
		{path: "poolConfig.minPoolSize", from: 1, to: 2},
		{path: "poolConfig.poolMode", from: "session", to: "transaction"},
		{path: "poolConfig.maxActive", from: 100, to: 300},
		{path: "role", to: "replica"},
	} {
		alone, inside := e, e
		alone.resource = "Database"
		inside.resource, inside.path = "Project", "database."+e.path
		all = append(all, alone, inside)
	}
	return all
}

func mask(table, column, kind string) []any {
	return []any{map[string]any{"table": table, "column": column, "kind": kind}}
}

func filter(table, predicate string) []any {
	return []any{map[string]any{"table": table, "predicate": predicate}}
}
