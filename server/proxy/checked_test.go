package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// unsatisfiedBy reports whether an error says that a row does not satisfy its
// filter.
func unsatisfiedBy(err error) bool {
	reason, hint := (&policy.Check{}).Refusal()
	var told *pgconn.PgError
	return errors.As(err, &told) && told.Code == codePrivilege && told.Message == reason && told.Hint == hint && told.Detail == "" && told.Where == ""
}

// A driver sees of a check nothing but its refusal, in each of its ways to run
// a statement, again and again.
func TestWritesUnderARowFilterInEveryProtocol(t *testing.T) {
	schema := fixture(t, "create table items (id int primary key, team int not null default 1, price numeric, tags text[])",
		"insert into items values (1000, 2, 1, null)")
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) {
		readWrite(r)
		r.RowFilters = []store.RowFilter{{Table: schema + ".items", Predicate: "team = 1"}}
	})
	ctx, items, id := t.Context(), schema+".items", 0
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				id += 10
				tag, err := conn.Exec(ctx, "insert into "+items+" (id, team) values ($1, $2), ($1 + 1, $2)", mode, id, 1)
				if err != nil || tag.String() != "INSERT 0 2" {
					t.Fatalf("%s %v", tag, err)
				}
				var price pgx.Rows
				if price, err = conn.Query(ctx, "insert into "+items+" values ($1, $2, $3, $4) returning price::float8, tags, id", mode, id+2, 1, 12.5, []string{"a", "b"}); err != nil {
					t.Fatal(err)
				}
				got, err := pgx.CollectRows(price, func(row pgx.CollectableRow) (string, error) {
					var p float64
					var tags []string
					var n int
					err := row.Scan(&p, &tags, &n)
					return fmt.Sprint(p, tags, n-id, len(row.FieldDescriptions()), row.FieldDescriptions()[0].Name), err
				})
				if err != nil || !slices.Equal(got, []string{"12.5 [a b] 2 3price"}) {
					t.Fatalf("%q %v", got, err)
				}
				for _, sql := range []string{
					"insert into " + items + " (id, team) values ($1, $2) returning id", "insert into " + items + " (id, team) values ($1, $2)",
					"update " + items + " set team = $2 where id = $1 - 5", "update " + items + " set team = $2 where id = $1 - 5 returning *",
				} {
					if _, err := conn.Exec(ctx, sql, mode, id+5, 2); !unsatisfiedBy(err) {
						t.Fatalf("%s: %v", sql, err)
					}
				}
			}
		})
	}
	// Pipelined by the driver, which prepares each first.
	batch := &pgx.Batch{}
	for i := range 4 {
		batch.Queue("insert into "+items+" (id) values ($1)", 500+i)
		batch.Queue("insert into "+items+" (id) values ($1) returning id", 600+i)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		t.Fatal(err)
	}
	batch = &pgx.Batch{}
	batch.Queue("insert into " + items + " values (700)")
	batch.Queue("insert into " + items + " values (701, 2)")
	if err := conn.SendBatch(ctx, batch).Close(); !unsatisfiedBy(err) {
		t.Fatal(err)
	}
	truth := direct(t)
	var n, of int
	if err := truth.QueryRow(ctx, "select count(*), count(*) filter (where team = 1) from "+items).Scan(&n, &of); err != nil || n != of+1 || n != 1+9*len(modes)+8 {
		t.Errorf("%d rows, %d of the team: %v", n, of, err)
	}
}

func TestTheFormatOfACheckStandsInFront(t *testing.T) {
	bind := func(formats ...uint16) []byte {
		b := []byte("p\x00s\x00\x00\x01\x00\x01\x00\x02\x00\x00\x00\x03abc\xff\xff\xff\xff")
		b = binary.BigEndian.AppendUint16(b, uint16(len(formats)))
		for _, f := range formats {
			b = binary.BigEndian.AppendUint16(b, f)
		}
		return b
	}
	for _, c := range []struct {
		alone       bool
		asked, sent []uint16
	}{
		{asked: nil, sent: nil}, {asked: []uint16{1}, sent: []uint16{1}}, {asked: []uint16{1, 0}, sent: []uint16{0, 1, 0}}, {asked: []uint16{1, 1, 1}, sent: []uint16{0, 1, 1, 1}},
		{alone: true}, {alone: true, asked: []uint16{1}}, {alone: true, asked: []uint16{0, 1}},
	} {
		body := bind(c.asked...)
		got, err := withCheck(body, &policy.Check{Alone: c.alone})
		if err != nil || !slices.Equal(got, bind(c.sent...)) {
			t.Errorf("%v: %q, %v", c.asked, got, err)
		}
		if !slices.Equal(body, bind(c.asked...)) {
			t.Errorf("%v: the client's frame was written to", c.asked)
		}
		for n := range body {
			if got, err := withCheck(body[:n:n], &policy.Check{Alone: c.alone}); err == nil {
				t.Errorf("%d of %d bytes: %q", n, len(body), got)
			}
		}
	}
}

// What an upstream sends is not trusted to be whole.
func TestRowsWithoutTheColumnOfACheckAreNoRows(t *testing.T) {
	r := replies{queue: []reply{{kind: wire.Execute, checks: []*policy.Check{{}}}}}
	row := []byte("\x00\x02\x00\x00\x00\x01t\x00\x00\x00\x01x")
	if got, err := r.row(row); err != nil || string(got[5:]) != "\x00\x01\x00\x00\x00\x01x" {
		t.Errorf("%q %v", got, err)
	}
	if got, err := r.row([]byte("\x00\x02\xff\xff\xff\xff\x00\x00\x00\x01x")); err != nil || string(got[5:]) != "\x00\x01\x00\x00\x00\x01x" {
		t.Errorf("%q %v", got, err)
	}
	for n := range row {
		if got, err := r.row(row[:n]); err == nil {
			t.Errorf("%d bytes: %q", n, got)
		}
	}
	field := "\x00\x00\x00\x01\x00\x01\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00"
	described := []byte("\x00\x02pgbeam_check\x00" + field + "id\x00" + field)
	if got, err := r.description(described); err != nil || string(got[5:]) != "\x00\x01id\x00"+field {
		t.Errorf("%q %v", got, err)
	}
	for _, cut := range []int{0, 1, 2, 5, 20} {
		if got, err := r.description(described[:cut]); err == nil {
			t.Errorf("%d bytes: %q", cut, got)
		}
	}
}

// What a filter fails with may quote what it read.
func TestWhatAFilterFailsWithIsNotTold(t *testing.T) {
	failed := func(code, message string) []byte {
		return wire.AppendReport(nil, wire.Report{Severity: wire.SeverityError, Code: code, Message: message})[5:]
	}
	const quotes = `invalid input syntax for type integer: "SECRET"`
	for _, c := range []struct {
		code, message string
		fallible      bool
		told          bool
	}{
		{"22P02", quotes, true, false}, {"22012", "division by zero", true, false}, {"42704", `unrecognized configuration parameter "SECRET"`, true, false},
		{"42501", "permission denied for table SECRET", true, false}, {"21000", "more than one row returned by a subquery", true, false}, {"P0001", "SECRET", true, false},
		{"XX000", "cache lookup failed", true, false}, {"23505", "duplicate key", true, true}, {"40001", "could not serialize access", true, true},
		{"42703", `column "x" does not exist`, true, true}, {"57014", "canceling statement due to user request", true, true}, {"22P02", quotes, false, true},
	} {
		got := unsatisfied(&policy.Check{Fallible: c.fallible}, failed(c.code, c.message))
		if (got == nil) != c.told || got != nil && (got.Code != c.code || got.Message == c.message || got.Hint == "") {
			t.Errorf("%s %s: %+v", c.code, c.message, got)
		}
	}
}

// A statement that may be one of several is not run: how many columns of its
// rows are the client's is not known.
func TestWhatMayHaveACheckOrNotIsNotRun(t *testing.T) {
	plain, checked, alone := &prepared{}, &prepared{checks: []*policy.Check{{}}}, &prepared{checks: []*policy.Check{{Alone: true}}}
	for _, c := range []struct {
		list    []*prepared
		checks  int
		refused bool
	}{
		{nil, 0, false}, {[]*prepared{plain}, 0, false}, {[]*prepared{plain, plain}, 0, false}, {[]*prepared{checked}, 1, false},
		{[]*prepared{checked, {checks: []*policy.Check{{}}}}, 1, false}, {[]*prepared{checked, alone}, 0, true}, {[]*prepared{plain, checked}, 0, true}, {[]*prepared{alone, plain}, 0, true},
	} {
		checks, why := checksOf(c.list)
		if len(checks) != c.checks || (why != nil) != c.refused {
			t.Errorf("%v: %v, %v", c.list, checks, why)
		}
	}
}

// What the upstream says of a checked write is the policy's to tell also where
// it takes more than a buffer to say.
func TestLongAnswersOfACheckedWrite(t *testing.T) {
	var columns strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&columns, ", a_column_with_a_long_name_%d int", i)
	}
	schema := fixture(t, "create table notes (author text)", "create table wide (team int"+columns.String()+")")
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) {
		r.RowFilters = []store.RowFilter{
			{Table: schema + ".notes", Predicate: "case when author = 'ann' then true else author::int > 0 end"},
			{Table: schema + ".wide", Predicate: "team = 1"},
		}
	})
	for name, mode := range modes {
		for _, author := range []string{"bob", strings.Repeat("b", 2*bufferSize)} {
			_, err := conn.Exec(t.Context(), "insert into "+schema+".notes values ($1)", mode, author)
			if e := asPgError(t, err); e.Code != "22P02" || !strings.HasPrefix(e.Message, "this write failed for a row") {
				t.Errorf("%s: an author of %d bytes: %s %.80s", name, len(author), e.Code, e.Message)
			}
		}
		rows, _ := conn.Query(t.Context(), "insert into "+schema+".wide (team, a_column_with_a_long_name_1199) values (1, 7) returning *", mode)
		row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
		if err != nil || len(row) != 1201 || row["team"] != int32(1) || row["a_column_with_a_long_name_1199"] != int32(7) {
			t.Errorf("%s: %d columns, team %v, %v", name, len(row), row["team"], err)
		}
	}
}

// A portal that ended with its transaction is missed in PostgreSQL's words.
func TestPortalOfACheckedWriteThatIsGone(t *testing.T) {
	schema := fixture(t, "create table notes (author text)")
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) {
		r.RowFilters = []store.RowFilter{{Table: schema + ".notes", Predicate: "author::int > 0"}}
	})
	raw := hijack(t, conn)
	send(t, raw, append(pipelined("insert into "+schema+".notes values ('1')"), wire.AppendBody(nil, wire.Execute, make([]byte, 5))...))
	for {
		typ, body, err := wire.ReadFrame(raw, nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if typ == wire.ErrorResponse {
			if why := wire.ParseReport(body); why.Message != `portal "" does not exist` {
				t.Fatal(why)
			}
			return
		}
	}
}
