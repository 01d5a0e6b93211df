export default {
  dialect: "postgresql",
  dbCredentials: { url: process.env.PGBEAM_TEST_URL },
  schemaFilter: ["public", "sales"],
  out: process.env.PGBEAM_TEST_OUT,
}
