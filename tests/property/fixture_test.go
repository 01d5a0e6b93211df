package property

import (
	"fmt"
	"regexp"
	"strings"
)

// kind is what the generator takes a type for: columns of one kind compare,
// and stand in the same expressions.
type kind string

const (
	integer   kind = "int4"
	text      kind = "text"
	number    kind = "numeric"
	float     kind = "float8"
	boolean   kind = "bool"
	date      kind = "date"
	timestamp kind = "timestamp"
	texts     kind = "text[]"
	document  kind = "jsonb"
	mood      kind = "mood"
	unique    kind = "uuid"
	octets    kind = "bytea"
)

// attribute is a column of a relation of the fixture.
type attribute struct {
	name   string // as SQL writes it
	decl   string // its type
	kind   kind
	source string // the column that a view passes on
	// of are the columns that a view's column is computed from: for one that
	// stands beside aggregates, all that the view mentions.
	of []string
}

// relation is a table or view of the fixture.
type relation struct {
	schema, name string // as SQL writes them
	columns      []attribute
	key          []string
	rows         []string
	suffix       string // of CREATE TABLE
	parent       string // of a partition or inheritance child
	partition    bool
	view         string   // its SELECT
	reads        string   // the relation that a view reads
	drawn        bool     // a view at random
	bases        []string // what it reads
}

func (r *relation) has(name string) bool {
	for _, c := range r.columns {
		if c.name == name {
			return true
		}
	}
	return false
}

// in is the relation's name where public stands for another schema.
func (r *relation) in(prefix string) string {
	switch {
	case prefix == "":
		return r.schema + "." + r.name
	case r.schema == "public":
		return prefix + "." + r.name
	}
	return prefix + "_" + r.schema + "." + r.name
}

// token is a text that occurs in one cell of the fixture and nowhere else.
var (
	token  = regexp.MustCompile(`zq[0-9a-f]{4}k`)
	tokens int
)

func mark() string {
	tokens++
	return fmt.Sprintf("zq%04xk", 0x1000+tokens*7)
}

func marked() string { return "'" + mark() + "'" }

// maybe is a marked text, or NULL for every n-th row.
func maybe(i, n int) string {
	if i%n == n-1 {
		return "NULL"
	}
	return marked()
}

func row(values ...any) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = fmt.Sprint(v)
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// of takes the i-th of a list, around its end.
func of[T any](i int, list ...T) T { return list[i%len(list)] }

func rowsOf(n int, of func(i int) string) []string {
	var rows []string
	for i := range n {
		rows = append(rows, of(i))
	}
	return rows
}

// tenants are whose the rows of a table are. Those of 7 and 8 have values that
// no row of 42 has, so that a filter by tenant leaves expressions which fail
// for hidden rows alone.
var tenants = []int{42, 42, 7, 42, 8, 42, 7, 42, 8, 42}

var users = &relation{schema: "public", name: "users", key: []string{"id"},
	columns: []attribute{{name: "id", decl: "int", kind: integer}, {name: "tenant_id", decl: "int", kind: integer},
		{name: "name", decl: "text", kind: text}, {name: "email", decl: "text", kind: text},
		{name: "phone", decl: "varchar(20)", kind: text}, {name: "ssn", decl: "char(11)", kind: text},
		{name: "handle", decl: "handle", kind: text}, {name: "born", decl: "date", kind: date},
		{name: "score", decl: "int", kind: integer}, {name: "tags", decl: "text[]", kind: texts},
		{name: "state", decl: "mood", kind: mood}, {name: "manager_id", decl: "int", kind: integer},
		{name: "code", decl: "text", kind: text}},
	rows: rowsOf(8, func(i int) string {
		return row(i+1, of(i, tenants...), marked(), maybe(i, 4), maybe(i, 3), maybe(i, 5), marked(), fmt.Sprintf("'198%d-03-%02d'", i, 11+i),
			900000+137*i, "'{"+mark()+","+mark()+"}'", of(i, "'sad'", "'ok'", "NULL", "'happy'"), of(i, "NULL", "1", "1", "2", "2", "4", "3", "6"),
			of(i, "'10'", "'20'", "'x"+mark()+"'", "'40'", "'50'", "NULL", "'70'", "'80'"))
	})}

var orders = &relation{schema: "public", name: "orders", key: []string{"id"},
	columns: []attribute{{name: "id", decl: "int", kind: integer}, {name: "tenant_id", decl: "int", kind: integer},
		{name: "user_id", decl: "int", kind: integer}, {name: "amount", decl: "numeric(10,2)", kind: number},
		{name: "qty", decl: "int", kind: integer}, {name: "item", decl: "text", kind: text},
		{name: "status", decl: "varchar(10)", kind: text}, {name: "placed", decl: "timestamp", kind: timestamp}},
	rows: rowsOf(12, func(i int) string {
		return row(10+i, of(i, tenants...), of(i, "1", "2", "3", "NULL", "4", "8"), fmt.Sprintf("%d.%02d", 100+211*i, 13+7*i), of(i, 4, 2, 0, 3, 9, 1, 0, 6),
			maybe(i, 6), of(i, "'open'", "'paid'", "'void'", "'open'", "NULL"), fmt.Sprintf("'2026-01-%02d %02d:30:00'", 3+i, i))
	})}

var lines = &relation{schema: "public", name: "lines", key: []string{"order_id", "line_no"},
	columns: []attribute{{name: "order_id", decl: "int", kind: integer}, {name: "line_no", decl: "int", kind: integer},
		{name: "product_id", decl: "int", kind: integer}, {name: "price", decl: "numeric(10,2)", kind: number},
		{name: "note", decl: "text", kind: text}},
	rows: rowsOf(14, func(i int) string {
		return row(10+i/2+i%2*3, i/2+1, of(i, "1", "2", "3", "NULL", "5"), fmt.Sprintf("%d.%02d", 7+31*i, 3*i), maybe(i, 3))
	})}

var products = &relation{schema: "public", name: "products", key: []string{"id"},
	columns: []attribute{{name: "id", decl: "int", kind: integer}, {name: "title", decl: "text", kind: text},
		{name: "sku", decl: "varchar(20)", kind: text}, {name: "weight", decl: "float8", kind: float},
		{name: "attrs", decl: "jsonb", kind: document}, {name: "serial", decl: "uuid", kind: unique},
		{name: "photo", decl: "bytea", kind: octets}, {name: "listed", decl: "bool", kind: boolean}},
	rows: rowsOf(5, func(i int) string {
		return row(i+1, of(i, "'pen'", "'ink'", "'cap'", "'pen'", "NULL"), marked(), fmt.Sprintf("%d.5", i*3),
			`'{"colour": "`+mark()+`", "size": `+fmt.Sprint(i*10)+`}'`, fmt.Sprintf("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a%02d'", 11+i), "'"+mark()+"'", of(i, "true", "false", "NULL"))
	})}

var notes = &relation{schema: "public", name: "notes", key: []string{"id"},
	columns: []attribute{{name: "id", decl: "int", kind: integer}, {name: "user_id", decl: "int", kind: integer},
		{name: "label", decl: "text", kind: text}, {name: "pinned", decl: "bool", kind: boolean}},
	rows: rowsOf(6, func(i int) string {
		return row(i+1, of(i, "1", "2", "NULL", "3", "8"), of(i, "'red'", "'blue'", marked(), "'red'"), of(i, "true", "false", "NULL"))
	})}

var eventColumns = []attribute{{name: "id", decl: "int", kind: integer}, {name: "tenant_id", decl: "int", kind: integer},
	{name: "user_id", decl: "int", kind: integer}, {name: "body", decl: "text", kind: text}, {name: "level", decl: "int", kind: integer}}

var events = &relation{schema: "public", name: "events", key: []string{"id"}, columns: eventColumns, suffix: " PARTITION BY LIST (tenant_id)",
	rows: rowsOf(10, func(i int) string {
		return row(100+i, of(i, tenants...), of(i, "1", "2", "3", "4", "NULL"), maybe(i, 7), of(i, 1, 2, 30, 3))
	})}

var ours = &relation{schema: "public", name: "events_ours", key: []string{"id"}, columns: eventColumns, parent: "events", partition: true,
	suffix: " PARTITION OF public.events FOR VALUES IN (42)"}
var theirs = &relation{schema: "public", name: "events_rest", key: []string{"id"}, columns: eventColumns, parent: "events", partition: true,
	suffix: " PARTITION OF public.events DEFAULT"}

var docColumns = []attribute{{name: "id", decl: "int", kind: integer}, {name: "tenant_id", decl: "int", kind: integer},
	{name: "title", decl: "text", kind: text}, {name: "secret", decl: "text", kind: text}}

var docs = &relation{schema: "public", name: "docs", key: []string{"id"}, columns: docColumns,
	rows: rowsOf(4, func(i int) string { return row(i+1, of(i, tenants...), of(i, "'pen'", "'plan'"), marked()) })}
var archive = &relation{schema: "public", name: "docs_old", key: []string{"id"}, columns: docColumns, parent: "docs", suffix: " INHERITS (public.docs)",
	rows: rowsOf(4, func(i int) string { return row(i+11, of(i+1, tenants...), of(i, "'plan'", "NULL"), marked()) })}

var clients = &relation{schema: "crm", name: `"Client List"`, key: []string{`"Id"`},
	columns: []attribute{{name: `"Id"`, decl: "int", kind: integer}, {name: "tenant_id", decl: "int", kind: integer},
		{name: `"E-Mail"`, decl: "text", kind: text}, {name: `"select"`, decl: "varchar(30)", kind: text}},
	rows: rowsOf(5, func(i int) string { return row(i+1, of(i, tenants...), maybe(i, 4), marked()) })}

var people = &relation{schema: "public", name: "people", key: []string{"id"}, reads: "users",
	columns: []attribute{{name: "id", decl: "int", kind: integer, source: "id"}, {name: "tenant_id", decl: "int", kind: integer, source: "tenant_id"},
		{name: "name", decl: "text", kind: text, source: "name"}, {name: "contact", decl: "text", kind: text, source: "email"},
		{name: "email", decl: "text", kind: text, source: "email"}, {name: "mail", decl: "text", kind: text, of: words("email")}},
	view: "SELECT id, tenant_id, name, email AS contact, email, lower(email) AS mail FROM SCHEMA.users"}

var sales = &relation{schema: "public", name: "sales", key: []string{"status"}, reads: "orders",
	columns: []attribute{{name: "status", decl: "varchar(10)", kind: text, source: "status"}, {name: "sold", decl: "bigint", kind: integer, of: words("status amount")},
		{name: "total", decl: "numeric", kind: number, of: words("status amount")}},
	view: "SELECT status, count(*) AS sold, sum(amount) AS total FROM SCHEMA.orders GROUP BY status"}

// relations are all of them, parents and what views read first.
var relations = []*relation{users, orders, lines, products, notes, events, ours, theirs, docs, archive, clients, people, sales}

func named(name string) *relation {
	for _, r := range relations {
		if r.name == name {
			return r
		}
	}
	panic("the fixture has no " + name)
}

// children of a relation, itself first.
func (r *relation) family() []*relation {
	list := []*relation{r}
	for _, c := range relations {
		if c.parent == r.name {
			list = append(list, c)
		}
	}
	return list
}

const types = `
CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN public.handle AS varchar(40);
CREATE FUNCTION public.peek(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT n';
`

// create is the SQL that makes the fixture in a schema and those that begin
// like it. As prefix "" it is what the policy is about.
func create(prefix string) string {
	var b strings.Builder
	for _, schema := range []string{"public", "crm"} {
		if name := (&relation{schema: schema}).in(prefix); name != "public." {
			fmt.Fprintf(&b, "CREATE SCHEMA %s;\n", strings.TrimSuffix(name, "."))
		}
	}
	for _, r := range relations {
		if r.drawn {
			if prefix == "" {
				fmt.Fprintf(&b, "%s;\n", r.definition(prefix))
			}
			continue
		}
		if r.view != "" {
			from := named(r.reads)
			fmt.Fprintf(&b, "CREATE VIEW %s AS %s;\n", r.in(prefix), strings.ReplaceAll(r.view, "SCHEMA."+r.reads, from.in(prefix)))
			continue
		}
		suffix := r.suffix
		if r.parent != "" {
			suffix = strings.ReplaceAll(suffix, "public."+r.parent, named(r.parent).in(prefix))
		}
		list := make([]string, len(r.columns))
		for i, c := range r.columns {
			list[i] = c.name + " " + c.decl
		}
		declared := " (" + strings.Join(list, ", ") + ")"
		if r.partition {
			declared = ""
		}
		fmt.Fprintf(&b, "CREATE TABLE %s%s%s;\n", r.in(prefix), declared, suffix)
		if r.name != "events" {
			fmt.Fprintf(&b, "ALTER TABLE %s ADD PRIMARY KEY (%s);\n", r.in(prefix), strings.Join(r.key, ", "))
		}
	}
	for _, r := range relations {
		b.WriteString(r.fill(prefix))
	}
	return b.String()
}

// fill inserts a relation's own rows.
func (r *relation) fill(prefix string) string {
	if len(r.rows) == 0 {
		return ""
	}
	return fmt.Sprintf("INSERT INTO %s VALUES\n\t%s;\n", r.in(prefix), strings.Join(r.rows, ",\n\t"))
}
