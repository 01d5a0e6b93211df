package policy

import "testing"

// A table is found wherever a query can stand. Each of these places is a field
// of some node that a walk could forget.
func TestNoClauseHidesATable(t *testing.T) {
	e := mustCompile(t, Profile{TableDenylist: []string{"secrets"}}, nil)
	for _, sql := range []string{
		"SELECT * FROM XMLTABLE('/r' PASSING (SELECT x FROM secrets) COLUMNS a int)",
		"SELECT * FROM XMLTABLE('/r' PASSING x COLUMNS a int DEFAULT (SELECT 1 FROM secrets))",
		"SELECT JSON_VALUE((SELECT x FROM secrets), '$.a')",
		"SELECT JSON_VALUE('1', '$.a' DEFAULT (SELECT 1 FROM secrets) ON EMPTY)",
		"SELECT JSON_QUERY('1', '$' PASSING (SELECT 1 FROM secrets) AS x)",
		"SELECT * FROM JSON_TABLE((SELECT x FROM secrets)::jsonb, '$' COLUMNS (a int PATH '$.a'))",
		"SELECT JSON_OBJECT('a': (SELECT x FROM secrets))",
		"SELECT JSON_ARRAY(SELECT x FROM secrets)",
		"SELECT XMLELEMENT(NAME a, XMLATTRIBUTES((SELECT x FROM secrets) AS b))",
		"SELECT ARRAY(SELECT x FROM secrets)",
		"SELECT ROW((SELECT x FROM secrets))",
		"SELECT (ARRAY[1])[(SELECT 1 FROM secrets)]",
		"SELECT (ARRAY[1])[1:(SELECT 1 FROM secrets)]",
		"SELECT ((SELECT s FROM secrets s)).x",
		"SELECT 1 FROM a GROUP BY GROUPING SETS (((SELECT x FROM secrets)))",
		"SELECT 1 FROM a WINDOW w AS (ORDER BY (SELECT 1 FROM secrets))",
		"SELECT sum(1) OVER (ROWS BETWEEN (SELECT 1 FROM secrets) PRECEDING AND CURRENT ROW) FROM a",
		"SELECT sum(x ORDER BY (SELECT 1 FROM secrets)) FROM a",
		"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (SELECT 1 FROM secrets)) FROM a",
		"SELECT * FROM a TABLESAMPLE SYSTEM ((SELECT 1 FROM secrets))",
		"SELECT * FROM a TABLESAMPLE SYSTEM (1) REPEATABLE ((SELECT 1 FROM secrets))",
		"SELECT * FROM generate_series(1, (SELECT 1 FROM secrets))",
		"SELECT DISTINCT ON ((SELECT 1 FROM secrets)) 1 FROM a",
		"SELECT 1 FROM a OFFSET (SELECT 1 FROM secrets)",
		"SELECT 1 FROM a JOIN b ON EXISTS (SELECT 1 FROM secrets)",
		"SELECT CASE (SELECT 1 FROM secrets) WHEN 1 THEN 2 END",
		"SELECT x COLLATE \"C\" FROM (SELECT x FROM secrets) y",
		"SELECT NULLIF((SELECT 1 FROM secrets), 2)",
		"SELECT GREATEST((SELECT 1 FROM secrets), 2)",
		"SELECT (SELECT true FROM secrets) IS TRUE",
		"SELECT 1 = ANY (SELECT x FROM secrets)",
		"SELECT 1 IN (2, (SELECT x FROM secrets))",
		"VALUES ((SELECT 1 FROM secrets))",
		"INSERT INTO a VALUES (1) ON CONFLICT (x) DO UPDATE SET y = (SELECT 1 FROM secrets)",
		"INSERT INTO a VALUES (1) ON CONFLICT ((1 + (SELECT 1 FROM secrets))) DO NOTHING",
		"INSERT INTO a VALUES (1) ON CONFLICT (x) DO UPDATE SET y = 1 WHERE EXISTS (SELECT 1 FROM secrets)",
		"INSERT INTO a VALUES (1) RETURNING (SELECT 1 FROM secrets)",
		"UPDATE a SET (x, y) = (SELECT 1, 2 FROM secrets) WHERE x = 1",
		"UPDATE a SET x[(SELECT 1 FROM secrets)] = 1 WHERE x = 1",
		"MERGE INTO a USING b ON a.x = b.x WHEN MATCHED AND EXISTS (SELECT 1 FROM secrets) THEN DELETE",
		"MERGE INTO a USING b ON a.x = b.x WHEN NOT MATCHED THEN INSERT VALUES ((SELECT 1 FROM secrets))",
		"WITH m AS MATERIALIZED (SELECT * FROM secrets) SELECT 1",
		"SELECT 1 FROM (SELECT 1 UNION ALL (SELECT 2 EXCEPT SELECT x FROM secrets)) u",
		"CREATE STATISTICS s ON x, y FROM secrets",
		"CREATE POLICY p ON a USING (EXISTS (SELECT 1 FROM secrets))",
		"CREATE TABLE t PARTITION OF secrets DEFAULT",
		"REINDEX TABLE secrets",
		"CLUSTER secrets USING i",
		"ANALYZE a, secrets",
		"REFRESH MATERIALIZED VIEW secrets",
		"ALTER TABLE secrets OWNER TO me",
		"EXPLAIN (COSTS off) CREATE TABLE t AS TABLE secrets",
	} {
		if d := e.Evaluate(sql); d.Rule != "table_denied" {
			t.Errorf("%s\n  rule %s (%s)", sql, d.Rule, d.Reason)
		}
	}
}
