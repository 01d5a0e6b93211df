package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// everyTarget runs a driver test against PostgreSQL itself, which shows that
// the test is right, and through the proxy, which is what it is about.
func everyTarget(t *testing.T, test func(t *testing.T, at target)) {
	for _, at := range everywhere {
		t.Run(at.name, func(t *testing.T) { reset(t); test(t, at) })
	}
}

// everyUser is everyTarget without the issued credential: for what no policy
// permits, as COPY.
func everyUser(t *testing.T, test func(t *testing.T, at target)) {
	for _, at := range []target{direct, passthrough} {
		t.Run(at.name, func(t *testing.T) { reset(t); test(t, at) })
	}
}

func connect(t *testing.T, at target, modes ...pgx.QueryExecMode) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(at.url)
	if err != nil {
		t.Fatal(err)
	}
	if len(modes) > 0 {
		config.DefaultQueryExecMode = modes[0]
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("connect %s: %v", at.name, err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestPgxRoundTripsTypesInEveryMode(t *testing.T) {
	type row struct {
		B      bool
		I      int64
		F      float64
		N      string
		T      string
		Bytes  []byte
		At     time.Time
		Day    time.Time
		Array  []int32
		Texts  []string
		JSON   string
		UUID   string
		Absent *string
	}
	want := row{true, -9223372036854775808, 1.0 / 3, "12345678901234567890.000000001", "täxt 🍵 '\\", []byte{0, 1, 255}, time.Date(2026, 11, 22, 3, 4, 5, 678901000, time.UTC), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
		[]int32{1, -2, 3}, []string{"a", "", "c,\"d"}, `{"k": [1, null]}`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", nil}
	modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	everyTarget(t, func(t *testing.T, at target) {
		for _, mode := range modes {
			t.Run(mode.String(), func(t *testing.T) {
				conn := connect(t, at, mode)
				for range 2 { // the second run uses what the first prepared
					var got row
					err := conn.QueryRow(t.Context(), `select $1::bool, $2::int8, $3::float8, $4::numeric::text, $5::text, $6::bytea, $7::timestamptz, $8::date, $9::int4[], $10::text[], $11::jsonb::text, $12::uuid::text, $13::text`,
						want.B, want.I, want.F, want.N, want.T, want.Bytes, want.At, want.Day, want.Array, want.Texts, want.JSON, want.UUID, want.Absent).
						Scan(&got.B, &got.I, &got.F, &got.N, &got.T, &got.Bytes, &got.At, &got.Day, &got.Array, &got.Texts, &got.JSON, &got.UUID, &got.Absent)
					if err != nil {
						t.Fatal(err)
					}
					got.At = got.At.UTC()
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("round trip (-sent +received):\n%s", d)
					}
				}
			})
		}
	})
}

func TestPgxCopiesBothWays(t *testing.T) {
	everyUser(t, func(t *testing.T, at target) {
		conn := connect(t, at)
		const rows = 20000
		n, err := conn.CopyFrom(t.Context(), pgx.Identifier{"item"}, []string{"name", "price"}, pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return []any{fmt.Sprintf("n%d", i), i}, nil }))
		if err != nil || n != rows {
			t.Fatalf("CopyFrom gave %d, %v", n, err)
		}
		var out strings.Builder
		tag, err := conn.PgConn().CopyTo(t.Context(), &out, "copy (select name from item where price >= 0 order by price, id) to stdout")
		if err != nil || tag.RowsAffected() != rows+2 || strings.Count(out.String(), "\n") != rows+2 {
			t.Fatalf("CopyTo gave %s, %d lines, %v", tag, strings.Count(out.String(), "\n"), err)
		}
		// A source that fails must leave neither rows nor a broken session.
		failure := errors.New("source dried up")
		_, err = conn.CopyFrom(t.Context(), pgx.Identifier{"item"}, []string{"name"}, pgx.CopyFromFunc(func() ([]any, error) { return nil, failure }))
		if !errors.Is(err, failure) && (err == nil || !strings.Contains(err.Error(), failure.Error())) {
			t.Fatalf("CopyFrom of a failing source gave %v", err)
		}
		var count int
		if err := conn.QueryRow(t.Context(), "select count(*) from item").Scan(&count); err != nil || count != rows+3 {
			t.Fatalf("%d rows after the failed copy, %v", count, err)
		}
	})
}

func TestPgxBatchesAndPipelines(t *testing.T) {
	everyTarget(t, func(t *testing.T, at target) {
		conn := connect(t, at)
		var b pgx.Batch
		for i := range 50 {
			b.Queue("insert into item(name, price) values ($1, $2) returning price", fmt.Sprint("b", i), i)
		}
		results := conn.SendBatch(t.Context(), &b)
		for i := range 50 {
			var got int
			if err := results.QueryRow().Scan(&got); err != nil || got != i {
				t.Fatalf("statement %d of the batch gave %d, %v", i, got, err)
			}
		}
		if err := results.Close(); err != nil {
			t.Fatal(err)
		}
		// An error in a batch undoes the whole batch and nothing else.
		var bad pgx.Batch
		bad.Queue("insert into item(name) values ('undone')")
		bad.Queue("select 1 / $1::int", 0)
		bad.Queue("insert into item(name) values ('never')")
		err := conn.SendBatch(t.Context(), &bad).Close()
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "22012" {
			t.Fatalf("bad batch gave %v", err)
		}
		var left int
		if err := conn.QueryRow(t.Context(), "select count(*) from item where name in ('undone', 'never')").Scan(&left); err != nil || left != 0 {
			t.Fatalf("%d rows of the bad batch are left, %v", left, err)
		}
		p := conn.PgConn().StartPipeline(t.Context())
		for i := range 200 {
			p.SendQueryParams("select $1::int", [][]byte{[]byte(fmt.Sprint(i))}, nil, nil, nil)
			if err := p.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 200 {
			r, err := p.GetResults()
			if err != nil {
				t.Fatal(err)
			}
			read := r.(*pgconn.ResultReader).Read()
			if read.Err != nil || string(read.Rows[0][0]) != fmt.Sprint(i) {
				t.Fatalf("statement %d of the pipeline gave %v, %v", i, read.Rows, read.Err)
			}
			if s, err := p.GetResults(); err != nil {
				t.Fatalf("sync %d: %T, %v", i, s, err)
			}
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// asleep runs a statement that ends only when it is cancelled, and returns
// when PostgreSQL runs it.
func asleep(ctx context.Context, t *testing.T, conn *pgx.Conn) (ended chan error) {
	t.Helper()
	var pid int
	if err := conn.QueryRow(t.Context(), "select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	ended = make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, "select pg_sleep(600)")
		ended <- err
	}()
	harness.Eventually(t, replyTimeout, "the statement runs", func() bool {
		var running bool
		err := admin.QueryRow(t.Context(), "select exists (select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep')", pid).Scan(&running)
		return err == nil && running
	})
	return ended
}

// wasCancelled checks the end of a statement.
func wasCancelled(t *testing.T, err error) {
	t.Helper()
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "57014" {
		t.Fatalf("the cancelled statement gave %v", err)
	}
}

func TestPgxCancelsByContext(t *testing.T) {
	everyTarget(t, func(t *testing.T, at target) {
		config, err := pgx.ParseConfig(at.url)
		if err != nil {
			t.Fatal(err)
		}
		config.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: replyTimeout}
		}
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		bystander := connect(t, at)
		other := asleep(t.Context(), t, bystander)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := asleep(ctx, t, conn)
		cancel()
		wasCancelled(t, <-ended)
		// The session goes on, and the late cancel request hits no later statement.
		for range 20 {
			if _, err := conn.Exec(t.Context(), "select pg_sleep(0.01)"); err != nil {
				t.Fatalf("statement after the cancelled one: %v", err)
			}
		}
		select {
		case err := <-other:
			t.Fatalf("another session's statement was hit: %v", err)
		default:
		}
		if err := bystander.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		wasCancelled(t, <-other)
	})
}

func TestACancelRequestReachesOnlyItsOwnSession(t *testing.T) {
	everyTarget(t, func(t *testing.T, at target) {
		conn, other := connect(t, at), connect(t, at)
		ended := asleep(t.Context(), t, conn)
		if err := other.PgConn().CancelRequest(t.Context()); err != nil { // of a session that runs nothing
			t.Fatal(err)
		}
		// The right process with a wrong key, in plain text as libpq sends it.
		key := append([]byte(nil), conn.PgConn().SecretKey()...)
		key[0] ^= 1
		raw, err := net.Dial("tcp", net.JoinHostPort(conn.Config().Host, strconv.Itoa(int(conn.Config().Port))))
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		request, err := (&pgproto3.CancelRequest{ProcessID: conn.PgConn().PID(), SecretKey: key}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Write(request); err != nil {
			t.Fatal(err)
		}
		if answer, _ := io.ReadAll(raw); len(answer) > 0 {
			t.Errorf("a cancel request was answered with %q", answer)
		}
		select {
		case err := <-ended:
			t.Fatalf("a cancel request that was not its own ended a statement: %v", err)
		default:
		}
		if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		wasCancelled(t, <-ended)
	})
}

func TestPgxListens(t *testing.T) {
	everyUser(t, func(t *testing.T, at target) {
		listener, speaker := connect(t, at), connect(t, at)
		if _, err := listener.Exec(t.Context(), "listen pgx_channel"); err != nil {
			t.Fatal(err)
		}
		for i := range 3 { // the listener is idle when each comes
			if _, err := speaker.Exec(t.Context(), "select pg_notify('pgx_channel', $1)", fmt.Sprint("payload ", i)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), replyTimeout)
			n, err := listener.WaitForNotification(ctx)
			cancel()
			if err != nil || n.Channel != "pgx_channel" || n.Payload != fmt.Sprint("payload ", i) {
				t.Fatalf("notification %d: %+v, %v", i, n, err)
			}
		}
	})
}

func TestPgxPreparesReadsCursorsAndLargeObjects(t *testing.T) {
	everyTarget(t, func(t *testing.T, at target) {
		conn := connect(t, at)
		ctx := t.Context()
		if _, err := conn.Prepare(ctx, "by_name", "select id from item where name = $1"); err != nil {
			t.Fatal(err)
		}
		var id int
		if err := conn.QueryRow(ctx, "by_name", "two").Scan(&id); err != nil || id != 2 {
			t.Fatalf("prepared statement gave %d, %v", id, err)
		}
		if err := conn.Deallocate(ctx, "by_name"); err != nil {
			t.Fatal(err)
		}
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "declare c cursor for select i from generate_series(1, 1000) i"); err != nil {
				return err
			}
			total := 0
			for {
				rows, _ := tx.Query(ctx, "fetch 300 from c")
				page, err := pgx.CollectRows(rows, pgx.RowTo[int])
				if err != nil {
					return err
				}
				if len(page) == 0 {
					break
				}
				total += len(page)
			}
			if total != 1000 {
				return fmt.Errorf("cursor gave %d rows", total)
			}
			if at == issued {
				return nil // no policy permits large objects
			}
			objects := tx.LargeObjects()
			oid, err := objects.Create(ctx, 0)
			if err != nil {
				return err
			}
			o, err := objects.Open(ctx, oid, pgx.LargeObjectModeWrite|pgx.LargeObjectModeRead)
			if err != nil {
				return err
			}
			data := strings.Repeat("large object ", 100_000)
			if _, err := o.Write([]byte(data)); err != nil {
				return err
			}
			if n, err := o.Seek(0, 2); err != nil || n != int64(len(data)) {
				return fmt.Errorf("large object has %d bytes, %w", n, err)
			}
			return objects.Unlink(ctx, oid)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// What one client leaves in its session must not be there for the next.
func TestASessionStartsClean(t *testing.T) {
	everyTarget(t, func(t *testing.T, at target) {
		config, err := pgx.ParseConfig(at.url)
		if err != nil {
			t.Fatal(err)
		}
		kept, dirty := `(select count(*) from pg_prepared_statements where from_sql)`, `set search_path = pg_catalog; set role oracle_reader; set application_name = 'dirty'; reset role; create temp table left_over(a int);
				prepare left_over as select 1; select pg_advisory_lock(4711); listen left_over; set role oracle_reader`
		wantPath := `"$user", public`
		if at == issued { // the rest is refused, and the path is fixed
			kept, dirty, wantPath = `0`, `set application_name = 'dirty'; create temp table left_over(a int)`, `public`
		}
		for range 5 {
			conn, err := pgx.ConnectConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			var path, role, zone string
			var tables, prepared, locks, channels int
			err = conn.QueryRow(t.Context(), `select current_setting('search_path'), current_user, current_setting('application_name'),
				(select count(*) from pg_class where relpersistence = 't' and pg_table_is_visible(oid)), `+kept+`,
				(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), (select count(*) from pg_listening_channels())`).
				Scan(&path, &role, &zone, &tables, &prepared, &locks, &channels)
			if err != nil {
				t.Fatal(err)
			}
			if path != wantPath || role != "app" || zone != "" || tables+prepared+locks+channels != 0 {
				t.Errorf("a new session has search_path %s, role %s, application_name %q, %d temporary tables, %d prepared statements, %d locks, %d channels", path, role, zone, tables, prepared, locks, channels)
			}
			_, err = conn.Exec(t.Context(), dirty, pgx.QueryExecModeSimpleProtocol)
			if err != nil {
				t.Fatal(err)
			}
			// Some leave politely, some do not.
			raw, err := conn.PgConn().Hijack()
			if err != nil {
				t.Fatal(err)
			}
			raw.Conn.Close()
		}
	})
}

func TestManyClientsAtOnce(t *testing.T) {
	everyTarget(t, func(t *testing.T, at target) {
		const clients = 40
		failures := make(chan error, clients)
		for i := range clients {
			go func() {
				failures <- func() error {
					conn, err := pgx.Connect(t.Context(), at.url)
					if err != nil {
						return err
					}
					defer conn.Close(context.Background())
					for j := range 25 {
						var a, b int
						if err := conn.QueryRow(t.Context(), "select $1::int, $2::int", i, j).Scan(&a, &b); err != nil || a != i || b != j {
							return fmt.Errorf("client %d asked for %d, %d and got %d, %d, %w", i, i, j, a, b, err)
						}
					}
					return nil
				}()
			}()
		}
		for range clients {
			if err := <-failures; err != nil {
				t.Error(err)
			}
		}
	})
}
