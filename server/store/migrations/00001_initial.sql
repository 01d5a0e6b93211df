-- One schema for both engines. SQLite reads the PostgreSQL types by affinity.
-- Moments are microseconds since 1970 UTC: exact and sortable in both.
-- Sealed columns hold AEAD ciphertext bound to table, id and column.

-- +goose Up
CREATE TABLE organizations (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    slug            TEXT NOT NULL,
    spend_limit     DOUBLE PRECISION,
    spend_capped_at BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    org_id       TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    hash         TEXT NOT NULL UNIQUE,
    hint         TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    revoked_at   BIGINT,
    last_used_at BIGINT
);
CREATE INDEX api_keys_of_org ON api_keys (org_id, created_at, id);

CREATE TABLE projects (
    id                 TEXT PRIMARY KEY,
    org_id             TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name               TEXT NOT NULL,
    description        TEXT NOT NULL,
    tags               TEXT NOT NULL, -- JSON
    cloud              TEXT NOT NULL,
    self_hosted        BOOLEAN NOT NULL,
    subdomain          TEXT NOT NULL UNIQUE, -- for ever: never given to another project
    allowed_cidrs      TEXT NOT NULL, -- JSON
    default_policy_id  TEXT NOT NULL,
    residency          TEXT NOT NULL,
    agents_disabled    BOOLEAN NOT NULL,
    status             TEXT NOT NULL,
    queries_per_second INTEGER NOT NULL,
    burst_size         INTEGER NOT NULL,
    max_connections    INTEGER NOT NULL,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    revision           BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX projects_name ON projects (org_id, name) WHERE status <> 'deleted';
CREATE INDEX projects_of_org ON projects (org_id, created_at, id);
CREATE INDEX projects_revision ON projects (id, revision);

CREATE TABLE databases (
    id                TEXT PRIMARY KEY,
    project_id        TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    host              TEXT NOT NULL,
    port              INTEGER NOT NULL,
    name              TEXT NOT NULL,
    username          TEXT NOT NULL,
    password          BYTEA, -- sealed
    ssl_mode          TEXT NOT NULL,
    role              TEXT NOT NULL,
    pool_region       TEXT NOT NULL,
    query_timeout_ms  INTEGER NOT NULL,
    auto_read_routing BOOLEAN NOT NULL,
    cache_config      TEXT NOT NULL, -- JSON
    pool_config       TEXT NOT NULL, -- JSON
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
);
CREATE INDEX databases_of_project ON databases (project_id, created_at, id);

CREATE TABLE replicas (
    id          TEXT PRIMARY KEY,
    database_id TEXT NOT NULL REFERENCES databases (id) ON DELETE CASCADE,
    host        TEXT NOT NULL,
    port        INTEGER NOT NULL,
    ssl_mode    TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX replicas_address ON replicas (database_id, host, port);
CREATE INDEX replicas_of_database ON replicas (database_id, created_at, id);

CREATE TABLE domains (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    domain          TEXT NOT NULL,
    token           TEXT NOT NULL,
    verified_at     BIGINT,
    tls_cert_expiry BIGINT,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX domains_name ON domains (project_id, domain);
CREATE UNIQUE INDEX domains_verified ON domains (domain) WHERE verified_at IS NOT NULL;
CREATE INDEX domains_of_project ON domains (project_id, created_at, id);

CREATE TABLE policies (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    rules      TEXT NOT NULL, -- JSON
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX policies_name ON policies (project_id, name);
CREATE INDEX policies_of_project ON policies (project_id, created_at, id);

CREATE TABLE credentials (
    id             TEXT PRIMARY KEY,
    project_id     TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    policy_id      TEXT NOT NULL, -- no foreign key: a revoked credential outlives its policy
    name           TEXT NOT NULL,
    pg_username    TEXT NOT NULL UNIQUE,
    status         TEXT NOT NULL,
    principal_type TEXT NOT NULL,
    auth_method    TEXT NOT NULL,
    verifier       TEXT NOT NULL,
    mcp_token_hash TEXT NOT NULL,
    generation     INTEGER NOT NULL,
    last_used_at   BIGINT,
    expires_at     BIGINT,
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX credentials_name ON credentials (project_id, name) WHERE status <> 'revoked';
CREATE INDEX credentials_of_project ON credentials (project_id, created_at, id);
CREATE INDEX credentials_of_policy ON credentials (policy_id);
CREATE INDEX credentials_mcp_token ON credentials (mcp_token_hash);

CREATE TABLE webhooks (
    id          TEXT PRIMARY KEY,
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    url         TEXT NOT NULL,
    secret      BYTEA, -- sealed
    format      TEXT NOT NULL,
    event_types TEXT NOT NULL, -- JSON
    enabled     BOOLEAN NOT NULL,
    description TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhooks_url ON webhooks (project_id, url);
CREATE INDEX webhooks_of_project ON webhooks (project_id, created_at, id);

CREATE TABLE cache_rules (
    query_hash         TEXT NOT NULL,
    database_id        TEXT NOT NULL REFERENCES databases (id) ON DELETE CASCADE,
    project_id         TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    normalized_sql     TEXT NOT NULL,
    query_type         TEXT NOT NULL,
    cache_enabled      BOOLEAN NOT NULL,
    cache_ttl_seconds  INTEGER,
    cache_swr_seconds  INTEGER,
    call_count         BIGINT NOT NULL,
    avg_latency_ms     DOUBLE PRECISION NOT NULL,
    p95_latency_ms     DOUBLE PRECISION NOT NULL,
    avg_response_bytes BIGINT NOT NULL,
    stability_rate     DOUBLE PRECISION NOT NULL,
    recommendation     TEXT NOT NULL,
    first_seen_at      BIGINT NOT NULL,
    last_seen_at       BIGINT NOT NULL,
    PRIMARY KEY (database_id, query_hash)
);
CREATE INDEX cache_rules_of_database ON cache_rules (database_id, first_seen_at, query_hash);
CREATE INDEX cache_rules_of_project ON cache_rules (project_id);

CREATE TABLE enrollments (
    id           TEXT PRIMARY KEY,
    org_id       TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    region_label TEXT NOT NULL,
    description  TEXT NOT NULL,
    token_hash   TEXT NOT NULL UNIQUE,
    created_by   TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT,
    revoked_at   BIGINT,
    expires_at   BIGINT
);
CREATE INDEX enrollments_of_org ON enrollments (org_id, created_at, id);

CREATE TABLE idempotent_responses (
    org_id          TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash    TEXT NOT NULL,
    resource_id     TEXT NOT NULL,
    status          INTEGER NOT NULL,
    body            BYTEA, -- sealed
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (org_id, idempotency_key)
);
CREATE INDEX idempotent_responses_of_resource ON idempotent_responses (resource_id);
CREATE INDEX idempotent_responses_age ON idempotent_responses (created_at);

CREATE TABLE connection_reports (
    instance    TEXT NOT NULL,
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    connections INTEGER NOT NULL,
    reported_at BIGINT NOT NULL,
    PRIMARY KEY (instance, project_id)
);
CREATE INDEX connection_reports_of_project ON connection_reports (project_id, reported_at);
