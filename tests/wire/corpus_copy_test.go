package wire

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

func copyData(s string) pgproto3.FrontendMessage { return &pgproto3.CopyData{Data: []byte(s)} }

var copyDone pgproto3.FrontendMessage = &pgproto3.CopyDone{}

func copyFail(reason string) pgproto3.FrontendMessage { return &pgproto3.CopyFail{Message: reason} }

func copyCorpus() []script {
	const in = "copy item(name, price) from stdin"
	return []script{
		simple("out as text", "copy item to stdout", "select 1"),
		simple("out as CSV", "copy sample to stdout with (format csv, header, force_quote *)"),
		simple("out as binary", "copy sample to stdout with (format binary)"),
		simple("out without rows", "copy (select 1 where false) to stdout"),
		simple("out of many rows", "copy (select i, repeat('x', i % 300) from generate_series(1, 20000) i) to stdout"),
		simple("out that fails in the middle", "copy (select 1 / (500 - i) from generate_series(1, 1000) i) to stdout", "select 1"),
		simple("out among other statements", "select 1; copy (values (1), (2)) to stdout; select 3"),
		simple("out in a transaction that fails", "begin", "copy (select 1/0) to stdout", "copy (select 1) to stdout", "rollback"),
		{name: "in", steps: []step{until('G', 1, query(in)), send(copyData("a\t1\nb\t2\n"), copyData("c\t\\N\n")), ready(1, copyDone), ready(1, query("select name, price from item order by id"))}},
		{name: "in as CSV", steps: []step{until('G', 1, query("copy item(name, price) from stdin with (format csv, header)")), ready(1, copyData("name,price\n\"a, \"\"b\"\"\",3\n"), copyDone), ready(1, query("select name, price from item order by id"))}},
		{name: "in as binary", steps: []step{until('G', 1, query("copy item(name) from stdin with (format binary)")), ready(1, copyData(binaryCopy("first", "sécond")), copyDone), ready(1, query("select name from item order by id"))}},
		{name: "in without rows", steps: []step{until('G', 1, query(in)), ready(1, copyDone)}},
		{name: "in, given up by the client", steps: []step{until('G', 1, query(in)), ready(1, copyData("a\t1\n"), copyFail("changed my mind")), ready(1, query("select count(*) from item"))}},
		{name: "in, refused by a row", steps: []step{until('G', 1, query(in)), ready(1, copyData("a\tnot a number\n"), copyData("b\t1\n"), copyDone), ready(1, query("select count(*) from item"))}},
		{name: "in, refused by a constraint at the end", steps: []step{until('G', 1, query("copy part(item_id) from stdin")), ready(1, copyData("99999\n"), copyDone)}},
		{name: "in, refused while the client goes on sending", steps: []step{until('G', 1, query(in)),
			ready(1, repeated(200, func(i int) []pgproto3.FrontendMessage {
				return []pgproto3.FrontendMessage{copyData(strings.Repeat("x", 8000) + "\tbad\n")}
			}, copyDone)...)}},
		{name: "in, refused before it starts", steps: []step{ready(1, query("copy nowhere from stdin")), ready(1, copyData("ignored\n"), copyDone, query("select 1"))}},
		{name: "in with everything in one write", steps: []step{ready(2, query(in), copyData("a\t1\n"), copyDone, query("select name from item order by id"))}},
		{name: "in twice in one string", steps: []step{until('G', 1, query(in+"; select 1; copy part(item_id) from stdin")), until('G', 1, copyData("a\t1\n"), copyDone), ready(1, copyData("1\n"), copyDone)}},
		{name: "in and out in one string", steps: []step{until('G', 1, query(in+"; copy (select name from item order by id) to stdout")), ready(1, copyData("a\t1\n"), copyDone)}},
		{name: "in, rows cut anywhere", steps: []step{until('G', 1, query(in)), ready(1, copyData("lo"), copyData("ng na"), copyData("me\t"), copyData("12"), copyData("3\nlast\t1"), copyDone), ready(1, query("select name, price from item order by id"))}},
		{name: "in with Flush and Sync between the rows", steps: []step{until('G', 1, query(in)), ready(1, copyData("a\t1\n"), flushMsg, syncMsg, copyData("b\t2\n"), copyDone), ready(1, query("select name from item order by id"))}},
		{name: "in, large", steps: []step{until('G', 1, query("copy item(name) from stdin")), ready(1, repeated(400, func(i int) []pgproto3.FrontendMessage {
			return []pgproto3.FrontendMessage{copyData(strings.Repeat(fmt.Sprintf("row %d %s\n", i, strings.Repeat("y", 90)), 300))}
		}, copyDone)...), ready(1, query("select count(*), sum(length(name)) from item"))}},
		{name: "in by the extended protocol", steps: []step{until('G', 1, parse("", in), bind("", ""), describePortal(""), execute("", 0), flushMsg), ready(1, copyData("a\t1\n"), copyDone, syncMsg), ready(1, query("select name from item order by id"))}},
		{name: "in by the extended protocol, given up", steps: []step{until('G', 1, parse("", in), bind("", ""), execute("", 0), flushMsg), ready(1, copyData("a\t1\n"), copyFail("no"), parse("", "select 'skipped'"), syncMsg), ready(1, query("select count(*) from item"))}},
		{name: "in by the extended protocol, refused by a row", steps: []step{until('G', 1, parse("", in), bind("", ""), execute("", 0), flushMsg), ready(1, copyData("a\tb\n"), copyDone, syncMsg), ready(1, query("select 1"))}},
		pipelined("out by the extended protocol", 1, parse("", "copy (values (1), (2)) to stdout"), describeStatement(""), bind("", ""), describePortal(""), execute("", 0), parse("", "select 3"), bind("", ""), execute("", 0), syncMsg),
		{name: "copy messages out of place", steps: []step{ready(1, copyData("x"), copyDone, copyFail("x"), query("select 1"))}},
	}
}

// binaryCopy is the binary COPY form of rows with one text column.
func binaryCopy(rows ...string) string {
	b := []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, r := range rows {
		b = binary.BigEndian.AppendUint16(b, 1)
		b = binary.BigEndian.AppendUint32(b, uint32(len(r)))
		b = append(b, r...)
	}
	return string(append(b, 0xff, 0xff))
}

// functionCorpus calls functions by the protocol's own message, which only
// passthrough sessions may send.
func functionCorpus() []script {
	const int4pl, textlen, lowriteOID, loOpen, loCreat = 177, 1257, 955, 952, 957
	call := func(oid uint32, format uint16, args ...[]byte) pgproto3.FrontendMessage {
		m := &pgproto3.FunctionCall{Function: oid, ArgFormatCodes: []uint16{format}, ResultFormatCode: format, Arguments: args}
		return m
	}
	return []script{
		pipelined("function call", 3, call(int4pl, 1, be32(2), be32(40)), call(textlen, 0, []byte("length")), query("select 1")),
		pipelined("function call that fails", 3, call(999999, 1, be32(1)), call(int4pl, 1, be32(2)), query("select 1")),
		pipelined("function call in a transaction", 5, query("begin"), call(int4pl, 1, be32(0x7fffffff), be32(1)), call(int4pl, 1, be32(1), be32(1)), query("rollback"), call(int4pl, 1, be32(1), be32(1))),
	}
}
