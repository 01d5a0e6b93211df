// The usual work of node-postgres, against whatever PGBEAM_TEST_URL names.
// With PGBEAM_TEST_CA the server's certificate must be the one in that file.
// With PGBEAM_TEST_POLICY the login is under a policy, and what none permits
// is left out.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import pg from "pg";
import QueryStream from "pg-query-stream";

const ca = process.env.PGBEAM_TEST_CA;
const url = new URL(process.env.PGBEAM_TEST_URL);
for (const name of ["sslmode", "sslrootcert"]) url.searchParams.delete(name); // would override what is below
const config = {
  connectionString: url.href,
  ssl: ca ? { ca: readFileSync(ca, "utf8"), rejectUnauthorized: true } : false,
};

async function withClient(work) {
  const client = new pg.Client(config);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

test("types", () =>
  withClient(async (c) => {
    const { rows, fields } = await c.query(
      `select $1::int i, $2::int8 big, $3::numeric n, $4::bool b, $5::text t, $6::bytea y, $7::timestamptz at,
              $8::jsonb j, $9::text[] a, $10::float8 f, null::text absent, row(1, 'x') pair, 'happy'::mood m`,
      [42, "9223372036854775807", "1.10", true, "täxt 🍵", Buffer.from([0, 255]), new Date("2026-11-22T03:04:05.678Z"), { k: [1, null] }, ["a", 'b"c', ""], 0.1],
    );
    assert.deepEqual({ ...rows[0] }, {
      i: 42, big: "9223372036854775807", n: "1.10", b: true, t: "täxt 🍵", y: Buffer.from([0, 255]), at: new Date("2026-11-22T03:04:05.678Z"),
      j: { k: [1, null] }, a: ["a", 'b"c', ""], f: 0.1, absent: null, pair: "(1,x)", m: "happy",
    });
    assert.equal(fields[0].dataTypeID, 23);
    const binary = await c.query({ text: "select $1::int4 i, 'x'::text t", values: [7], binary: true });
    assert.deepEqual({ ...binary.rows[0] }, { i: 7, t: "x" });
  }));

test("prepared by name, many times", () =>
  withClient(async (c) => {
    for (let i = 0; i < 20; i++) {
      const { rows } = await c.query({ name: "add", text: "select $1::int + $2::int as sum", values: [i, 1] });
      assert.equal(rows[0].sum, i + 1);
    }
    await assert.rejects(c.query({ name: "bad", text: "select 1 / $1::int", values: [0] }), { code: "22012" });
    assert.equal((await c.query("select 1 one")).rows[0].one, 1);
  }));

test("statements queued without waiting come back in order", () =>
  withClient(async (c) => {
    const settled = await Promise.allSettled(
      Array.from({ length: 50 }, (_, i) => (i % 10 === 9 ? c.query("select 1/0") : c.query("select $1::int v", [i]))),
    );
    settled.forEach((s, i) => {
      if (i % 10 === 9) assert.equal(s.reason.code, "22012");
      else assert.equal(s.value.rows[0].v, i);
    });
  }));

test("a transaction on one client", () =>
  withClient(async (c) => {
    await c.query("begin");
    await c.query("insert into item(name) values ($1)", ["node"]);
    await assert.rejects(c.query("insert into item(id, name) values (1, 'twice')"), { code: "23505", constraint: "item_pkey", table: "item" });
    await assert.rejects(c.query("select 1"), { code: "25P02" });
    await c.query("rollback");
    assert.equal((await c.query("select count(*)::int n from item where name = 'node'")).rows[0].n, 0);
  }));

test("a stream of rows in portions", () =>
  withClient(async (c) => {
    let n = 0;
    for await (const row of c.query(new QueryStream("select i, repeat('x', 100) t from generate_series(1, $1) i", [5000], { batchSize: 70 }))) {
      assert.equal(row.i, ++n);
    }
    assert.equal(n, 5000);
    // Leaving a stream half-read must leave a usable client.
    for await (const row of c.query(new QueryStream("select i from generate_series(1, 5000) i", [], { batchSize: 10 }))) {
      if (row.i === 15) break;
    }
    assert.equal((await c.query("select 1 one")).rows[0].one, 1);
  }));

test("cancel", { timeout: 45_000 }, () =>
  withClient(async (c) => {
    const started = Date.now();
    const sleeping = assert.rejects(c.query("select pg_sleep(60)"), { code: "57014" });
    await withClient((other) => other.query("select 1")); // the statement is under way
    const { connection, port, host } = new pg.Client(config);
    const cancel = () => connection.cancel(c.processID, c.secretKey);
    await new Promise((resolve) => {
      connection.on("error", resolve);
      connection.once("end", resolve);
      connection.once("connect", () => (config.ssl ? connection.requestSsl() : cancel()));
      connection.once("sslconnect", cancel);
      connection.connect(port, host);
    });
    await sleeping;
    assert.ok(Date.now() - started < 30_000);
    assert.equal((await c.query("select 1 one")).rows[0].one, 1);
  }));

if (!process.env.PGBEAM_TEST_POLICY) {
  test("listen", () =>
    withClient(async (c) => {
      const heard = new Promise((resolve) => c.once("notification", resolve));
      await c.query("listen node_channel");
      await withClient((speaker) => speaker.query("select pg_notify('node_channel', 'hello')"));
      const n = await heard;
      assert.deepEqual([n.channel, n.payload], ["node_channel", "hello"]);
    }));

  test("notices", () =>
    withClient(async (c) => {
      const heard = new Promise((resolve) => c.once("notice", resolve));
      await c.query("do $$ begin raise notice 'from the server'; end $$");
      assert.equal((await heard).message, "from the server");
    }));
}

test("a pool under load", async () => {
  const pool = new pg.Pool({ ...config, max: 8 });
  const sums = await Promise.all(Array.from({ length: 200 }, async (_, i) => (await pool.query("select $1::int + 1 as n", [i])).rows[0].n));
  assert.deepEqual(sums, Array.from({ length: 200 }, (_, i) => i + 1));
  await pool.end();
});

test("large values both ways", () =>
  withClient(async (c) => {
    const big = "é".repeat(3_000_000);
    const { rows } = await c.query("select $1::text t, length($1::text) n", [big]);
    assert.equal(rows[0].n, 3_000_000);
    assert.equal(rows[0].t, big);
  }));

if (ca) {
  test("another certificate is not accepted", async () => {
    const client = new pg.Client({ ...config, ssl: { rejectUnauthorized: true } });
    await assert.rejects(client.connect(), /self.signed|unable to (verify|get)/i);
  });
}
