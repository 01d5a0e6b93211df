package policy

import (
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// FuzzEvaluate holds, for any text: Evaluate does not panic, answers the same
// twice, and what a read-only policy permits contains no node that writes, as
// found by protobuf's own reflection and not by the walk that decided.
func FuzzEvaluate(f *testing.F) {
	for _, sql := range []string{
		"SELECT 1", "", ";", "SELECT * FROM a JOIN b USING (id) WHERE x = $1 FOR UPDATE",
		"WITH RECURSIVE r AS (DELETE FROM t WHERE a = 1 RETURNING *) SELECT * FROM r",
		"EXPLAIN (ANALYZE, FORMAT json) CREATE TABLE t AS SELECT 1",
		"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)",
		"SELECT set_config('role', 'x', false); BEGIN READ WRITE", "DO $x$ x $x$", "DROP TABLE a, b",
		"SELECT * FROM ROWS FROM (f(1), g(2)) WITH ORDINALITY", "SELECT json_table('{}', '$' COLUMNS (a int))",
		"SELECT 'a' 'b", "E'\\'", "U&'\\0041'", "$a$ $b$ $a$", "/* /* */", "SELECT CASE WHEN a THEN b END",
		"ALTER TABLE a ADD CONSTRAINT c CHECK (pg_read_file('x') = '')",
		"CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1",
	} {
		f.Add(sql)
	}
	readOnly := mustCompile(f, Profile{ReadOnly: true}, nil)
	listed := mustCompile(f, Profile{TableAllowlist: []string{"a", "b"}, MaxAffectedRows: 3}, shop())
	f.Fuzz(func(t *testing.T, sql string) {
		first, again := readOnly.Evaluate(sql), readOnly.Evaluate(sql)
		if first.Verdict != again.Verdict || first.Rule != again.Rule {
			t.Fatalf("%q: %s, then %s", sql, first.Rule, again.Rule)
		}
		if first.Verdict == Allow {
			tree, err := parseTree(sql)
			if err != nil {
				t.Fatalf("%q: permitted but does not parse: %v", sql, err)
			}
			if node := writeNode(tree.ProtoReflect()); node != "" {
				t.Fatalf("%q: permitted, but holds a %s", sql, node)
			}
		}
		if d := listed.Evaluate(sql); d.Verdict == Allow {
			for _, s := range d.Statements {
				for _, r := range s.Relations {
					if r != "public.a" && r != "public.b" && r != "app.a" && r != "app.b" && !systemName(r) {
						t.Fatalf("%q: permitted to touch %s", sql, r)
					}
				}
			}
		}
	})
}

func systemName(name string) bool {
	return len(name) > 11 && name[:11] == "pg_catalog." || len(name) > 19 && name[:19] == "information_schema."
}

// writeNode is the first node below m that changes data, schema or locks.
func writeNode(m protoreflect.Message) string {
	switch n := m.Interface().(type) {
	case *pg.InsertStmt, *pg.UpdateStmt, *pg.DeleteStmt, *pg.MergeStmt, *pg.IntoClause, *pg.LockingClause,
		*pg.CreateStmt, *pg.CreateTableAsStmt, *pg.DropStmt, *pg.TruncateStmt, *pg.CopyStmt, *pg.DoStmt, *pg.CallStmt,
		*pg.AlterTableStmt, *pg.ViewStmt, *pg.IndexStmt, *pg.GrantStmt, *pg.RuleStmt, *pg.CreateFunctionStmt,
		*pg.ExecuteStmt, *pg.PrepareStmt, *pg.LockStmt, *pg.NotifyStmt, *pg.VacuumStmt, *pg.RenameStmt:
		return string(proto.MessageName(n))
	}
	found := ""
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				if found = writeNode(v.List().Get(i).Message()); found != "" {
					return false
				}
			}
		case f.Message() != nil && !f.IsMap():
			found = writeNode(v.Message())
		}
		return found == ""
	})
	return found
}
