// Takes a connection from node-postgres' pool, changes it, gives it back and
// takes it again. The pool resets nothing by itself: who gives a connection back
// does. Prints what the second user of the connection finds.
import pg from "pg"

const url = new URL(process.env.PGBEAM_TEST_URL)
const pool = new pg.Pool({ connectionString: url.href, max: 1 })

let client
const take = async () => (client = await pool.connect())
const ask = async (text) => Object.values((await client.query(text)).rows[0] ?? {})[0]
const give = async () => {
  await client.query("ROLLBACK; RESET ALL")
  await client.query("DISCARD ALL")
  client.release()
}

await take()
const [pid, workMem] = [await ask("select pg_backend_pid()"), await ask("show work_mem")]
await ask("set work_mem = '1234kB'")
await ask("set app.tenant = 'first'")
await ask("begin")
console.log("changed:", await ask("show work_mem"), await ask("select current_setting('app.tenant')"))
await give()

await take()
const python = (yes) => (yes ? "True" : "False")
console.log("same connection:", python((await ask("select pg_backend_pid()")) === pid))
console.log("as after the login:", python((await ask("show work_mem")) === workMem), `'${await ask("select current_setting('app.tenant', true)")}'`)
const masked = await client.query("select s_address from supplier where s_suppkey = $1", [1])
console.log("address:", masked.rows[0].s_address)
console.log("filtered:", await ask("select count(*) from orders where o_orderpriority = '5-LOW'"))
console.log("writes:", await client.query("delete from orders where o_orderkey = $1", [1]).then(() => "no", (e) => e.code))
console.log("names:", await ask("show search_path"), "reading only:", await ask("show default_transaction_read_only"))
await give()
await pool.end()
