import pulumi
import pulumi_pgbeam as pgbeam

config = pulumi.Config()

# The proxy endpoint and the database behind it, made in one call.
project = pgbeam.Project(
    "shop",
    org_id=config.require("orgId"),
    name="shop-tour-python",
    description="The sample shop, behind PgBeam",
    tags=["tour", "python"],
    # Plain strings, or a cidr with its label. An empty list lets everybody in.
    allowed_cidrs=[
        pgbeam.CidrEntryArgs(cidr="127.0.0.0/8", label="this machine"),
        "::1",
        "10.0.0.0/8",
    ],
    database=pgbeam.ProjectDatabaseArgs(
        host=config.get("databaseHost") or "127.0.0.1",
        port=config.get_int("databasePort") or 5432,
        name=config.get("databaseName") or "shop",
        username=config.get("databaseUser") or "shop_app",
        password=config.require_secret("databasePassword"),
        query_timeout_ms=30_000,
    ),
)

# What the agent of this tour may do: read everything but addresses, which it
# can tell apart and not read, so much at a time and so often.
reporting = pgbeam.PolicyProfile(
    "reporting",
    project_id=project.id,
    name="reporting",
    access_mode="read_only",
    masking_rules=[
        pgbeam.MaskingRuleArgs(table="public.customers", column="email", kind="hash"),
        pgbeam.MaskingRuleArgs(table="public.customers", column="phone", kind="redact"),
    ],
    max_rows=1_000,
    statement_timeout_ms=10_000,
    budget_queries_per_hour=1_000,
)

# A narrower one, for an agent that answers customers: three tables, and only
# the customers of one country. A credential keeps its policy for life, so
# moving the agent means pointing policy_profile_id here, which replaces it.
support_desk = pgbeam.PolicyProfile(
    "support-desk",
    project_id=project.id,
    name="support-desk",
    access_mode="read_only",
    table_allowlist=["public.customers", "public.orders", "public.order_totals"],
    masking_rules=[pgbeam.MaskingRuleArgs(table="public.customers", column="phone", kind="null")],
    row_filters=[pgbeam.RowFilterArgs(table="public.customers", predicate="country = 'DE'")],
    max_rows=100,
    statement_timeout_ms=5_000,
    budget_queries_per_hour=500,
)

# A login of its own for one agent. Its password is shown once, here.
agent = pgbeam.AgentCredential(
    "reporting",
    project_id=project.id,
    policy_profile_id=reporting.id,
    name="reporting-agent",
    # Change a value to get a new password under the same user name.
    rotation_triggers={"issued": "2026-11"},
)

# Answers to one query are kept for a minute. The hash leaves literals out, so
# the rule holds for every category.
top_products = pgbeam.get_query_hash_output(
    sql="select name, price from products where category = 'kitchen' order by price desc limit 10",
)
pgbeam.CacheRule(
    "top-products",
    project_id=project.id,
    database_id=project.primary_database_id,
    query_hash=top_products.query_hash,
    cache_enabled=True,
    cache_ttl_seconds=60,
    cache_swr_seconds=30,
)

pgbeam.WebhookEndpoint(
    "blocked-statements",
    project_id=project.id,
    url="https://hooks.example.com/pgbeam",
    event_types=["query_blocked"],
    description="Tell the team when a policy refuses a statement",
    secret=config.require_secret("webhookSecret"),
)

pulumi.export("projectId", project.id)
pulumi.export("proxyHost", project.proxy_host)
pulumi.export("strictPolicyId", support_desk.id)
pulumi.export("pgUsername", agent.pg_username)
pulumi.export("mcpUrl", agent.mcp_url)
# Secrets: `pulumi stack output connectionString --show-secrets`.
pulumi.export("connectionString", agent.connection_string)
pulumi.export("mcpToken", agent.mcp_token)
