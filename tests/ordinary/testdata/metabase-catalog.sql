-- What Metabase asks about a database beside JDBC's metadata when it syncs:
-- the same catalogs, functions and joins, in our own words.

-- connect
SELECT 1

-- time zone of the session
SET SESSION TIMEZONE TO 'UTC'

-- time zone of the server
SELECT to_char(date_trunc('day', current_timestamp), 'YYYY-MM-DD TZ'), current_setting('TimeZone')

-- schemas that can be used
SELECT nspname FROM pg_catalog.pg_namespace WHERE has_schema_privilege(nspname, 'USAGE') AND nspname !~ '^(pg_|information_schema)' ORDER BY 1

-- tables
SELECT n.nspname AS "schema", c.relname AS "name", d.description,
  CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' END AS "type",
  NULLIF(stat.n_live_tup, -1) >= 0 AS counted
FROM pg_catalog.pg_class AS c INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
  LEFT JOIN pg_catalog.pg_description AS d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
  LEFT JOIN pg_stat_user_tables AS stat ON n.nspname = stat.schemaname AND c.relname = stat.relname
WHERE n.nspname !~ '^information_schema|catalog_history|pg_' AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
ORDER BY "type" ASC, "schema" ASC, "name" ASC

-- columns
SELECT c.column_name AS "name", c.ordinal_position - 1 AS "position", c.table_schema, c.table_name,
  CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN format('%s', c.udt_name) ELSE format('"%s"."%s"', c.udt_schema, c.udt_name) END AS database_type,
  (pk.table_schema IS NOT NULL) AS pk,
  col_description(CAST(CAST(format('%I.%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT)) AS REGCLASS) AS OID), c.ordinal_position) AS "comment",
  (c.column_default IS NULL AND is_nullable = 'NO' AND NOT (is_identity = 'YES' OR is_generated <> 'NEVER')) AS required,
  (column_default IS NOT NULL AND lower(column_default) LIKE '%nextval(%' OR is_identity = 'YES') AS autoincrement, is_generated = 'ALWAYS'
FROM information_schema.columns AS c
LEFT JOIN (
  SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc
  INNER JOIN information_schema.key_column_usage AS kc ON tc.constraint_name = kc.constraint_name AND tc.table_schema = kc.table_schema AND tc.table_name = kc.table_name
  WHERE tc.constraint_type = 'PRIMARY KEY') AS pk
ON c.table_schema = pk.table_schema AND c.table_name = pk.table_name AND c.column_name = pk.column_name
WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_schema IN ('public', 'sales')
UNION ALL
SELECT pa.attname, pa.attnum - 1, pn.nspname, pc.relname,
  CASE WHEN ptn.nspname IN ('public', 'pg_catalog') THEN format('%s', pt.typname) ELSE format('"%s"."%s"', ptn.nspname, pt.typname) END,
  FALSE, NULL, FALSE, FALSE, FALSE
FROM pg_catalog.pg_class AS pc
  INNER JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
  INNER JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = pc.oid
  INNER JOIN pg_catalog.pg_type AS pt ON pt.oid = pa.atttypid
  INNER JOIN pg_catalog.pg_namespace AS ptn ON ptn.oid = pt.typnamespace
WHERE pc.relkind = 'm' AND pa.attnum >= 1 AND pn.nspname !~ '^information_schema|catalog_history|pg_'
ORDER BY table_schema, table_name, "position"

-- foreign keys
SELECT fk_ns.nspname, fk_table.relname, fk_column.attname, pk_ns.nspname, pk_table.relname, pk_column.attname
FROM pg_constraint AS c
  JOIN pg_class AS fk_table ON c.conrelid = fk_table.oid JOIN pg_namespace AS fk_ns ON c.connamespace = fk_ns.oid
  JOIN pg_attribute AS fk_column ON c.conrelid = fk_column.attrelid
  JOIN pg_class AS pk_table ON c.confrelid = pk_table.oid JOIN pg_namespace AS pk_ns ON pk_table.relnamespace = pk_ns.oid
  JOIN pg_attribute AS pk_column ON c.confrelid = pk_column.attrelid
WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND c.contype = 'f'::char
  AND fk_column.attnum = ANY (c.conkey) AND pk_column.attnum = ANY (c.confkey)
ORDER BY fk_ns.nspname, fk_table.relname, fk_column.attname, pk_column.attname

-- indexes
SELECT tmp.table_schema, tmp.table_name, trim(BOTH '"' FROM pg_catalog.pg_get_indexdef(tmp.ci_oid, tmp.pos, FALSE)) AS field_name
FROM (
  SELECT n.nspname AS table_schema, ct.relname AS table_name, ci.oid AS ci_oid, (information_schema._pg_expandarray(i.indkey)).n AS pos
  FROM pg_catalog.pg_class AS ct
    INNER JOIN pg_catalog.pg_namespace AS n ON ct.relnamespace = n.oid
    INNER JOIN pg_catalog.pg_index AS i ON ct.oid = i.indrelid
    INNER JOIN pg_catalog.pg_class AS ci ON ci.oid = i.indexrelid
  WHERE pg_catalog.pg_get_expr(i.indpred, i.indrelid) IS NULL AND n.nspname !~ '^information_schema|catalog_history|pg_') AS tmp
WHERE tmp.pos = 1 ORDER BY 1, 2, 3

-- enumerations
SELECT nspname, typname, enumlabel FROM pg_catalog.pg_enum AS e
  INNER JOIN pg_catalog.pg_type AS t ON e.enumtypid = t.oid LEFT JOIN pg_catalog.pg_namespace AS n ON t.typnamespace = n.oid
ORDER BY nspname, typname, e.enumsortorder

-- privileges
WITH table_privileges AS (
  SELECT NULL AS role, t.schemaname AS "schema", t.objectname AS "table",
    pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"', 'UPDATE') AS "update",
    pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"', 'SELECT') AS "select",
    pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"', 'INSERT') AS "insert",
    pg_catalog.has_table_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"', 'DELETE') AS "delete"
  FROM (
    SELECT schemaname, tablename AS objectname FROM pg_catalog.pg_tables
    UNION SELECT schemaname, viewname AS objectname FROM pg_catalog.pg_views
    UNION SELECT schemaname, matviewname AS objectname FROM pg_catalog.pg_matviews) AS t
  WHERE t.schemaname !~ '^pg_' AND t.schemaname <> 'information_schema' AND pg_catalog.has_schema_privilege(current_user, t.schemaname, 'USAGE'))
SELECT t.* FROM table_privileges AS t ORDER BY 2, 3

-- extensions
SELECT extname, extversion FROM pg_catalog.pg_extension ORDER BY 1

-- defaults
SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef AS d JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE d.adrelid = '"public"."staff"'::regclass ORDER BY a.attnum
