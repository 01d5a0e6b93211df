package proxy

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// longBind is a Bind of the unnamed statement with one parameter of n bytes.
func longBind(n int, formats ...uint16) []byte {
	b := []byte{0, 0, 0, 0, 0, 1}
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = append(b, strings.Repeat("x", n)...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(formats)))
	for _, f := range formats {
		b = binary.BigEndian.AppendUint16(b, f)
	}
	return wire.AppendBody(nil, wire.Bind, b)
}

// ask sends frames that end in a Sync and returns the first error among what
// comes back, and the types of all.
func ask(t *testing.T, conn *pgx.Conn, frames ...[]byte) (why wire.Report, types string) {
	t.Helper()
	c := rawOf(conn)
	for _, b := range frames {
		send(t, c, b)
	}
	for {
		typ, body, err := wire.ReadFrame(c, nil, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		types += string(typ)
		switch {
		case typ == wire.ErrorResponse && why.Code == "":
			why = wire.ParseReport(body)
		case typ == wire.ReadyForQuery:
			return why, types
		}
	}
}

// Parameters that are too long to be read whole go by in a stream. A format for
// each column of a result stands at their end, where there is nothing to be
// done about it any more.
func TestLongParametersOfACheckedWrite(t *testing.T) {
	schema := fixture(t, "create table notes (team int default 1, text text)")
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) {
		readWrite(r)
		r.RowFilters = []store.RowFilter{{Table: schema + ".notes", Predicate: "team = 1"}}
	})
	parse := appendParse(nil, "", "insert into "+schema+".notes (text) values ($1) returning team, length(text)", []byte{0, 0})
	run := append(wire.AppendBody(nil, wire.Execute, make([]byte, 5)), synced...)
	for _, c := range []struct {
		name    string
		size    int
		formats []uint16
		code    string
	}{
		{"as text", maxExamined + 1, nil, ""},
		{"in one format", maxExamined + 1, []uint16{1}, ""},
		{"in several formats", maxExamined + 1, []uint16{0, 1}, codeTooComplex},
		{"read whole, in several formats", maxExamined - 100, []uint16{0, 1}, ""},
		{"again", maxExamined + 1, nil, ""},
	} {
		why, types := ask(t, conn, parse, longBind(c.size, c.formats...), run)
		if why.Code != c.code || c.code == "" && types != "12DCZ" || c.code != "" && (types != "1EZ" || !strings.Contains(why.Message, "row filter") || why.Hint == "") {
			t.Errorf("%s: %s, %+v", c.name, types, why)
		}
	}
	// A mistake of the client's own is told in PostgreSQL's words.
	if why, _ := ask(t, conn, parse, longBind(100, 0, 1, 0), run); why.Code != codeProtocol {
		t.Errorf("a short bind with formats for more columns than there are: %+v", why)
	}
	if n := scalar[int](t, direct(t), "select count(*) from "+schema+".notes"); n != 4 {
		t.Errorf("%d rows were written, want 4", n)
	}
}

// Where masked columns have to be found in it, a longer one is refused, and the
// session goes on.
func TestLongParametersForMaskedColumns(t *testing.T) {
	schema := fixture(t, "create table notes (id int, text text)", "insert into notes values (1, 'SECRET')")
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) {
		r.MaskingRules = []store.MaskingRule{{Table: schema + ".notes", Column: "text", Kind: "redact"}}
	})
	parse := appendParse(nil, "", "select text from "+schema+".notes where id < length($1)", []byte{0, 0})
	run := append(wire.AppendBody(nil, wire.Execute, make([]byte, 5)), synced...)
	for range 2 {
		if why, types := ask(t, conn, parse, longBind(maxExamined+1, 1), run); why.Code != codeTooComplex || types != "1EZ" || why.Hint == "" {
			t.Errorf("%s, %+v", types, why)
		}
		if why, types := ask(t, conn, parse, longBind(maxExamined-100, 1), run); types != "12DCZ" {
			t.Errorf("%s, %+v", types, why)
		}
	}
}

// A text that was not read whole was refused for being longer than 1572864
// bytes, and one of that length then for being longer than 1048576.
func TestLongStatementsAreToldOneLimit(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(readWrite)
	for _, length := range []int{policy.MaxBytes + 1, maxExamined + 1} {
		sql := "select '" + strings.Repeat("x", length)[:length-9] + "'"
		for name, message := range map[string][]byte{
			"simple":   wire.AppendBody(nil, wire.Query, append([]byte(sql), 0)),
			"extended": append(appendParse(nil, "", sql, []byte{0, 0}), synced...),
		} {
			if why, types := ask(t, conn, message); !strings.HasSuffix(why.Message, "; at most 1048576 are examined") || why.Hint == "" || types != "EZ" {
				t.Errorf("%s, %d bytes: %s, %+v", name, length, types, why)
			}
		}
	}
	if why, types := ask(t, conn, wire.AppendBody(nil, wire.Query, append([]byte("select '"+strings.Repeat("x", policy.MaxBytes-9)+"'"), 0))); types != "TDCZ" {
		t.Errorf("a text of the longest length: %s, %+v", types, why)
	}
}
