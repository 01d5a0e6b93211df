package store

import (
	"net/netip"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// Organization owns keys, projects and enrollments.
type Organization struct {
	ID, Name, Slug       string
	SpendLimit           *float64 // US dollars a calendar month; nil is none, 0 spends nothing
	SpendCappedAt        *time.Time
	CreatedAt, UpdatedAt time.Time
}

// Key is an API key of the control plane; the key itself is not kept.
type Key struct {
	ID, OrgID, Name string
	Hash            string // secret.HashToken of the key
	Hint            string // prefix and last four characters, for people
	CreatedAt       time.Time
	ExpiresAt       *time.Time
	RevokedAt       *time.Time
	LastUsedAt      *time.Time
}

// AllowedCIDR is one entry of a project's address allowlist.
type AllowedCIDR struct {
	Prefix netip.Prefix // masked; a single address has full length
	Label  string
}

// Project is one proxied application with its databases.
type Project struct {
	ID, OrgID, Name, Description string
	Tags                         []string
	Cloud                        string // aws, azure, gcp
	SelfHosted                   bool
	Subdomain                    string // 10 lower-case base32 characters, unique in the deployment
	AllowedCIDRs                 []AllowedCIDR
	DefaultPolicyID              string // "" is none
	Residency                    string // any, us, eu
	AgentsDisabled               bool
	Status                       string // active, suspended, deleted
	QueriesPerSecond             int32  // 0 is unlimited
	BurstSize                    int32  // 0 is the same as QueriesPerSecond
	MaxConnections               int32  // 0 is unlimited
	CreatedAt, UpdatedAt         time.Time

	// Set by the store on reading, ignored on writing.
	Revision          int64
	DatabaseCount     int
	ActiveConnections int
}

// CacheConfig is the result cache of a database.
type CacheConfig struct {
	Enabled    bool `json:"enabled"`
	TTLSeconds int  `json:"ttl_seconds"`
	MaxEntries int  `json:"max_entries"`
	SWRSeconds int  `json:"swr_seconds"`
}

// PoolConfig is how a database's upstream connections are shared.
type PoolConfig struct {
	PoolSize    int    `json:"pool_size"`
	MinPoolSize int    `json:"min_pool_size"`
	PoolMode    string `json:"pool_mode"` // session, transaction, statement
	MaxActive   int    `json:"max_active"`
}

// Database is one upstream PostgreSQL database.
type Database struct {
	ID, ProjectID        string
	Host                 string
	Port                 int
	Name, Username       string
	Password             secret.Text
	SSLMode              string // disable, allow, prefer, require, verify-ca, verify-full
	Role                 string // primary, replica
	PoolRegion           string
	QueryTimeoutMs       int // 0 is off
	AutoReadRouting      bool
	Cache                CacheConfig
	Pool                 PoolConfig
	CreatedAt, UpdatedAt time.Time
}

// Replica is a read replica of a database; it shares the database's
// credentials.
type Replica struct {
	ID, DatabaseID       string
	Host                 string
	Port                 int
	SSLMode              string
	CreatedAt, UpdatedAt time.Time
}

// Domain is a custom host name of a project.
type Domain struct {
	ID, ProjectID, Domain string // lower case, unique in the deployment once verified, unique in its project always
	Token                 string // what the TXT record must carry
	VerifiedAt            *time.Time
	TLSCertExpiry         *time.Time
	CreatedAt, UpdatedAt  time.Time
}

// MaskingRule hides one column.
type MaskingRule struct {
	Table  string `json:"table"`
	Column string `json:"column"`
	Kind   string `json:"kind"` // redact, null, hash
}

// RowFilter restricts one relation.
type RowFilter struct {
	Table     string `json:"table"`
	Predicate string `json:"predicate"`
}

// PolicyRules is what a policy profile asks for. Zero is unlimited or off.
type PolicyRules struct {
	AccessMode             string        `json:"access_mode"` // read_only, read_write
	AllowStatements        []string      `json:"allow_statements,omitempty"`
	DenyStatements         []string      `json:"deny_statements,omitempty"`
	TableAllowlist         []string      `json:"table_allowlist,omitempty"`
	TableDenylist          []string      `json:"table_denylist,omitempty"`
	MaskingRules           []MaskingRule `json:"masking_rules,omitempty"`
	RowFilters             []RowFilter   `json:"row_filters,omitempty"`
	BudgetQueriesPerHour   int           `json:"budget_queries_per_hour,omitempty"`
	BudgetQueriesPerDay    int           `json:"budget_queries_per_day,omitempty"`
	MaxRows                int           `json:"max_rows,omitempty"`
	StatementTimeoutMs     int           `json:"statement_timeout_ms,omitempty"`
	WriteMode              string        `json:"write_mode"`    // normal, rollback, sandbox
	ApprovalMode           string        `json:"approval_mode"` // off, writes, ddl, all
	ApprovalAutoMaxRows    int           `json:"approval_auto_max_rows,omitempty"`
	ApprovalTimeoutSeconds int           `json:"approval_timeout_seconds"`
	MigrationSafety        string        `json:"migration_safety"` // off, warn, block
	EgressBytesPerDay      int64         `json:"egress_bytes_per_day,omitempty"`
	MaxAffectedRows        int           `json:"max_affected_rows,omitempty"`
}

// Unenforced names the rules that this version does not enforce. A login under
// any of them is refused.
func (r PolicyRules) Unenforced() []string {
	var names []string
	if r.WriteMode == "sandbox" {
		names = append(names, "write_mode "+r.WriteMode)
	}
	if r.ApprovalMode != "" && r.ApprovalMode != "off" {
		names = append(names, "approval_mode "+r.ApprovalMode)
	}
	if r.EgressBytesPerDay != 0 {
		names = append(names, "egress_bytes_per_day")
	}
	return names
}

// Policy is a named set of rules.
type Policy struct {
	ID, ProjectID, Name  string
	Rules                PolicyRules
	CreatedAt, UpdatedAt time.Time
}

// Credential is a login that PgBeam issued to an agent or a person.
type Credential struct {
	ID, ProjectID, PolicyID, Name string
	PgUsername                    string // agent_<12 hex digits>, unique in the deployment for ever
	Status                        string // active, disabled, revoked
	PrincipalType                 string // agent, human
	AuthMethod                    string // scram-sha-256, cleartext
	Verifier                      string // SCRAM-SHA-256 verifier, in PostgreSQL's form
	MCPTokenHash                  string
	Generation                    int // grows with every rotation; sessions of an older one end
	LastUsedAt, ExpiresAt         *time.Time
	CreatedAt, UpdatedAt          time.Time
}

// Webhook is an endpoint that events are sent to.
type Webhook struct {
	ID, ProjectID, URL   string
	Secret               secret.Text
	Format               string // json, splunk_hec, datadog, elastic
	EventTypes           []string
	Enabled              bool
	Description          string
	CreatedAt, UpdatedAt time.Time
}

// CacheRule is a query shape of a database with its cache settings.
type CacheRule struct {
	DatabaseID, ProjectID   string
	QueryHash               string // 16 lower-case hex digits
	NormalizedSQL           string // "" until the shape was observed
	QueryType               string // read, write, other
	CacheEnabled            bool
	CacheTTLSeconds         *int // nil is the database's default
	CacheSWRSeconds         *int
	CallCount               int64
	AvgLatencyMs            float64
	P95LatencyMs            float64
	AvgResponseBytes        int64
	StabilityRate           float64 // 0 to 1
	Recommendation          string  // great, good, fair, poor
	FirstSeenAt, LastSeenAt time.Time
}

// Enrollment lets a self-hosted data plane join an organization.
type Enrollment struct {
	ID, OrgID, RegionLabel, Description string
	TokenHash                           string
	CreatedBy                           string // key id; "" unknown
	CreatedAt                           time.Time
	LastSeenAt, RevokedAt, ExpiresAt    *time.Time
}

// IdempotentResponse is what a POST or PATCH answered, kept for 24 hours.
type IdempotentResponse struct {
	OrgID, Key  string
	RequestHash string // of method, path and body
	ResourceID  string // what the request made or changed
	Status      int
	Body        []byte
	CreatedAt   time.Time
}

// Snapshot is all that the data plane needs of a project, at one revision.
type Snapshot struct {
	Project     Project
	Org         Organization
	Databases   []Database
	Replicas    []Replica
	Policies    []Policy
	Credentials []Credential
	Domains     []Domain
	CacheRules  []CacheRule
}
