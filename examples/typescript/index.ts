import * as pulumi from "@pulumi/pulumi";
import * as pgbeam from "@pgbeam/pulumi";

const config = new pulumi.Config();

// The proxy endpoint and the database behind it, made in one call.
const project = new pgbeam.Project("shop", {
  orgId: config.require("orgId"),
  name: "shop-tour-typescript",
  description: "The sample shop, behind PgBeam",
  tags: ["tour", "typescript"],
  // Plain strings, or {cidr, label}. An empty list lets everybody in.
  allowedCidrs: [{ cidr: "127.0.0.0/8", label: "this machine" }, "::1", "10.0.0.0/8"],
  database: {
    host: config.get("databaseHost") ?? "127.0.0.1",
    port: config.getNumber("databasePort") ?? 5432,
    name: config.get("databaseName") ?? "shop",
    username: config.get("databaseUser") ?? "shop_app",
    password: config.requireSecret("databasePassword"),
    queryTimeoutMs: 30_000,
  },
});

// What the agent of this tour may do: read everything but addresses, which it
// can tell apart and not read, so much at a time and so often.
const reporting = new pgbeam.PolicyProfile("reporting", {
  projectId: project.id,
  name: "reporting",
  accessMode: "read_only",
  maskingRules: [
    { table: "public.customers", column: "email", kind: "hash" },
    { table: "public.customers", column: "phone", kind: "redact" },
  ],
  maxRows: 1_000,
  statementTimeoutMs: 10_000,
  budgetQueriesPerHour: 1_000,
});

// A narrower one, for an agent that answers customers: three tables, and only
// the customers of one country. A credential keeps its policy for life, so
// moving the agent means pointing policyProfileId here, which replaces it.
const supportDesk = new pgbeam.PolicyProfile("support-desk", {
  projectId: project.id,
  name: "support-desk",
  accessMode: "read_only",
  tableAllowlist: ["public.customers", "public.orders", "public.order_totals"],
  maskingRules: [{ table: "public.customers", column: "phone", kind: "null" }],
  rowFilters: [{ table: "public.customers", predicate: "country = 'DE'" }],
  maxRows: 100,
  statementTimeoutMs: 5_000,
  budgetQueriesPerHour: 500,
});

// A login of its own for one agent. Its password is shown once, here.
const agent = new pgbeam.AgentCredential("reporting", {
  projectId: project.id,
  policyProfileId: reporting.id,
  name: "reporting-agent",
  // Change a value to get a new password under the same user name.
  rotationTriggers: { issued: "2026-11" },
});

// Answers to one query are kept for a minute. The hash leaves literals out, so
// the rule holds for every category.
const topProducts = pgbeam.getQueryHashOutput({
  sql: "select name, price from products where category = 'kitchen' order by price desc limit 10",
});
new pgbeam.CacheRule("top-products", {
  projectId: project.id,
  databaseId: project.primaryDatabaseId,
  queryHash: topProducts.queryHash,
  cacheEnabled: true,
  cacheTtlSeconds: 60,
  cacheSwrSeconds: 30,
});

new pgbeam.WebhookEndpoint("blocked-statements", {
  projectId: project.id,
  url: "https://hooks.example.com/pgbeam",
  eventTypes: ["query_blocked"],
  description: "Tell the team when a policy refuses a statement",
  secret: config.requireSecret("webhookSecret"),
});

export const projectId = project.id;
export const proxyHost = project.proxyHost;
export const strictPolicyId = supportDesk.id;
export const pgUsername = agent.pgUsername;
export const mcpUrl = agent.mcpUrl;
// Secrets: `pulumi stack output connectionString --show-secrets`.
export const connectionString = agent.connectionString;
export const mcpToken = agent.mcpToken;
