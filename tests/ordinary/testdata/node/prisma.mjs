// What `prisma db pull` does: prints the Prisma schema of a database, with the
// schema engine that Prisma ships as WebAssembly and its adapter for pg.
import { readFileSync } from "node:fs"
import { PrismaPg } from "@prisma/adapter-pg"
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from "@prisma/driver-adapter-utils"
import * as engine from "@prisma/schema-engine-wasm/schema_engine_bg"
import Result from "pg/lib/result.js"

// The engine wants columns of the type "char" of the catalog, which the
// adapter does not know. They pass through it as text, one query at a time.
const char = 18
const text = 25
let types
const addFields = Result.prototype.addFields
Result.prototype.addFields = function (fields) {
  types = fields.map((f) => f.dataTypeID)
  for (const f of fields) if (f.dataTypeID === char) f.dataTypeID = text
  addFields.call(this, fields)
}

class Adapter extends PrismaPg {
  async connect() {
    const connection = await super.connect()
    const queryRaw = connection.queryRaw.bind(connection)
    connection.queryRaw = async (query) => {
      const result = await queryRaw(query)
      result.columnTypes = result.columnTypes.map((t, i) => (types[i] === char ? ColumnTypeEnum.Character : t))
      return result
    }
    return connection
  }
}

let panic
globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => (panic = message) }
const wasm = new URL(import.meta.resolve("@prisma/schema-engine-wasm/schema_engine_bg").replace(/\.js$/, ".wasm"))
const { instance } = await WebAssembly.instantiate(readFileSync(wasm), { "./schema_engine_bg.js": engine })
engine.__wbg_set_wasm(instance.exports)
instance.exports.__wbindgen_start()

const namespaces = ["public", "sales"]
const content = `
generator client {
  provider        = "prisma-client"
  previewFeatures = ["views", "postgresqlExtensions"]
}
datasource db {
  provider = "postgresql"
  schemas  = ${JSON.stringify(namespaces)}
}
`
const factory = bindMigrationAwareSqlAdapterFactory(new Adapter({ connectionString: process.env.PGBEAM_TEST_URL }))
try {
  const files = [{ path: "schema.prisma", content }]
  const prisma = await engine.SchemaEngine.new({ datamodels: [["schema.prisma", content]] }, () => {}, factory)
  const found = await prisma.introspect({ schema: { files }, baseDirectoryPath: "/", viewsDirectoryPath: "/views", force: false, compositeTypeDepth: -1, namespaces })
  console.log(await prisma.version())
  console.log(found.schema.files.map((f) => f.content).join("\n"))
  console.log(found.warnings, JSON.stringify(found.views, null, 2))
  process.exit(0)
} catch (error) {
  console.error(panic ?? error)
  process.exit(1)
}
