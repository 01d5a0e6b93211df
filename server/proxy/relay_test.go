package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// session opens one for a fresh credential of a fresh project, or for a user
// of the upstream.
func (d *deployment) session() (*pgx.Conn, login) {
	d.Helper()
	l := d.credential(d.project("shop"), nil)
	if d.passthrough {
		return d.connect(d.config(l.host, "postgres", postgres.Password, "postgres")), l
	}
	return d.connect(d.as(l)), l
}

// TestRelay runs the whole protocol over an upstream in plain text and over
// one under TLS, and for those who are under a policy and those who are not:
// they are read in different ways.
func TestRelay(t *testing.T) {
	everybody := map[string]func(*testing.T, *deployment){
		"Types in text and binary":                  typesInTextAndBinary,
		"Errors leave the session usable":           errorsLeaveTheSessionUsable,
		"Pipeline":                                  pipeline,
		"Large pipeline in both directions at once": largePipelineInBothDirectionsAtOnce,
		"Parameter status":                          parameterStatus,
		"Large rows and parameters":                 largeRowsAndParameters,
		"Messages in tiny pieces":                   messagesInTinyPieces,
	}
	users := map[string]func(*testing.T, *deployment){
		"Copy in and out":                 copyInAndOut,
		"Listen and notify":               listenAndNotify,
		"Notices":                         notices,
		"Large objects":                   largeObjects,
		"Large objects by function calls": largeObjectsByFunctionCalls,
	}
	credentials := map[string]func(*testing.T, *deployment){
		"Function call is answered in its place": functionCallIsAnsweredInItsPlace,
		"The floor holds under any policy":       theFloorHoldsUnderAnyPolicy,
	}
	for _, mode := range []string{"disable", "verify-full"} {
		run := func(who string, passthrough bool, tests map[string]func(*testing.T, *deployment)) {
			for name, test := range tests {
				t.Run(mode+"/"+who+"/"+name, func(t *testing.T) {
					d := deploy(t)
					d.mode, d.passthrough = mode, passthrough
					test(t, d)
				})
			}
		}
		run("credential", false, everybody)
		run("credential", false, credentials)
		run("user", true, everybody)
		run("user", true, users)
	}
}

// A policy without any rule still has the floor that no policy lifts.
func theFloorHoldsUnderAnyPolicy(t *testing.T, d *deployment) {
	conn, _ := d.session()
	for _, sql := range []string{
		"do $$ begin end $$", "drop table if exists nothing", "truncate pg_temp.nothing", "listen a", "notify a", "copy pg_class to stdout",
		"select pg_read_file('x')", "set role postgres", "delete from pg_class", "prepare transaction 'x'",
	} {
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		wantBlocked(t, err, "")
	}
	scalar[int](t, conn, "select 1")
}

func typesInTextAndBinary(t *testing.T, d *deployment) {
	conn, _ := d.session()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeCacheStatement} {
		var (
			i    int64
			f    float64
			s    string
			b    []byte
			at   time.Time
			list []int32
			null *string
		)
		err := conn.QueryRow(t.Context(), "select $1::int8, 1.5::float8, 'ünï', '\\x00ff'::bytea, '2026-01-02 03:04:05+00'::timestamptz, array[1,2,3], null::text", mode, int64(1)<<40).
			Scan(&i, &f, &s, &b, &at, &list, &null)
		if err != nil || i != 1<<40 || f != 1.5 || s != "ünï" || !bytes.Equal(b, []byte{0, 0xff}) || at.Unix() != 1767323045 || len(list) != 3 || null != nil {
			t.Fatalf("%v: %v %v %q %x %v %v %v: %v", mode, i, f, s, b, at, list, null, err)
		}
	}
}

func errorsLeaveTheSessionUsable(t *testing.T, d *deployment) {
	conn, _ := d.session()
	_, err := conn.Exec(t.Context(), "select 1/0")
	if e := asPgError(t, err); e.Code != "22012" {
		t.Fatalf("got %v", e)
	}
	_, err = conn.Exec(t.Context(), "select * from nothere where a = $1", 1)
	if e := asPgError(t, err); e.Code != "42P01" {
		t.Fatalf("got %v", e)
	}
	scalar[int](t, conn, "select 1")
}

func copyInAndOut(t *testing.T, d *deployment) {
	conn, l := d.session()
	if _, err := conn.Exec(t.Context(), "create temp table c (n int, s text)"); err != nil {
		t.Fatal(err)
	}
	const rows = 50000
	n, err := conn.CopyFrom(t.Context(), pgx.Identifier{"c"}, []string{"n", "s"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
		return []any{i, strings.Repeat("x", i%100)}, nil
	}))
	if err != nil || n != rows {
		t.Fatalf("copied %d in, %v", n, err)
	}
	var out bytes.Buffer
	tag, err := conn.PgConn().CopyTo(t.Context(), &out, "copy c to stdout")
	if err != nil || tag.RowsAffected() != rows || bytes.Count(out.Bytes(), []byte("\n")) != rows {
		t.Fatalf("copied %v out, %v", tag, err)
	}
	_, err = conn.PgConn().CopyFrom(t.Context(), strings.NewReader("1\tok\nbad\tline\n"), "copy c from stdin")
	if e := asPgError(t, err); e.Code != "22P02" {
		t.Fatalf("got %v", e)
	}
	_, err = conn.PgConn().CopyFrom(t.Context(), iotestErr{}, "copy c from stdin")
	if err == nil {
		t.Fatal("a COPY that the client failed succeeded")
	}
	scalar[int](t, conn, "select 1")

	t.Run("psql", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "rows")
		if err := os.WriteFile(file, []byte("1\n2\n3\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		own := login{host: l.host, password: postgres.Password}
		own.PgUsername = "postgres"
		out, err := psql(t, d, own, "sslmode=require", "-At", "-c", "create temp table p (n int)", "-c", `\copy p from '`+file+`'`, "-c", "select sum(n) from p")
		if err != nil || !strings.HasSuffix(strings.TrimSpace(out), "6") {
			t.Fatalf("%v: %s", err, out)
		}
	})
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, errors.New("the client's source failed") }

func pipeline(t *testing.T, d *deployment) {
	conn, _ := d.session()
	p := conn.PgConn().StartPipeline(t.Context())
	for i := range 500 {
		p.SendQueryParams(fmt.Sprintf("select %d", i), nil, nil, nil, nil)
		if i == 250 {
			p.SendQueryParams("select 1/0", nil, nil, nil, nil)
			p.SendQueryParams("select 'skipped'", nil, nil, nil, nil)
			if err := p.Sync(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Sync(); err != nil {
		t.Fatal(err)
	}
	var got []string
	failed := 0
	for {
		res, err := p.GetResults()
		if err != nil {
			failed++
			continue
		}
		switch r := res.(type) {
		case *pgconn.ResultReader:
			for r.NextRow() {
				got = append(got, string(r.Values()[0]))
			}
			if _, err := r.Close(); err != nil {
				failed++
			}
			continue
		case *pgconn.PipelineSync:
			if len(got) < 500 {
				continue
			}
		}
		break
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if len(got) != 500 || failed == 0 {
		t.Fatalf("%d results, %d failures", len(got), failed)
	}
	for i, v := range got {
		if v != fmt.Sprint(i) {
			t.Fatalf("result %d is %s", i, v)
		}
	}
	scalar[int](t, conn, "select 1")
}

func largePipelineInBothDirectionsAtOnce(t *testing.T, d *deployment) {
	// Neither side reads before it has written: only a proxy that pumps both ways gets through.
	conn, _ := d.session()
	raw := hijack(t, conn)
	value := strings.Repeat("v", 64<<10)
	go func() {
		for range 200 {
			if _, err := raw.Write(wire.AppendBody(nil, wire.Query, []byte("select '"+value+"'\x00"))); err != nil {
				return
			}
		}
	}()
	ready := 0
	for ready < 200 {
		typ, _, err := wire.ReadFrame(raw, nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if typ == wire.ReadyForQuery {
			ready++
		}
	}
}

// hijack takes the connection from a driver.
func hijack(t testing.TB, conn *pgx.Conn) io.ReadWriteCloser {
	t.Helper()
	raw := rawOf(conn)
	if _, err := conn.PgConn().Hijack(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(patience))
	return raw
}

func listenAndNotify(t *testing.T, d *deployment) {
	conn, _ := d.session()
	if _, err := conn.Exec(t.Context(), "listen news"); err != nil {
		t.Fatal(err)
	}
	other := direct(t)
	for _, text := range []string{"one", "two"} {
		if _, err := other.Exec(t.Context(), "select pg_notify('news', $1)", text); err != nil {
			t.Fatal(err)
		}
		n, err := conn.WaitForNotification(t.Context()) // while the session is idle
		if err != nil || n.Channel != "news" || n.Payload != text {
			t.Fatalf("got %v, %v", n, err)
		}
	}
}

func notices(t *testing.T, d *deployment) {
	c := d.config(d.project("shop").Subdomain+"."+testDomain, "postgres", postgres.Password, "postgres")
	var notices []string
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
	if _, err := d.connect(c).Exec(t.Context(), "do $$ begin raise notice 'hello'; end $$"); err != nil {
		t.Fatal(err)
	}
	if len(notices) != 1 || notices[0] != "hello" {
		t.Fatalf("notices: %q", notices)
	}
}

func parameterStatus(t *testing.T, d *deployment) {
	conn, _ := d.session()
	if _, err := conn.Exec(t.Context(), "set application_name = 'renamed'"); err != nil {
		t.Fatal(err)
	}
	if got := conn.PgConn().ParameterStatus("application_name"); got != "renamed" {
		t.Fatalf("application_name is %q", got)
	}
	for _, name := range []string{"server_version", "client_encoding", "standard_conforming_strings", "integer_datetimes"} {
		if conn.PgConn().ParameterStatus(name) == "" {
			t.Errorf("%s was not told", name)
		}
	}
}

func largeObjects(t *testing.T, d *deployment) {
	conn, _ := d.session()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	lo := tx.LargeObjects()
	oid, err := lo.Create(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	obj, err := lo.Open(t.Context(), oid, pgx.LargeObjectModeWrite|pgx.LargeObjectModeRead)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("large object "), 100000)
	if _, err := obj.Write(data); err != nil {
		t.Fatal(err)
	}
	if _, err := obj.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if back, err := io.ReadAll(obj); err != nil || !bytes.Equal(back, data) {
		t.Fatalf("%d bytes back, %v", len(back), err)
	}
}

func largeObjectsByFunctionCalls(t *testing.T, d *deployment) {
	l := d.credential(d.project("shop"), nil)
	own := login{host: l.host, password: postgres.Password}
	own.PgUsername = "postgres"
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	data := bytes.Repeat([]byte("large object "), 20000)
	if err := os.WriteFile(in, data, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := psql(t, d, own, "sslmode=require", "-c", `\lo_import '`+in+`'`, "-c", `\lo_export :LASTOID '`+out+`'`)
	if back, _ := os.ReadFile(out); err != nil || !bytes.Equal(back, data) {
		t.Fatalf("%d bytes back, %v: %s", len(back), err, said)
	}
}

func largeRowsAndParameters(t *testing.T, d *deployment) {
	conn, _ := d.session()
	const size = 50 << 20
	big := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	var back []byte
	if err := conn.QueryRow(t.Context(), "select $1::bytea", big).Scan(&back); err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(back) != sha256.Sum256(big) {
		t.Fatalf("%d bytes came back, different", len(back))
	}
}

func functionCallIsAnsweredInItsPlace(t *testing.T, d *deployment) {
	conn, l := d.session()
	raw := hijack(t, conn)
	call := binary.BigEndian.AppendUint32(nil, 1598) // random()
	call = append(call, 0, 0, 0, 0, 0, 0)
	message := wire.AppendBody(nil, wire.Query, []byte("select pg_sleep(0.1)\x00"))
	message = wire.AppendBody(message, wire.FunctionCall, call)
	message = wire.AppendBody(message, wire.Query, []byte("begin\x00"))
	message = wire.AppendBody(message, wire.FunctionCall, call)
	message = wire.AppendBody(message, wire.Query, []byte("select 2\x00"))
	send(t, raw, message)
	var got strings.Builder
	for ready := 0; ready < 5; {
		typ, body, err := wire.ReadFrame(raw, nil, 1<<20)
		if err != nil {
			t.Fatalf("after %q: %v", got.String(), err)
		}
		got.WriteByte(typ)
		switch typ {
		case wire.ReadyForQuery:
			ready++
			got.WriteByte(body[0])
		case wire.ErrorResponse:
			if r := wire.ParseReport(body); r.Code != "0A000" && (r.Code != "25P02" || ready != 4) || r.Severity != "ERROR" {
				t.Fatalf("got %+v", r)
			}
		}
	}
	if got.String() != "TDCZIEZICZTEZEEZE" { // like any error it ends what the transaction can do
		t.Fatalf("the answers came as %s", got.String())
	}

	own := hijack(t, d.connect(d.config(l.host, "postgres", postgres.Password, "postgres")))
	send(t, own, wire.AppendBody(nil, wire.FunctionCall, append(call[:len(call)-2:len(call)-2], 0, 1)))
	if typ, _, err := wire.ReadFrame(own, nil, 1<<20); err != nil || typ != 'V' {
		t.Fatalf("a user of the upstream got %q, %v; want the function's result", typ, err)
	}
}

func TestBrokenFramesEndTheSession(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	for name, frame := range map[string][]byte{
		"length three":        {wire.Query, 0, 0, 0, 3},
		"length negative":     {wire.Query, 0xff, 0xff, 0xff, 0xff},
		"length over 1 GiB":   {wire.Query, 0x40, 0, 0, 1},
		"unknown type":        {'!', 0, 0, 0, 4},
		"password afterwards": {wire.Password, 0, 0, 0, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := *d
			d.TB = t
			raw := hijack(t, d.connect(d.as(l)))
			send(t, raw, frame)
			if got := report(t, raw); got.Severity != "FATAL" || got.Code != "08P01" {
				t.Fatalf("got %+v", got)
			}
			wantClosed(t, raw)
		})
	}
}

func messagesInTinyPieces(t *testing.T, d *deployment) {
	conn, _ := d.session()
	raw := hijack(t, conn)
	message := wire.AppendBody(nil, wire.Query, []byte("select 'piecemeal'\x00"))
	for i := range message {
		send(t, raw, message[i:i+1])
	}
	var types strings.Builder
	for !strings.HasSuffix(types.String(), "Z") {
		typ, _, err := wire.ReadFrame(raw, nil, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		types.WriteByte(typ)
	}
	if types.String() != "TDCZ" {
		t.Fatalf("got %s", types.String())
	}
}

func TestIdleSessionHoldsNoBuffer(t *testing.T) {
	var scan wire.Scanner
	var b buffer
	r, w := io.Pipe()
	go func() { w.Write([]byte{'Z', 0, 0, 0, 5, 'I'}) }()
	if err := b.fill(r, &scan); err != nil || b.n != 6 && b.n != 5 {
		t.Fatalf("%d bytes, %v", b.n, err)
	}
	b.consume(b.n)
	filled := make(chan struct{})
	go func() { _ = b.fill(r, &scan); close(filled) }()
	w.Close()
	<-filled
	if b.big != nil {
		t.Fatal("a buffer is held while waiting")
	}
}
