package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// What a report may cost: a text may hold any number of findings, and each
// shows its statement.
const (
	maxFindings      = 1000
	maxFindingSource = 1000 // bytes of a statement
)

// LintMigration finds what is unsafe for a database in use in the statements
// of a migration, in their order. It knows the text alone. What the text
// itself created has no rows to lose and nobody waiting for it.
func LintMigration(sql string) []Finding {
	tree, err := parseUpTo(sql, MaxBytes) // a migration may bring its data along
	if err != nil {
		why, line := explainParse(sql, err)
		hint := migrationParseError.hint
		var foreign *unexamined
		if errors.As(err, &foreign) {
			hint = foreign.hint
		}
		return []Finding{{
			Severity: migrationParseError.severity,
			Rule:     migrationParseError.name,
			Message:  "the migration cannot be examined: " + why,
			Line:     line,
			Hint:     hint,
		}}
	}
	return lintTree(sql, tree)
}

// lintTree is LintMigration for a text that was parsed already.
func lintTree(sql string, tree *pg.ParseResult) []Finding {
	m := migration{objects: map[object]sighting{}, schema: "public"}
	at := lines{sql: sql, line: 1}
	for _, raw := range tree.GetStmts() {
		m.source, m.shown = Source{}, func() Source { return at.source(raw) }
		m.statement(raw.GetStmt())
		if len(m.findings) > maxFindings {
			last := &m.findings[maxFindings]
			*last = Finding{
				Severity:  tooManyFindings.severity,
				Rule:      tooManyFindings.name,
				Message:   fmt.Sprintf("there are more than %d findings; what comes after this statement was not examined", maxFindings),
				Statement: last.Statement,
				Line:      last.Line,
				Hint:      tooManyFindings.hint,
			}
			return m.findings[:maxFindings+1]
		}
	}
	return m.findings
}

// migration is what is known at one statement of a migration.
type migration struct {
	findings []Finding
	source   Source        // of the statement, once it was shown
	shown    func() Source // makes source

	schema        string // of names that have none
	inTransaction bool
	objects       map[object]sighting
	undo          []func() // what ROLLBACK takes back, since BEGIN
}

// object names what a migration created or proved; part is a column or
// constraint of a table, else empty.
type object struct {
	kind objectKind
	RelationName
	part string
}

type objectKind byte

const (
	aTable objectKind = iota
	aMatview
	anIndex
	aSchema
	aType // domains too
	aColumn
	aCheck
	aNotNullProof // a valid CHECK proves that the column is not null
	aRowProof     // a valid CHECK proves something about all rows
)

// sighting is what the migration said of an object that it created.
type sighting struct {
	perhaps  bool         // IF NOT EXISTS: it may have been there, with rows
	typeName *pg.TypeName // of a column
	notNull  []string     // columns that a CHECK proves to be not null
}

func (m *migration) report(rule migrationRule, format string, args ...any) {
	m.reportAs(rule, rule.severity, rule.hint, format, args...)
}

func (m *migration) reportAs(rule migrationRule, severity, hint, format string, args ...any) {
	if len(m.findings) > maxFindings {
		return
	}
	if m.source.Line == 0 {
		m.source = m.shown()
	}
	m.findings = append(m.findings, Finding{
		Severity:  severity,
		Rule:      rule.name,
		Message:   fmt.Sprintf(format, args...),
		Statement: shorten(m.source.SQL),
		Line:      m.source.Line,
		Hint:      hint,
	})
}

func (m *migration) has(o object) bool {
	_, ok := m.objects[o]
	return ok
}

func (m *migration) see(o object, s sighting) {
	m.remember(o)
	m.objects[o] = s
}

func (m *migration) forget(o object) {
	m.remember(o)
	delete(m.objects, o)
}

func (m *migration) remember(o object) {
	if !m.inTransaction {
		return
	}
	before, was := m.objects[o]
	m.undo = append(m.undo, func() {
		if was {
			m.objects[o] = before
		} else {
			delete(m.objects, o)
		}
	})
}

func (m *migration) transaction(n *pg.TransactionStmt) {
	switch n.GetKind() {
	case pg.TransactionStmtKind_TRANS_STMT_BEGIN, pg.TransactionStmtKind_TRANS_STMT_START:
		m.inTransaction = true
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT, pg.TransactionStmtKind_TRANS_STMT_PREPARE:
		m.inTransaction, m.undo = n.GetChain(), nil
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		for i := len(m.undo) - 1; i >= 0; i-- {
			m.undo[i]()
		}
		m.inTransaction, m.undo = n.GetChain(), nil
	}
}

// relation names a relation as the migration would find it.
func (m *migration) relation(r *pg.RangeVar) RelationName {
	name := RelationName{r.GetSchemaname(), r.GetRelname()}
	if name.Schema != "" {
		return name
	}
	name.Schema = "pg_temp"
	if r.GetRelpersistence() == "t" {
		return name
	}
	if m.has(object{kind: aTable, RelationName: name}) {
		return name
	}
	name.Schema = m.schema
	return name
}

// isNew reports that nobody else can be using a table or materialized view.
func (m *migration) isNew(r *pg.RangeVar) bool {
	name := m.relation(r)
	return m.has(object{kind: aTable, RelationName: name}) || m.has(object{kind: aMatview, RelationName: name})
}

// isEmpty reports that a table holds no row from before the migration.
func (m *migration) isEmpty(name RelationName) bool {
	s, ok := m.objects[object{kind: aTable, RelationName: name}]
	return ok && !s.perhaps
}

// shownName is a relation as the statement wrote it.
func shownName(r *pg.RangeVar) string { return qualified(r.GetSchemaname(), r.GetRelname()) }

func qualified(schema, name string) string {
	if schema == "" {
		return name
	}
	return schema + "." + name
}

// partsOf are the parts of a name given as a list: a schema, if any, and a name.
func partsOf(n *pg.Node) []string {
	items := n.GetList().GetItems()
	if t := n.GetTypeName(); t != nil {
		items = t.GetNames()
	}
	if n.GetString_() != nil {
		items = []*pg.Node{n}
	}
	return stringsOf(items)
}

func (m *migration) named(parts []string) RelationName {
	switch len(parts) {
	case 0:
		return RelationName{}
	case 1:
		return m.relation(&pg.RangeVar{Relname: parts[0]})
	}
	return RelationName{parts[len(parts)-2], parts[len(parts)-1]}
}

// explainParse words why a text could not be parsed, with the line where the
// parser gave up.
func explainParse(sql string, err error) (why string, line int) {
	var e *parserError
	if !errors.As(err, &e) || e.Cursorpos < 1 {
		return err.Error(), 1
	}
	line = 1
	at := 0
	for _, r := range sql {
		if at++; at >= e.Cursorpos {
			break
		}
		if r == '\n' {
			line++
		}
	}
	return fmt.Sprintf("line %d: %s", line, e.Message), line
}

// trimComments takes away what stands before a statement.
func trimComments(sql string) string {
	for {
		sql = strings.TrimSpace(sql)
		switch {
		case strings.HasPrefix(sql, "--"):
			sql = sql[skipLine(sql, 0):]
		case strings.HasPrefix(sql, "/*"):
			sql = sql[skipComment(sql, 0):]
		default:
			return sql
		}
	}
}

func shorten(text string) string {
	if len(text) <= maxFindingSource {
		return text
	}
	end := maxFindingSource
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
