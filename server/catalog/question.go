package catalog

import (
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// answer is one statement of the question and what becomes of its rows.
type answer struct {
	sql     string
	columns int
	add     func(*builder, *fields)
}

// before the answers. Definitions are printed so that they mean the same to
// whoever reads them: as pg_dump has them, and by the rules that the proxy
// reads texts by.
var before = []string{
	"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	"SET LOCAL statement_timeout = '10s'",
	"SET LOCAL lock_timeout = '2s'",
	"SET LOCAL standard_conforming_strings = on",
	"SET LOCAL datestyle = 'ISO, YMD'",
	"SET LOCAL intervalstyle = postgres",
	"SET LOCAL extra_float_digits = 3",
	"SET LOCAL bytea_output = hex",
}

// firstAnswer is the first of the answers; the search path is pinned right
// behind it.
var firstAnswer = len(before)

// question asks for everything in one round trip and one snapshot. Reading
// only, it can do no harm; names are qualified, and after the first answer the
// search path holds no operator but the system's.
var question = func() string {
	var b strings.Builder
	for _, s := range before {
		b.WriteString(s)
		b.WriteString(";\n")
	}
	for _, a := range answers {
		b.WriteString(a.sql)
		b.WriteString(";\n")
	}
	b.WriteString("COMMIT")
	return b.String()
}()

// others are the schemas that nobody names: temporary ones, of other sessions
// too, and those of TOAST tables.
const others = `n.nspname !~ '^pg_(toast|temp_|toast_temp_)'`

// compiled says of a function p whether its language l is of compiled code.
const compiled = `l.lanname IN ('internal', 'c')`

// option says of a view c whether it has a flag set.
func option(name string) string {
	return `EXISTS (SELECT FROM pg_options_to_table(c.reloptions) AS o WHERE o.option_name = '` + name + `' AND o.option_value::bool)`
}

var answers = []answer{
	{`SELECT s FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) AS s`, 1, func(b *builder, f *fields) {
		b.catalog.SearchPath = append(b.catalog.SearchPath, f.text())
	}},
	{`SELECT current_user, pg_catalog.current_setting('server_encoding') = 'UTF8'`, 2, func(b *builder, f *fields) {
		b.catalog.Role, b.catalog.UTF8 = f.text(), f.flag()
	}},
	// Keeps operators and functions of the role's search path away from what
	// follows. It yields no row.
	{sql: "SET LOCAL search_path = pg_catalog"},
	{`SELECT c.oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner),
	CASE WHEN c.relkind IN ('v', 'm') AND c.oid >= 16384 THEN pg_get_viewdef(c.oid) END, c.relrowsecurity,
	` + option("security_barrier") + `, ` + option("security_invoker") + `
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ` + others + ` ORDER BY c.oid`, 9, func(b *builder, f *fields) {
		r := &policy.Relation{OID: f.oid()}
		r.RelationName = policy.RelationName{Schema: f.text(), Name: f.text()}
		r.Kind, r.Owner, r.Definition = f.letter(), f.text(), f.text()
		r.RowSecurity, r.Barrier, r.Invoker = f.flag(), f.flag(), f.flag()
		b.relation(r)
	}},
	{`SELECT a.attrelid, a.attname, a.attnum, a.atttypid, a.attnotnull, a.attcollation NOT IN (0, 100), -- 100 is the database's own
	EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = a.attrelid AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL)
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ` + others + `
ORDER BY a.attrelid, a.attnum`, 7, func(b *builder, f *fields) {
		if r := b.byOID[f.oid()]; r != nil {
			r.Columns = append(r.Columns, policy.Column{Name: f.text(), Number: f.number(), Type: f.oid(), NotNull: f.flag(), Collated: f.flag(), Unique: f.flag()})
		}
	}},
	// The columns of an index follow it, one by one.
	{`SELECT n.nspname, c.relname, i.indrelid, a.attname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
	CROSS JOIN generate_series(0, i.indnkeyatts - 1) AS k LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] AND a.attnum > 0
WHERE c.oid >= 16384 AND ` + others + ` ORDER BY c.oid, k`, 4, func(b *builder, f *fields) {
		name := policy.RelationName{Schema: f.text(), Name: f.text()}
		if table := b.byOID[f.oid()]; table != nil {
			index := b.catalog.Indexes[name]
			index.Table, index.Columns = table.RelationName, append(index.Columns, f.text())
			b.catalog.Indexes[name] = index
		}
	}},
	// What foreign keys do to other tables than the one that is written to.
	{`SELECT k.oid, k.conrelid, k.confrelid, k.confupdtype, k.confdeltype, a.attname, r.attname FROM pg_constraint AS k
	CROSS JOIN generate_subscripts(k.conkey, 1) AS i JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[i]
	JOIN pg_attribute AS r ON r.attrelid = k.confrelid AND r.attnum = k.confkey[i]
WHERE k.contype = 'f' AND (k.confupdtype IN ('c', 'n', 'd') OR k.confdeltype IN ('c', 'n', 'd')) ORDER BY k.oid, i`, 7, func(b *builder, f *fields) {
		oid, table, references := f.oid(), b.byOID[f.oid()], b.byOID[f.oid()]
		if table == nil || references == nil {
			return
		}
		if onUpdate, onDelete := f.letter(), f.letter(); oid != b.foreignKey {
			b.foreignKey = oid
			b.catalog.ForeignKeys = append(b.catalog.ForeignKeys, policy.ForeignKey{Table: table.RelationName, References: references.RelationName, OnUpdate: onUpdate, OnDelete: onDelete})
		}
		k := &b.catalog.ForeignKeys[len(b.catalog.ForeignKeys)-1]
		k.Columns, k.Keys = append(k.Columns, f.text()), append(k.Keys, f.text())
	}},
	{`SELECT inhrelid, inhparent FROM pg_inherits ORDER BY inhrelid, inhseqno`, 2, func(b *builder, f *fields) {
		child, parent := b.byOID[f.oid()], b.byOID[f.oid()]
		if child != nil && parent != nil {
			child.Parents = append(child.Parents, parent.RelationName)
		}
	}},
	// What the rewrite rules of views read: relations (column 0) and columns.
	{`SELECT DISTINCT r.ev_class, d.refobjid, d.refobjsubid
FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
WHERE r.ev_class >= 16384 AND r.rulename = '_RETURN' AND d.refobjid <> r.ev_class ORDER BY 1, 2, 3`, 3, func(b *builder, f *fields) {
		b.reads(f.oid(), f.oid(), f.number())
	}},
	{`SELECT ev_class, ev_action::text FROM pg_rewrite WHERE ev_class >= 16384 AND rulename = '_RETURN' ORDER BY ev_class`, 2, func(b *builder, f *fields) {
		view := f.oid()
		if from, ok := origins(f.text()); ok {
			b.origins[view] = from
		}
	}},
	// Views that depend on a constraint: on the primary key of what they group.
	{`SELECT DISTINCT r.ev_class FROM pg_rewrite AS r JOIN pg_depend AS d
	ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_constraint'::regclass
WHERE r.ev_class >= 16384 AND r.rulename = '_RETURN' ORDER BY r.ev_class`, 1, func(b *builder, f *fields) {
		if r := b.byOID[f.oid()]; r != nil {
			r.KeyGroups = true
		}
	}},
	{`SELECT DISTINCT ev_class FROM pg_rewrite WHERE ev_class >= 16384 AND rulename <> '_RETURN' ORDER BY ev_class`, 1, func(b *builder, f *fields) {
		if r := b.byOID[f.oid()]; r != nil {
			r.Rules = true
		}
	}},
	// What generated columns are computed from. Until PostgreSQL 14 the column
	// itself depends on it, later the expression does.
	{`SELECT a.attrelid, a.attnum, d.refobjsubid
FROM pg_attribute AS a JOIN pg_attrdef AS e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
	JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid NOT IN (0, a.attnum)
		AND (d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
			OR d.classid = 'pg_class'::regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum)
WHERE a.attgenerated <> '' ORDER BY 1, 2, 3`, 3, func(b *builder, f *fields) {
		relation, number := f.oid(), f.number()
		of := readColumn{relation, number}
		b.generated[of] = append(b.generated[of], readColumn{relation, f.number()})
	}},
	{`SELECT p.oid, n.nspname, p.proname, p.prokind, p.provolatile, p.proleakproof,
	p.oid < 16384 AND n.nspname IN ('pg_catalog', 'information_schema'), p.prorettype, p.proargtypes, p.proretset,
	p.prokind <> 'a' AND ` + compiled + `, EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'),
	CASE WHEN p.oid < 16384 THEN (SELECT string_agg(x.n, ' ' ORDER BY x.i) FROM unnest(p.proargmodes, p.proargnames) WITH ORDINALITY AS x(m, n, i) WHERE x.m IN ('o', 'b', 't')) END
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang ORDER BY p.oid`, 13, func(b *builder, f *fields) {
		fn := policy.Function{OID: f.oid()}
		fn.RelationName = policy.RelationName{Schema: f.text(), Name: f.text()}
		fn.Kind, fn.Volatility, fn.Leakproof, fn.Builtin = f.letter(), f.letter(), f.flag(), f.flag()
		fn.Returns, fn.Arguments, fn.SetOf = f.oid(), f.oids(), f.flag()
		fn.Native, fn.Extension = f.flag(), f.flag()
		fn.Outputs = splitSpaces(f.text())
		b.catalog.Functions[fn.RelationName] = append(b.catalog.Functions[fn.RelationName], fn)
	}},
	{`SELECT t.oid, n.nspname, t.typname, t.typcategory, t.typbasetype, CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END,
	CASE t.typtype
		WHEN 'c' THEN (SELECT string_agg(a.atttypid::text, ' ' ORDER BY a.attnum) FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384)
		WHEN 'r' THEN (SELECT r.rngsubtype::text FROM pg_range AS r WHERE r.rngtypid = t.oid AND r.rngsubtype >= 16384)
		-- The range below a multirange, which has no column to tell it in PostgreSQL 13.
		WHEN 'm' THEN (SELECT d.refobjid::text FROM pg_depend AS d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_type'::regclass AND d.deptype = 'i' AND t.oid >= 16384)
	END,
	t.typtype = 'd' AND EXISTS (SELECT FROM pg_constraint AS k JOIN pg_depend AS d ON d.classid = 'pg_constraint'::regclass AND d.objid = k.oid
		LEFT JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
		JOIN pg_proc AS p ON p.oid = CASE d.refclassid WHEN 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END JOIN pg_language AS l ON l.oid = p.prolang
		WHERE k.contypid = t.oid AND NOT ` + compiled + `)
FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE ` + others + ` ORDER BY t.oid`, 8, func(b *builder, f *fields) {
		t := policy.TypeInfo{OID: f.oid(), Schema: f.text(), Name: f.text(), Category: f.letter(), Base: f.oid(), Element: f.oid(), Parts: f.oids(), Checks: f.flag()}
		b.catalog.Types[t.OID] = t
	}},
	{`SELECT n.nspname, o.oprname, o.oprleft, o.oprright, o.oprresult, ` + compiled + `
FROM pg_operator AS o JOIN pg_namespace AS n ON n.oid = o.oprnamespace JOIN pg_proc AS p ON p.oid = o.oprcode JOIN pg_language AS l ON l.oid = p.prolang
WHERE o.oid >= 16384 ORDER BY o.oid`, 6, func(b *builder, f *fields) {
		o := policy.Operator{RelationName: policy.RelationName{Schema: f.text(), Name: f.text()}, Left: f.oid(), Right: f.oid(), Result: f.oid(), Native: f.flag()}
		b.catalog.Operators[o.Name] = append(b.catalog.Operators[o.Name], o)
	}},
	{`SELECT c.castsource, c.casttarget, c.castcontext = 'i', c.castcontext <> 'e', ` + compiled + `
FROM pg_cast AS c JOIN pg_proc AS p ON p.oid = c.castfunc JOIN pg_language AS l ON l.oid = p.prolang
WHERE c.oid >= 16384 ORDER BY c.oid`, 5, func(b *builder, f *fields) {
		b.catalog.Casts = append(b.catalog.Casts, policy.Cast{Source: f.oid(), Target: f.oid(), Implicit: f.flag(), Assigns: f.flag(), Native: f.flag()})
	}},
}

func splitSpaces(s string) []string { return strings.Fields(s) }
