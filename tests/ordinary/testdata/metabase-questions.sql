-- Questions as Metabase's query builder asks them, in our own words.

-- raw rows
SELECT "public"."orders"."o_orderkey" AS "o_orderkey", "public"."orders"."o_orderdate" AS "o_orderdate", "public"."orders"."o_comment" AS "o_comment" FROM "public"."orders" ORDER BY "public"."orders"."o_orderkey" ASC LIMIT 2000

-- masked rows
SELECT "public"."supplier"."s_suppkey" AS "s_suppkey", "public"."supplier"."s_name" AS "s_name", "public"."supplier"."s_address" AS "s_address" FROM "public"."supplier" ORDER BY "public"."supplier"."s_suppkey" ASC LIMIT 2000

-- sample for fingerprints
SELECT "public"."customer"."c_custkey" AS "c_custkey", SUBSTRING("public"."customer"."c_comment", 1, 1234) AS "substring1", "public"."customer"."c_acctbal" AS "c_acctbal" FROM "public"."customer" ORDER BY 1 LIMIT 10000

-- distinct values
SELECT "public"."orders"."o_orderpriority" AS "o_orderpriority" FROM "public"."orders" GROUP BY "public"."orders"."o_orderpriority" ORDER BY "public"."orders"."o_orderpriority" ASC LIMIT 1001

-- count
SELECT COUNT(*) AS "count" FROM "public"."orders"

-- by month
SELECT DATE_TRUNC('month', "public"."orders"."o_orderdate") AS "o_orderdate", COUNT(*) AS "count", SUM("public"."orders"."o_totalprice") AS "sum" FROM "public"."orders" WHERE "public"."orders"."o_orderdate" >= DATE_TRUNC('year', CAST('1996-05-05' AS timestamp)) AND "public"."orders"."o_orderdate" < DATE_TRUNC('month', (CAST('1996-05-05' AS timestamp) + (INTERVAL '12 month'))) GROUP BY DATE_TRUNC('month', "public"."orders"."o_orderdate") ORDER BY DATE_TRUNC('month', "public"."orders"."o_orderdate") ASC

-- by day of the week
SELECT (CAST(EXTRACT(DOW FROM "public"."orders"."o_orderdate") AS integer) + 1) AS "day", CAST("public"."orders"."o_orderdate" AS date) - CAST('1990-01-01' AS date) > 0 AS "later", COUNT(*) FROM "public"."orders" GROUP BY 1, 2 ORDER BY 1, 2

-- binned
SELECT ((FLOOR((("public"."orders"."o_totalprice" - 0.0) / 50000.0)) * 50000.0) + 0.0) AS "o_totalprice", COUNT(*) AS "count" FROM "public"."orders" GROUP BY ((FLOOR((("public"."orders"."o_totalprice" - 0.0) / 50000.0)) * 50000.0) + 0.0) ORDER BY 1

-- joined
SELECT "Customer"."c_mktsegment" AS "Customer__c_mktsegment", COUNT(DISTINCT "public"."orders"."o_orderkey") AS "count", AVG("public"."orders"."o_totalprice") AS "avg" FROM "public"."orders" LEFT JOIN "public"."customer" AS "Customer" ON "public"."orders"."o_custkey" = "Customer"."c_custkey" GROUP BY "Customer"."c_mktsegment" ORDER BY "Customer"."c_mktsegment" ASC

-- joined the other way
SELECT "public"."customer"."c_custkey", COUNT("Orders - Custkey"."o_orderkey") AS "count", MAX("Orders - Custkey"."o_orderdate") FROM "public"."customer" LEFT JOIN "public"."orders" AS "Orders - Custkey" ON "public"."customer"."c_custkey" = "Orders - Custkey"."o_custkey" GROUP BY 1 HAVING COUNT("Orders - Custkey"."o_orderkey") < 8 ORDER BY 1

-- question on a question
SELECT "source"."o_orderdate", "source"."count", SUM("source"."count") OVER (ORDER BY "source"."o_orderdate" ROWS UNBOUNDED PRECEDING) AS "sum", "source"."count" - LAG("source"."count", 1) OVER (ORDER BY "source"."o_orderdate") FROM (SELECT DATE_TRUNC('quarter', "public"."orders"."o_orderdate") AS "o_orderdate", COUNT(*) AS "count" FROM "public"."orders" GROUP BY 1) AS "source" WHERE "source"."count" > 1 ORDER BY 1

-- conditions
SELECT COUNT(*) AS "count", SUM(CASE WHEN "public"."orders"."o_orderstatus" = 'F' THEN 1 ELSE 0.0 END) AS "finished", CAST(SUM(CASE WHEN "public"."orders"."o_totalprice" > 1000 THEN 1 ELSE 0 END) AS DOUBLE PRECISION) / NULLIF(COUNT(*), 0) AS "share" FROM "public"."orders" WHERE (LOWER("public"."orders"."o_comment") LIKE '%order%') AND ("public"."orders"."o_orderstatus" <> 'P' OR "public"."orders"."o_orderstatus" IS NULL)

-- percentiles
SELECT PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY "public"."orders"."o_totalprice") AS "p90", STDDEV_POP("public"."orders"."o_totalprice")::numeric(12, 2) AS "stddev", MIN("public"."orders"."o_orderdate") FROM "public"."orders"

-- expressions
SELECT COALESCE(NULLIF("public"."orders"."o_comment", ''), 'none') AS "c", CONCAT("public"."orders"."o_clerk", '-', "public"."orders"."o_orderkey") AS "k", REGEXP_REPLACE("public"."orders"."o_clerk", '#0+', '') AS "r", ROUND(CAST("public"."orders"."o_totalprice" / 7 AS numeric), 2) AS "n", LENGTH("public"."orders"."o_comment") AS "l" FROM "public"."orders" ORDER BY "public"."orders"."o_orderkey" LIMIT 100

-- JSON
SELECT ("public"."staff"."notes"#>> array['a', 'b']::text[])::text AS "notes", COUNT(*) AS "count" FROM "public"."staff" GROUP BY 1 ORDER BY 1

-- written by hand, with a variable
WITH big AS (SELECT o_custkey, sum(o_totalprice) AS total FROM orders WHERE o_orderdate > date '1995-01-01' GROUP BY o_custkey) SELECT c_name, total FROM big JOIN customer ON c_custkey = o_custkey WHERE total > 10000 ORDER BY total DESC, c_name LIMIT 50
