// Manage PgBeam, the PostgreSQL proxy that gives applications and AI agents governed access to a database: projects, databases, replicas, policies, agent credentials, caching, webhooks and spend limits.
package pgbeam
