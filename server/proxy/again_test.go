package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// seen is all that a client gets for a batch that ends with its first
// ReadyForQuery: the types of the frames, with what matters in them.
func seen(t *testing.T, conn *pgx.Conn, frames ...[]byte) string {
	t.Helper()
	c := rawOf(conn)
	_ = c.SetDeadline(time.Now().Add(patience))
	defer c.SetDeadline(time.Time{})
	if _, err := c.Write(append(bytes.Join(frames, nil), synced...)); err != nil {
		t.Fatal(err)
	}
	return until(t, c, wire.ReadyForQuery)
}

// until is what a client gets up to a frame of one type.
func until(t *testing.T, c rawConn, last byte) string {
	t.Helper()
	var got []string
	for {
		typ, body, err := wire.ReadFrame(c, nil, 1<<20)
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		var what string
		switch typ {
		case wire.DataRow:
			var cells []string
			for rest := body[2:]; len(rest) > 0; {
				size := int(int32(binary.BigEndian.Uint32(rest)))
				if rest = rest[4:]; size < 0 {
					cells = append(cells, "∅")
					continue
				}
				cells, rest = append(cells, string(rest[:size])), rest[size:]
			}
			what = strings.Join(cells, "|")
		case wire.RowDescription:
			var names []string
			_ = fields(body, func(f field) { names = append(names, fmt.Sprintf("%s:%d", f.name, f.typ)) })
			what = strings.Join(names, ",")
		case wire.ParameterDescription:
			what = fmt.Sprint(body[2:])
		case wire.CommandComplete:
			what = strings.TrimSuffix(string(body), "\x00")
		case wire.ReadyForQuery:
			what = string(body)
		case wire.ErrorResponse:
			what = wire.ParseReport(body).Code
		}
		if what != "" {
			what = "(" + what + ")"
		}
		got = append(got, string(typ)+what)
		if typ == last {
			return strings.Join(got, " ")
		}
	}
}

// parsed is a Parse, with the types of its parameters.
func parsed(name, sql string, types ...uint32) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(types)))
	for _, oid := range types {
		b = binary.BigEndian.AppendUint32(b, oid)
	}
	return appendParse(nil, name, sql, b)
}

// bindOf binds a statement to a portal, with its results in one format.
func bindOf(portal, name string, format byte, params ...string) []byte {
	b := []byte(portal + "\x00" + name + "\x00\x00\x00")
	b = binary.BigEndian.AppendUint16(b, uint16(len(params)))
	for _, p := range params {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return wire.AppendBody(nil, wire.Bind, append(b, 0, 1, 0, format))
}

func execution(portal string) []byte {
	return wire.AppendBody(nil, wire.Execute, append([]byte(portal+"\x00"), 0, 0, 0, 0))
}

func describes(kind, name string) []byte {
	return wire.AppendBody(nil, wire.Describe, []byte(kind+name+"\x00"))
}

// ran is what a driver sends to run a statement that it has prepared.
func ran(name string, format byte, params ...string) []byte {
	return append(bindOf("", name, format, params...), execution("")...)
}

// Policies under which a statement is sent as different texts, and what two
// rows look like.
func policiesOf(schema string) []struct {
	rules        func(*store.PolicyRules)
	text, binary string
} {
	mask := func(kinds ...string) func(*store.PolicyRules) {
		return func(r *store.PolicyRules) {
			r.MaskingRules, r.RowFilters = nil, nil
			for i, kind := range kinds {
				r.MaskingRules = append(r.MaskingRules, store.MaskingRule{Table: schema + ".people", Column: []string{"email", "phone"}[i], Kind: kind})
			}
		}
	}
	return []struct {
		rules        func(*store.PolicyRules)
		text, binary string
	}{
		{mask(), "D(a@mail|555) D(∅|556)", "D(a@mail|555) D(∅|556)"},
		{mask("redact"), "D([redacted]|555) D(∅|556)", "D(∅|555) D(∅|556)"},
		{mask("null", "redact"), "D(∅|[redacted]) D(∅|[redacted])", "D(∅|∅) D(∅|∅)"},
		{func(r *store.PolicyRules) {
			mask("null")(r)
			r.RowFilters = []store.RowFilter{{Table: schema + ".people", Predicate: "team = 1"}}
		}, "D(∅|555)", "D(∅|555)"},
		{mask(), "D(a@mail|555) D(∅|556)", "D(a@mail|555) D(∅|556)"},
	}
}

func addressees(t *testing.T) (schema, query string) {
	t.Helper()
	schema = fixture(t, "create table people (id int primary key, team int, email text, phone varchar(40), note text default '')",
		"insert into people values (1, 1, 'a@mail', '555'), (2, 2, null, '556')")
	return schema, "select email, phone from " + schema + ".people where id <= $1 order by id"
}

func TestPreparedStatementGoesOnUnderOtherPolicies(t *testing.T) {
	schema, query := addressees(t)
	long := strings.Repeat("n", 62) + "öabcdef" // PostgreSQL goes by half a letter of it
	for name, names := range map[string][2]string{"named": {"s", "s"}, "unnamed": {"", ""}, "cut": {long, long[:64] + "other"}} {
		for _, format := range []byte{0, 1} {
			t.Run(fmt.Sprint(name, format), func(t *testing.T) {
				d := deploy(t)
				conn, l := d.under(policiesOf(schema)[0].rules)
				if got := seen(t, conn, parsed(names[0], query, 20)); got != "1 Z(I)" {
					t.Fatal(got)
				}
				param := "2"
				for i, p := range policiesOf(schema) {
					d.amend(l, p.rules)
					want := p.text
					if format == 1 {
						want = p.binary
					}
					want = fmt.Sprintf("2 T(email:25,phone:1043) %s C(SELECT %d) Z(I)", want, strings.Count(want, "D("))
					for range 2 {
						if got := seen(t, conn, bindOf("", names[1], format, param), describes("P", ""), execution("")); got != want {
							t.Fatalf("%d: %s, want %s", i, got, want)
						}
					}
					if got := seen(t, conn, describes("S", names[1])); got != "t([0 0 0 20]) T(email:25,phone:1043) Z(I)" {
						t.Fatalf("%d: %s", i, got)
					}
				}
				// It is the first to be asked about, under one more policy.
				d.amend(l, policiesOf(schema)[2].rules)
				if got := seen(t, conn, describes("S", names[1]), bindOf("", names[1], 0, param), execution("")); got != "t([0 0 0 20]) T(email:25,phone:1043) 2 "+policiesOf(schema)[2].text+" C(SELECT 2) Z(I)" {
					t.Fatal(got)
				}
				if got := seen(t, conn, wire.AppendBody(nil, wire.Close, []byte("S"+names[0]+"\x00")), bindOf("", names[0], 0, param)); got != "3 E(26000) Z(I)" {
					t.Fatal(got)
				}
				if got := seen(t, conn, describes("S", sessionOf(t, d).enforcer.marker+"own")); got != "E(26000) Z(I)" {
					t.Fatalf("the proxy's own statement is left: %s", got)
				}
			})
		}
	}
}

// A driver that knows no 0A000 of a proxy's.
func TestPgxGoesOnUnderOtherPolicies(t *testing.T) {
	schema, query := addressees(t)
	d := deploy(t)
	conn, l := d.under(policiesOf(schema)[0].rules)
	if _, err := conn.Prepare(t.Context(), "mine", query); err != nil {
		t.Fatal(err)
	}
	for i, p := range policiesOf(schema) {
		d.amend(l, p.rules)
		for _, sql := range []string{"mine", query} {
			rows, err := conn.Query(t.Context(), sql, 2)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for rows.Next() {
				var email, phone *string
				if err := rows.Scan(&email, &phone); err != nil {
					t.Fatal(err)
				}
				got = append(got, "D("+strings.ReplaceAll(text(email)+"|"+text(phone), "NULL", "∅")+")")
			}
			if err := rows.Err(); err != nil || strings.Join(got, " ") != p.text {
				t.Fatalf("%d: %v, %v; want %s", i, got, err, p.text)
			}
		}
	}
}

// What a statement becomes when the batch it is in fails, before it or behind
// it, is known: it goes on after that.
func TestPreparedAgainInABatchThatFails(t *testing.T) {
	schema, query := addressees(t)
	policies := policiesOf(schema)
	bad, wrong := parsed("", "this fails"), append(parsed("", "select 1 / $1::int"), ran("", 0, "0")...)
	run := ran("s", 0, "2")
	for name, c := range map[string]struct {
		frames [][]byte
		want   string // @ for the rows
	}{
		"text before it":         {[][]byte{bad, run}, "E(42601) Z(I)"},
		"refused before it":      {[][]byte{parsed("", "drop table x"), run}, "E(42501) Z(I)"},
		"run before it":          {[][]byte{wrong, run}, "1 E(22012) Z(I)"},
		"nothing of that name":   {[][]byte{bindOf("", "none", 0), run}, "E(0A000) Z(I)"},
		"behind it":              {[][]byte{run, bad}, "2 @ C(SELECT 2) E(42601) Z(I)"},
		"a portal of it":         {[][]byte{bindOf("p", "s", 0, "2"), execution("q")}, "2 E(34000) Z(I)"},
		"it itself":              {[][]byte{bindOf("", "s", 0, "x")}, "E(22P02) Z(I)"},
		"Describe of it, before": {[][]byte{bad, describes("S", "s")}, "E(42601) Z(I)"},
		"Describe of it, behind": {[][]byte{describes("S", "s"), bad}, "t([0 0 0 20]) T(email:25,phone:1043) E(42601) Z(I)"},
		"closed before":          {[][]byte{bad, wire.AppendBody(nil, wire.Close, []byte("Ss\x00"))}, "E(42601) Z(I)"},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			denied := func(r *store.PolicyRules) { r.DenyStatements = []string{"ddl"} }
			conn, l := d.under(denied)
			if got := seen(t, conn, parsed("s", query, 20)); got != "1 Z(I)" {
				t.Fatal(got)
			}
			for i, p := range policies[1:] {
				d.amend(l, p.rules)
				rows := fmt.Sprint(p.text, " C(SELECT ", strings.Count(p.text, "D("), ")")
				if got, want := seen(t, conn, c.frames...), strings.ReplaceAll(c.want, "@ C(SELECT 2)", rows); got != want {
					t.Fatalf("%d: %s, want %s", i, got, want)
				}
				if got := seen(t, conn, run); got != "2 "+rows+" Z(I)" {
					t.Fatalf("%d, then: %s, want %s", i, got, rows)
				}
			}
		})
	}
}

func TestPreparedAgainInTransactions(t *testing.T) {
	schema, query := addressees(t)
	policies := policiesOf(schema)
	d := deploy(t)
	conn, l := d.under(policies[0].rules)
	seen(t, conn, parsed("s", query), parsed("w", "update "+schema+".people set note = note || 'x' where id <= $1"))
	told(t, conn, queries("begin"))
	if got := seen(t, conn, ran("s", 0, "2")); got != "2 "+policies[0].text+" C(SELECT 2) Z(T)" {
		t.Fatal(got)
	}
	d.amend(l, policies[3].rules)
	if got := seen(t, conn, ran("s", 0, "2"), ran("w", 0, "2")); got != "2 "+policies[3].text+" C(SELECT 1) 2 C(UPDATE 1) Z(T)" {
		t.Fatal(got)
	}
	told(t, conn, queries("select 1/0"))
	d.amend(l, policies[1].rules)
	for _, frames := range [][]byte{ran("s", 0, "2"), describes("S", "s"), ran("w", 0, "2")} {
		if got := seen(t, conn, frames); got != "E(25P02) Z(E)" {
			t.Fatal(got)
		}
	}
	told(t, conn, queries("rollback"))
	if got := seen(t, conn, ran("s", 0, "2"), ran("w", 0, "2")); got != "2 "+policies[1].text+" C(SELECT 2) 2 C(UPDATE 2) Z(I)" {
		t.Fatal(got)
	}
	if got := scalar[string](t, direct(t), "select string_agg(note, ',') from "+schema+".people"); got != "x,x" {
		t.Fatal(got)
	}
}

// The policy changes between the messages of a batch: what comes behind obeys
// the new one, a portal from before runs no more.
func TestPolicyChangedBetweenTheMessagesOfABatch(t *testing.T) {
	schema, query := addressees(t)
	policies := policiesOf(schema)
	flush := wire.AppendBody(nil, wire.Flush, nil)
	for name, c := range map[string]struct {
		before   []byte
		last     byte
		behind   []byte
		want     string
		wantNext string
	}{
		"Parse, Bind":            {parsed("s", query), '1', ran("s", 0, "2"), "2 " + policies[1].text + " C(SELECT 2) Z(I)", ""},
		"unnamed Parse, Bind":    {parsed("", query), '1', ran("", 0, "2"), "2 " + policies[1].text + " C(SELECT 2) Z(I)", "s"},
		"Bind, Execute":          {append(parsed("s", query), bindOf("", "s", 0, "2")...), '2', execution(""), "E(0A000) Z(I)", ""},
		"Bind, Bind again":       {append(parsed("s", query), bindOf("p", "s", 0, "2")...), '2', append(ran("s", 0, "2"), execution("p")...), "2 " + policies[1].text + " C(SELECT 2) E(0A000) Z(I)", ""},
		"Execute, Bind, Execute": {append(parsed("s", query), ran("s", 0, "2")...), 'C', ran("s", 0, "2"), "2 " + policies[1].text + " C(SELECT 2) Z(I)", ""},
		"Parse, Close, Bind":     {append(parsed("s", query), wire.AppendBody(nil, wire.Close, []byte("Ss\x00"))...), '3', ran("s", 0, "2"), "E(0A000) Z(I)", "s"},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			conn, l := d.under(policies[0].rules)
			c1 := rawOf(conn)
			if _, err := c1.Write(append(bytes.Clone(c.before), flush...)); err != nil {
				t.Fatal(err)
			}
			until(t, c1, c.last)
			d.amend(l, policies[1].rules)
			if got := seen(t, conn, c.behind); got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
			if c.wantNext == "" {
				if got := seen(t, conn, ran("s", 0, "2")); got != "2 "+policies[1].text+" C(SELECT 2) Z(I)" {
					t.Fatalf("then %s", got)
				}
			}
		})
	}
}

// Where a client could tell the two apart, or the old one has no meaning any
// more, it is told what drivers know; and its statement stays what it was.
func TestOtherColumnsAreNotPreparedAgain(t *testing.T) {
	for name, c := range map[string]struct{ change, back string }{
		"one more column":  {"alter table @ add column more int", "alter table @ drop column more"},
		"one column less":  {"alter table @ drop column note", "alter table @ add column note text default ''"},
		"another type":     {"alter table @ alter column phone type text", "alter table @ alter column phone type varchar(40)"},
		"another name":     {"alter table @ rename column phone to fax", "alter table @ rename column fax to phone"},
		"no such relation": {"alter table @ rename to others", "alter table #others rename to people"},
	} {
		t.Run(name, func(t *testing.T) {
			schema, _ := addressees(t)
			in := func(sql string) string {
				return strings.NewReplacer("@", schema+".people", "#", schema+".").Replace(sql)
			}
			d := deploy(t)
			mask := policiesOf(schema)[1].rules
			conn, l := d.under(mask)
			alter := func(sql string) {
				t.Helper()
				mustExec(t, direct(t), in(sql))
				s := sessionOf(t, d)
				s.srv.catalogs.Expire(l.ProjectID, s.id.databaseID)
			}
			seen(t, conn, parsed("s", in("select * from @ order by id limit 1")))
			const want = "2 D(1|1|[redacted]|555|) C(SELECT 1) Z(I)"
			if got := seen(t, conn, ran("s", 0)); got != want {
				t.Fatal(got)
			}
			alter(c.change)
			for _, frames := range [][]byte{ran("s", 0), describes("S", "s")} {
				got := strings.TrimPrefix(seen(t, conn, frames), "t([]) ")
				if name == "no such relation" && got == "E(42P01) Z(I)" {
					continue
				}
				if got != "E(0A000) Z(I)" {
					t.Fatal(got)
				}
			}
			alter(c.back)
			if name != "another type" && name != "one column less" { // of which PostgreSQL made another text's columns
				if got := seen(t, conn, ran("s", 0)); got != want {
					t.Fatal(got)
				}
			}
		})
	}
}

// The proxy's own Parse may fail: that error is the answer, told once. The
// statement is still there when the reason is gone.
func TestPreparingAgainFailsUpstream(t *testing.T) {
	schema, _ := addressees(t)
	d := deploy(t)
	conn, l := d.under(policiesOf(schema)[0].rules)
	seen(t, conn, parsed("s", "select email, phone from "+schema+".people order by id"), parsed("other", "select 1"))
	mustExec(t, direct(t), "alter table "+schema+".people rename column team to gone") // and the proxy does not know
	scalar[int](t, conn, "select 1")
	d.amend(l, policiesOf(schema)[3].rules)
	s := sessionOf(t, d)
	// The schema as it was once more.
	mustExec(t, direct(t), "alter table "+schema+".people rename column gone to team")
	s.srv.catalogs.Expire(l.ProjectID, s.id.databaseID)
	scalar[int](t, conn, "select 1 from "+schema+".people")
	mustExec(t, direct(t), "alter table "+schema+".people rename column team to gone")
	for _, frames := range [][]byte{ran("s", 0), describes("S", "s")} {
		if got := seen(t, conn, ran("other", 0), frames, ran("other", 0)); got != "2 D(1) C(SELECT 1) E(42703) Z(I)" {
			t.Fatal(got)
		}
	}
	mustExec(t, direct(t), "alter table "+schema+".people rename column gone to team")
	if got := seen(t, conn, ran("s", 0), ran("other", 0)); got != "2 "+policiesOf(schema)[3].text+" C(SELECT 1) 2 D(1) C(SELECT 1) Z(I)" {
		t.Fatal(got)
	}
}

func TestDeclarationPreparedAgain(t *testing.T) {
	schema, query := addressees(t)
	d := deploy(t)
	conn, l := d.under(func(*store.PolicyRules) {})
	seen(t, conn, parsed("s", "declare c cursor for "+strings.ReplaceAll(query, "$1", "2")))
	for i, p := range policiesOf(schema) {
		d.amend(l, p.rules)
		told(t, conn, queries("begin"))
		if got := seen(t, conn, ran("s", 0)); got != "2 C(DECLARE CURSOR) Z(T)" {
			t.Fatalf("%d: %s", i, got)
		}
		want := fmt.Sprintf("1 2 %s C(FETCH %d) Z(T)", p.text, strings.Count(p.text, "D("))
		if got := seen(t, conn, parsed("", "fetch all from c"), ran("", 0)); got != want {
			t.Fatalf("%d: %s, want %s", i, got, want)
		}
		told(t, conn, queries("rollback"))
	}
}

// Writes are counted, undone and held to the filter of the policy of the moment.
func TestWritesPreparedAgain(t *testing.T) {
	schema, _ := addressees(t)
	in := func(sql string) string { return strings.ReplaceAll(sql, "@", schema+".people") }
	filter := func(predicate string) func(*store.PolicyRules) {
		return func(r *store.PolicyRules) {
			r.RowFilters = []store.RowFilter{{Table: schema + ".people", Predicate: predicate}}
		}
	}
	d := deploy(t)
	conn, l := d.under(func(*store.PolicyRules) {})
	if got := seen(t, conn, parsed("insert", in("insert into @ values ($1, 1, 'b', '557')")), parsed("returning", in("insert into @ values ($1, 1, 'c', '558') returning id, email")),
		parsed("update", in("update @ set note = note || 'x' where id > 0"))); got != "1 1 1 Z(I)" {
		t.Fatal(got)
	}
	count := func() string {
		return scalar[string](t, direct(t), in("select string_agg(id || note, ',' order by id) from @"))
	}
	for i, c := range []struct {
		rules  func(*store.PolicyRules)
		frames []byte
		want   string
		left   string
	}{
		{filter("team = 1"), ran("insert", 0, "3"), "2 C(INSERT 0 1) Z(I)", "1,2,3"},
		{filter("team = 2"), ran("insert", 0, "4"), "2 E(42501) Z(I)", "1,2,3"},
		{filter("team = 1"), append(bindOf("", "returning", 1, "4"), append(describes("P", ""), execution("")...)...), "2 T(id:23,email:25) D(\x00\x00\x00\x04|c) C(INSERT 0 1) Z(I)", "1,2,3,4"},
		{filter("team = 2"), ran("update", 0), "2 C(UPDATE 1) Z(I)", "1,2x,3,4"},
		{filter("team = 1 and id > 2"), append(describes("S", "returning"), describes("S", "insert")...), "t([0 0 0 23]) T(id:23,email:25) t([0 0 0 23]) n Z(I)", "1,2x,3,4"},
		{func(r *store.PolicyRules) { filter("team = 1")(r); r.MaxAffectedRows = 2 }, ran("update", 0), "2 E(42501) Z(I)", "1,2x,3,4"},
		{func(r *store.PolicyRules) { filter("id > 2")(r); r.MaxAffectedRows = 2 }, ran("update", 0), "2 C(UPDATE 2) Z(I)", "1,2x,3x,4x"},
		{func(r *store.PolicyRules) { filter("id > 3")(r); r.MaxAffectedRows, r.WriteMode = 0, "rollback" }, ran("update", 0), "2 C(UPDATE 1) Z(I)", "1,2x,3x,4x"},
		{func(r *store.PolicyRules) { filter("id > 2")(r); r.MaxAffectedRows = 1 }, ran("update", 0), "2 E(42501) Z(I)", "1,2x,3x,4x"},
		{func(r *store.PolicyRules) {
			*r = *rules(func(*store.PolicyRules) {})
		}, ran("returning", 0, "5"), "2 D(5|c) C(INSERT 0 1) Z(I)", "1,2x,3x,4x,5"},
	} {
		d.amend(l, c.rules)
		if got := seen(t, conn, c.frames); got != c.want {
			t.Errorf("%d: %s, want %s", i, got, c.want)
		}
		if got := count(); got != c.left {
			t.Errorf("%d: left are %s, want %s", i, got, c.left)
		}
	}
	// COMMIT, which is another text where nothing is kept.
	seen(t, conn, parsed("commit", "commit"))
	told(t, conn, queries("begin", in("update @ set note = '' where id > 0")))
	d.amend(l, rollback)
	if got := seen(t, conn, ran("commit", 0)); got != "2 N C(ROLLBACK) Z(I)" || count() != "1,2x,3x,4x,5" {
		t.Errorf("%s, left are %s", got, count())
	}
}

// What is not a Parse of the client's is told as before.
func TestWhatIsNotPreparedAgain(t *testing.T) {
	schema, query := addressees(t)
	policies := policiesOf(schema)
	for name, c := range map[string]struct {
		before, after []byte
		want          string
	}{
		"SQL, Bind":          {queries("prepare s as " + strings.ReplaceAll(query, "$1", "2")), append(bindOf("", "s", 0), synced...), "0A000 I"},
		"SQL, Describe":      {queries("prepare s as " + strings.ReplaceAll(query, "$1", "2")), append(describes("S", "s"), synced...), "0A000 I"},
		"Parse, EXECUTE":     {append(parsed("s", query), synced...), queries("execute s(2)"), "0A000 I"},
		"a cursor of before": {append(append(parsed("s", "declare c cursor with hold for "+strings.ReplaceAll(query, "$1", "2")), ran("s", 0)...), synced...), queries("fetch c"), "0A000 I"},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			conn, l := d.under(policies[0].rules)
			told(t, conn, c.before)
			d.amend(l, policies[1].rules)
			if got := told(t, conn, c.after); got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Descriptions that are longer than any buffer are compared as well.
func TestManyColumnsPreparedAgain(t *testing.T) {
	var columns, names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("a_rather_long_name_of_a_column_with_the_number_%d", i))
		columns = append(columns, names[i]+" int")
	}
	schema := fixture(t, "create table wide (id int, "+strings.Join(columns, ",")+")", "insert into wide (id) values (1), (2)")
	d := deploy(t)
	conn, l := d.under(func(*store.PolicyRules) {})
	seen(t, conn, parsed("s", "select * from "+schema+".wide"))
	for range 3 {
		for n, rows := range map[int]string{1: "SELECT 1", 2: "SELECT 1", 3: "SELECT 2"} {
			d.amend(l, func(r *store.PolicyRules) {
				r.RowFilters = []store.RowFilter{{Table: schema + ".wide", Predicate: fmt.Sprintf("id = %d or %d = 3", n, n)}}
			})
			got := seen(t, conn, bindOf("", "s", 0), describes("P", ""), execution(""))
			if !strings.HasSuffix(got, "C("+rows+") Z(I)") || strings.Count(got, ":23") != 1001 {
				t.Fatalf("%d: %.100s", n, got)
			}
		}
	}
}

// However often a statement is prepared again, it is kept once, with its types.
func TestPreparedAgainIsKeptOnce(t *testing.T) {
	schema, query := addressees(t)
	policies := policiesOf(schema)
	d := deploy(t)
	conn, l := d.under(policies[0].rules)
	seen(t, conn, parsed("s", query, 20), parsed("", query, 20))
	kept := &sessionOf(t, d).enforcer.statements
	weigh := func() int {
		seen(t, conn, describes("P", "none")) // what was answered before is settled
		return kept.weight
	}
	want := weigh()
	if want < 2*(len(query)+6) {
		t.Fatalf("two statements weigh %d", want)
	}
	for i := range 20 {
		d.amend(l, policies[i%4].rules)
		frames := [][]byte{ran("s", 0, "2"), describes("S", "")}
		if i%3 == 0 {
			frames = append(frames, parsed("", "this fails"))
		}
		seen(t, conn, frames...)
		if got := weigh(); got != want && i%3 != 0 {
			t.Fatalf("%d: they weigh %d, were %d", i, got, want)
		}
		if i%3 == 0 {
			seen(t, conn, parsed("", query, 20))
		}
	}
}

// TestMaskedColumnPreparedAgainStandsForAHole in the decision: what would give
// a masked column as it is is not prepared again.
func TestMaskedColumnPreparedAgainStandsForAHole(t *testing.T) {
	schema, _ := addressees(t)
	query := "select email from " + schema + ".people order by id"
	d := deploy(t)
	conn, l := d.under(policiesOf(schema)[0].rules)
	seen(t, conn, parsed("s", query))
	d.amend(l, policiesOf(schema)[1].rules)
	scalar[int](t, conn, "select 1")
	e := sessionOf(t, d).enforcer.engine
	hole := *e.decide([]byte(query))
	hole.SQL = query + " "
	hole.Statements[0].Outputs = nil
	e.decisions = decisions{}
	e.decisions.keep(query, &hole)
	if got := seen(t, conn, ran("s", 0)); got != "E(0A000) Z(I)" {
		t.Fatal(got)
	}
}
