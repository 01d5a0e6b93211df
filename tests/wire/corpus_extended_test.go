package wire

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Short names for the messages of the extended protocol.
func parse(name, sql string, types ...uint32) pgproto3.FrontendMessage {
	return &pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: types}
}

// bind takes parameters as text; a nil one is NULL.
func bind(portal, statement string, params ...any) *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}
	for _, p := range params {
		switch v := p.(type) {
		case nil:
			b.Parameters = append(b.Parameters, nil)
		case []byte:
			b.Parameters = append(b.Parameters, v)
		default:
			b.Parameters = append(b.Parameters, []byte(fmt.Sprint(v)))
		}
	}
	return b
}

func binaryResult(b *pgproto3.Bind) *pgproto3.Bind {
	b.ResultFormatCodes = []int16{1}
	return b
}

func describeStatement(name string) pgproto3.FrontendMessage {
	return &pgproto3.Describe{ObjectType: 'S', Name: name}
}
func describePortal(name string) pgproto3.FrontendMessage {
	return &pgproto3.Describe{ObjectType: 'P', Name: name}
}
func closeStatement(name string) pgproto3.FrontendMessage {
	return &pgproto3.Close{ObjectType: 'S', Name: name}
}
func closePortal(name string) pgproto3.FrontendMessage {
	return &pgproto3.Close{ObjectType: 'P', Name: name}
}
func execute(portal string, rows uint32) pgproto3.FrontendMessage {
	return &pgproto3.Execute{Portal: portal, MaxRows: rows}
}

var (
	syncMsg  pgproto3.FrontendMessage = &pgproto3.Sync{}
	flushMsg pgproto3.FrontendMessage = &pgproto3.Flush{}
)

func query(s string) pgproto3.FrontendMessage { return &pgproto3.Query{String: s} }

func be32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

const int4OID, textOID, int8OID = 23, 25, 20

func extendedCorpus() []script {
	return []script{
		pipelined("unnamed statement", 1, parse("", "select $1::int + 1"), bind("", "", 41), describePortal(""), execute("", 0), syncMsg),
		pipelined("named statement used again", 3,
			parse("s", "select $1::text, $2::int"), describeStatement("s"), syncMsg,
			bind("", "s", "a", 1), execute("", 0), bind("", "s", nil, nil), execute("", 0), syncMsg,
			closeStatement("s"), bind("", "s", "a", 1), execute("", 0), syncMsg),
		pipelined("statement and portal that do not exist", 5,
			bind("", "none"), syncMsg, execute("none", 0), syncMsg, describeStatement("none"), syncMsg, describePortal("none"), syncMsg, closeStatement("none"), closePortal("none"), syncMsg),
		pipelined("name taken", 2, parse("s", "select 1"), parse("s", "select 2"), execute("", 0), syncMsg, bind("", "s"), execute("", 0), syncMsg),
		pipelined("portal name taken", 1, query("begin"), parse("s", "select 1"), bind("p", "s"), bind("p", "s"), syncMsg),
		pipelined("a failed Parse leaves no name behind", 2, parse("s", "selec"), syncMsg, parse("s", "select 1"), bind("", "s"), execute("", 0), syncMsg),
		pipelined("statement without rows", 1, parse("s", "insert into item(name) values ($1)"), describeStatement("s"), bind("p", "s", "n"), describePortal("p"), execute("p", 0), syncMsg),
		pipelined("empty statement", 1, parse("", ""), describeStatement(""), bind("", ""), describePortal(""), execute("", 0), syncMsg),
		pipelined("several statements in one Parse", 1, parse("", "select 1; select 2"), bind("", ""), execute("", 0), syncMsg),
		pipelined("declared parameter types", 1, parse("", "select $1, $2, $3 || 'x'", int8OID, int4OID, textOID), describeStatement(""), bind("", "", 1, 2, "t"), execute("", 0), syncMsg),
		pipelined("types that cannot be guessed", 1, parse("", "select $1"), describeStatement(""), parse("", "select pg_typeof($1), $2"), syncMsg),
		pipelined("wrong number of parameters", 2, parse("s", "select $1::int, $2::int"), bind("", "s", 1), syncMsg, bind("", "s", 1, 2, 3), syncMsg),
		pipelined("wrong number of formats", 2, parse("s", "select $1::int, $2::int"), &pgproto3.Bind{PreparedStatement: "s", ParameterFormatCodes: []int16{0, 0, 0}, Parameters: [][]byte{[]byte("1"), []byte("2")}}, syncMsg,
			&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("1"), []byte("2")}, ResultFormatCodes: []int16{0, 1, 0}}, syncMsg),
		pipelined("bad values", 3, parse("s", "select $1::int"), bind("", "s", "x"), execute("", 0), syncMsg,
			&pgproto3.Bind{PreparedStatement: "s", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{1, 2}}}, execute("", 0), syncMsg,
			&pgproto3.Bind{PreparedStatement: "s", ParameterFormatCodes: []int16{7}, Parameters: [][]byte{{1, 2, 3, 4}}}, execute("", 0), syncMsg),
		pipelined("binary parameters and results", 1, parse("", "select $1::int4, $2::text, $1 + 1"),
			&pgproto3.Bind{ParameterFormatCodes: []int16{1, 0}, Parameters: [][]byte{be32(7), []byte("t")}, ResultFormatCodes: []int16{1, 0, 1}}, describePortal(""), execute("", 0), syncMsg),
		pipelined("every type in binary", 1, parse("", "select * from sample order by id"), binaryResult(bind("", "")), describePortal(""), execute("", 0), syncMsg),
		pipelined("every type in text", 1, parse("", "select * from sample order by id"), bind("", ""), describePortal(""), execute("", 0), syncMsg),
		pipelined("portal in portions", 1, parse("", "select i from generate_series(1, 7) i"), bind("p", ""), execute("p", 3), execute("p", 3), execute("p", 3), execute("p", 3), syncMsg),
		pipelined("portal in exact portions", 1, parse("", "select i from generate_series(1, 6) i"), bind("p", ""), execute("p", 3), execute("p", 3), execute("p", 0), syncMsg),
		pipelined("portion of a write", 1, parse("", "insert into item(name) select 'n' || i from generate_series(1, 5) i returning name"), bind("p", ""), execute("p", 2), execute("p", 0), syncMsg),
		pipelined("portal across Sync in a transaction", 4, query("begin"), parse("", "select i from generate_series(1, 7) i"), bind("p", ""), execute("p", 2), syncMsg, execute("p", 2), syncMsg, closePortal("p"), execute("p", 2), syncMsg),
		pipelined("portal does not outlive its transaction", 2, parse("", "select 1"), bind("p", ""), syncMsg, execute("p", 0), syncMsg),
		pipelined("portal read with FETCH", 3, query("begin"), parse("", "select i from generate_series(1, 5) i"), bind("p", ""), syncMsg, query("fetch 2 from p; commit")),
		pipelined("cursor run by Execute", 4, query("begin"), query("declare c cursor for select i from generate_series(1, 5) i"), parse("", "fetch 2 from c"), bind("", ""), describePortal(""), execute("", 0), syncMsg, query("rollback")),
		pipelined("executed twice", 1, parse("", "select 1"), bind("", ""), execute("", 0), execute("", 0), syncMsg),
		pipelined("everything behind an error is skipped", 2, parse("", "select 1/0"), bind("", ""), execute("", 0), parse("", "select 1"), bind("", ""), execute("", 0), query("select 'swallowed'"), syncMsg, parse("", "select 2"), bind("", ""), execute("", 0), syncMsg),
		pipelined("an error undoes the pipeline before it", 2,
			parse("", "insert into item(name) values ('gone')"), bind("", ""), execute("", 0), parse("", "select 1/0"), bind("", ""), execute("", 0), syncMsg, query("select count(*) from item")),
		pipelined("each Sync commits", 3, parse("s", "insert into item(name) values ($1)"), bind("", "s", "kept"), execute("", 0), syncMsg, bind("", "s", nil), execute("", 0), syncMsg, query("select name from item order by id desc limit 1")),
		pipelined("a transaction in a pipeline", 3, parse("", "begin"), bind("", ""), execute("", 0), parse("", "insert into item(name) values ('x')"), bind("", ""), execute("", 0), syncMsg,
			parse("", "select 1/0"), bind("", ""), execute("", 0), parse("", "commit"), bind("", ""), execute("", 0), syncMsg, parse("", "rollback"), bind("", ""), execute("", 0), syncMsg),
		pipelined("statements in a failed transaction", 4, query("begin"), query("select 1/0"), parse("", "select 1"), bind("", ""), execute("", 0), syncMsg, parse("", "rollback"), bind("", ""), execute("", 0), syncMsg),
		pipelined("simple and extended mixed", 4, query("select 1"), parse("s", "select 2"), bind("", "s"), execute("", 0), syncMsg, query("select 3"), bind("", "s"), execute("", 0), syncMsg),
		pipelined("only Syncs", 3, syncMsg, syncMsg, syncMsg),
		pipelined("Sync inside a transaction", 3, query("begin"), syncMsg, query("rollback")),
		{name: "Flush brings the answer before Sync", steps: []step{
			until('1', 1, parse("s", "select $1::int"), flushMsg), until('T', 1, describeStatement("s"), flushMsg), until('2', 1, bind("", "s", 5), flushMsg),
			until('C', 1, execute("", 0), flushMsg), ready(1, syncMsg)}},
		{name: "an error comes before Sync", steps: []step{
			until('E', 1, parse("", "select 1/0"), bind("", ""), execute("", 0)), send(parse("", "select 1"), flushMsg), ready(1, syncMsg)}},
		{name: "a suspended portal comes with Flush", steps: []step{
			until('s', 1, parse("", "select i from generate_series(1, 5) i"), bind("p", ""), execute("p", 2), flushMsg), until('s', 1, execute("p", 2), flushMsg), until('C', 1, execute("p", 2), flushMsg), ready(1, syncMsg)}},
		{name: "a hundred statements in one pipeline", steps: []step{ready(1, repeated(100, func(i int) []pgproto3.FrontendMessage {
			return []pgproto3.FrontendMessage{parse("", fmt.Sprintf("select %d, repeat('x', %d)", i, i*50)), bind("", ""), describePortal(""), execute("", 0)}
		}, syncMsg)...)}},
		{name: "a hundred pipelines in one write", steps: []step{ready(100, repeated(100, func(i int) []pgproto3.FrontendMessage {
			m := []pgproto3.FrontendMessage{parse("", fmt.Sprintf("select 60 / ($1::int %% 7), %d", i)), bind("", "", i), execute("", 0), syncMsg}
			return m
		})...)}},
		{name: "a pipeline larger than every socket buffer", steps: []step{ready(40, repeated(40, func(int) []pgproto3.FrontendMessage {
			return []pgproto3.FrontendMessage{parse("", "select $1::text"), bind("", "", strings.Repeat("p", 512<<10)), execute("", 0), syncMsg}
		})...)}},
		pipelined("a parameter of eight megabytes", 1, parse("", "select length($1::text), md5($1::text)"), bind("", "", strings.Repeat("8", 8<<20)), execute("", 0), syncMsg),
		pipelined("a binary value of eight megabytes", 1, parse("", "select convert_to(repeat('a', 8388608), 'UTF8')"), binaryResult(bind("", "")), execute("", 0), syncMsg),
		pipelined("a thousand parameters", 1, parse("", "select array["+placeholders(1000)+"]"), bind("", "", ones(1000)...), execute("", 0), syncMsg),
		pipelined("every parameter type as text", 1, parse("", "select $1::bool, $2::int2, $3::int4, $4::int8, $5::float4, $6::float8, $7::numeric, $8::text, $9::bytea, $10::date, $11::time, $12::timestamptz, $13::interval, $14::uuid, $15::json, $16::jsonb, $17::int[], $18::text[], $19::inet, $20::mood, $21::point, $22::int4range"),
			bind("", "", "t", "-32768", "2147483647", "-9223372036854775808", "1.5e-30", "NaN", "12345678901234567890.0987654321", "täxt", `\xdeadbeef`, "infinity", "24:00:00", "2026-11-22 03:04:05.678901+05:45", "P1Y2M3DT4H5M6.7S",
				"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", `{"a": [1, null]}`, `{"b":2,"a":1}`, "{1,NULL,3}", `{"a,b",NULL,""}`, "fe80::1/64", "sad", "(1,2)", "[1,5)"), describePortal(""), execute("", 0), syncMsg),
		pipelined("definitions by the extended protocol", 3, parse("", "create temp table ext(a int)"), bind("", ""), execute("", 0), syncMsg, parse("s", "select * from ext"), describeStatement("s"), bind("", "s"), execute("", 0), syncMsg, query("drop table ext")),
		pipelined("plan that changed its result", 4, query("create temp table chg(a int)"), parse("s", "select * from chg"), bind("", "s"), execute("", 0), syncMsg, query("alter table chg add b text"), bind("", "s"), execute("", 0), syncMsg),
		pipelined("statements after DISCARD ALL and DEALLOCATE", 6, parse("s", "select 1"), parse("t", "select 2"), syncMsg, query("deallocate s"), bind("", "s"), execute("", 0), syncMsg, query("discard all"), bind("", "t"), execute("", 0), syncMsg, query("prepare t as select 3")),
		pipelined("statements of SQL and of the protocol share names", 4, query("prepare s(int) as select $1 * 2"), bind("", "s", 21), execute("", 0), syncMsg, parse("t", "select $1::text"), syncMsg, query("execute t('by SQL')")),
		pipelined("EXECUTE by the extended protocol", 2, query("prepare s as select 1 as a"), parse("", "execute s"), describeStatement(""), bind("", ""), describePortal(""), execute("", 0), syncMsg),
		pipelined("settings by the extended protocol", 2, parse("", "set timezone = 'UTC'"), bind("", ""), execute("", 0), parse("", "set application_name = 'pipe'"), bind("", ""), execute("", 0), syncMsg, query("show timezone")),
		pipelined("notices by the extended protocol", 1, parse("", "do $$ begin raise notice 'a'; raise notice 'b'; end $$"), bind("", ""), execute("", 0), syncMsg),
		pipelined("the unnamed statement survives its Sync", 2, parse("", "select $1::int"), syncMsg, bind("", "", 1), execute("", 0), syncMsg),
		pipelined("the unnamed statement falls to a simple query", 3, parse("", "select $1::int"), syncMsg, query("select 1"), bind("", "", 1), execute("", 0), syncMsg),
		{name: "an unknown message", ends: true, foreign: true, steps: []step{{send: []byte{'x', 0, 0, 0, 4}, enough: func([]frame) bool { return false }}}},
		{name: "a malformed Bind", steps: []step{{send: append([]byte{'B', 0, 0, 0, 9, 'p', 0, 's', 0, 0}, encode(syncMsg)...), enough: func(f []frame) bool { return count(f, 'Z') == 1 }}}},
	}
}

func repeated(n int, each func(int) []pgproto3.FrontendMessage, last ...pgproto3.FrontendMessage) []pgproto3.FrontendMessage {
	var out []pgproto3.FrontendMessage
	for i := range n {
		out = append(out, each(i)...)
	}
	return append(out, last...)
}

func placeholders(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",$%d::int", i+1)
	}
	return b.String()[1:]
}

func ones(n int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = 1
	}
	return out
}
