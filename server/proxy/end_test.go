package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// endings are the changes that end a session, and what it is told.
func endings() []ending {
	rotate := func(c *store.Credential) {
		c.Verifier, _ = secret.NewVerifier(secret.NewPassword())
		c.Generation++
	}
	return []ending{
		{"revoke", "credential revoked", func(d *deployment, l login) {
			d.change(l, func(c *store.Credential) { c.Status = "revoked" })
		}},
		{"delete", "credential revoked", func(d *deployment, l login) {
			d.update(func(tx store.Tx) error { return tx.Credentials().Delete(l.ProjectID, l.ID) })
		}},
		{"disable", "credential disabled", func(d *deployment, l login) {
			d.change(l, func(c *store.Credential) { c.Status = "disabled" })
		}},
		{"rotate", "credential rotated", func(d *deployment, l login) { d.change(l, rotate) }},
		{"kill-switch", "agents are disabled for this project", func(d *deployment, l login) {
			d.changeProject(store.Project{ID: l.ProjectID}, func(p *store.Project) { p.AgentsDisabled = true })
		}},
		{"spend limit", "spend limit reached", func(d *deployment, l login) {
			d.update(func(tx store.Tx) error {
				o, err := tx.Organizations().Get("", "org_1")
				if err != nil {
					return err
				}
				at := time.Now().UTC().Truncate(time.Microsecond)
				o.SpendCappedAt = &at
				return tx.Organizations().Update(o)
			})
		}},
		{"suspend", "project suspended", func(d *deployment, l login) {
			d.changeProject(store.Project{ID: l.ProjectID}, func(p *store.Project) { p.Status = "suspended" })
		}},
		{"delete project", "project deleted", func(d *deployment, l login) {
			d.changeProject(store.Project{ID: l.ProjectID}, func(p *store.Project) { p.Status = "deleted" })
		}},
		{"expiry", "credential expired at ", func(d *deployment, l login) {
			at := time.Now().Add(150 * time.Millisecond).UTC()
			d.change(l, func(c *store.Credential) { c.ExpiresAt = &at })
		}},
		{"policy", "policy ", func(d *deployment, l login) {
			d.update(func(tx store.Tx) error {
				p, err := tx.Policies().Get(l.ProjectID, l.PolicyID)
				if err != nil {
					return err
				}
				p.Rules.ApprovalMode = "all"
				return tx.Policies().Update(p)
			})
		}},
	}
}

type ending struct {
	name, message string
	apply         func(d *deployment, l login)
}

func (e ending) check(t *testing.T, got wire.Report) {
	t.Helper()
	code := "28000"
	if e.name == "policy" {
		code = "0A000"
	}
	if got.Severity != "FATAL" || got.Code != code || !strings.HasPrefix(got.Message, e.message) {
		t.Fatalf("got %+v, want FATAL %s %q", got, code, e.message)
	}
}

func TestIdleSessionEndsWithinASecond(t *testing.T) {
	for _, e := range endings() {
		t.Run(e.name, func(t *testing.T) {
			// A busy machine may make one session late, a broken proxy all of them.
			took := idleSessionEnds(t, e)
			for again := 0; took > time.Second && again < 5; again++ {
				t.Logf("it took %v", took)
				took = idleSessionEnds(t, e)
			}
			if took > time.Second {
				t.Fatalf("it took %v", took)
			}
		})
	}
}

// A clock that jumps makes the end of a credential late by a minute at most.
func TestEndOfACredentialIsLookedAtEachMinute(t *testing.T) {
	now := time.Now()
	for ends, want := range map[time.Duration]time.Duration{
		-time.Hour: -time.Hour, 0: 0, time.Second: time.Second, time.Minute: time.Minute, 30 * 24 * time.Hour: time.Minute,
	} {
		if got := untilRecheck(now.Add(ends), now); got != want {
			t.Errorf("%v before the end: %v, want %v", ends, got, want)
		}
	}
}

func idleSessionEnds(t *testing.T, e ending) (took time.Duration) {
	t.Helper()
	d := deploy(t)
	conn, l := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	raw := hijack(t, conn)
	own := d.connect(d.config(l.host, "postgres", postgres.Password, "postgres"))
	changed := time.Now()
	e.apply(d, l)
	e.check(t, report(t, raw))
	wantClosed(t, raw)
	took = time.Since(changed)
	wantNoBackend(t, pid)
	switch e.name {
	case "suspend", "delete project": // these end everybody
	default:
		scalar[int](t, own, "select 1")
	}
	return took
}

func TestNextStatementIsRefused(t *testing.T) {
	for _, e := range endings() {
		if e.name == "expiry" {
			continue // its time comes by itself, see above
		}
		t.Run(e.name, func(t *testing.T) {
			d := deploy(t)
			conn, l := d.session()
			e.apply(d, l)
			_, err := conn.Exec(t.Context(), "create table must_not_be (n int)")
			var pg *pgconn.PgError
			if errors.As(err, &pg) {
				e.check(t, wire.Report{Severity: pg.Severity, Code: pg.Code, Message: pg.Message})
			} else if err == nil {
				t.Fatal("the statement ran")
			}
			if scalar[bool](t, direct(t), "select to_regclass('must_not_be') is not null") {
				t.Fatal("the statement had its effect")
			}
		})
	}
}

func TestRunningStatementEndsWithItsCredential(t *testing.T) {
	d := deploy(t)
	conn, l := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select pg_sleep(600)")
		failed <- err
	}()
	waitActive(t, pid)
	d.change(l, func(c *store.Credential) { c.Status = "disabled" })
	wantError(t, asPgError(t, <-failed), "FATAL", "28000", "credential disabled")
	wantNoBackend(t, pid)
}

// waitActive waits until a backend runs a statement.
func waitActive(t testing.TB, pid int) {
	t.Helper()
	d := direct(t)
	eventually(t, "the statement runs", func() bool {
		return scalar[bool](t, d, "select exists (select from pg_stat_activity where pid = $1 and state = 'active' and query like '%pg_sleep%')", pid)
	})
}

// wantNoBackend waits until a backend is gone.
func wantNoBackend(t testing.TB, pid int) {
	t.Helper()
	d := direct(t)
	eventually(t, "the upstream session is gone", func() bool {
		return scalar[bool](t, d, "select not exists (select from pg_stat_activity where pid = $1)", pid)
	})
}

func TestDrainEndsIdleSessionsAndLetsTransactionsFinish(t *testing.T) {
	d := deploy(t)
	idle, l := d.session()
	busy := d.connect(d.as(l))
	tx, err := busy.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rawIdle := hijack(t, idle)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- d.server.Shutdown(ctx) }()
	if got := report(t, rawIdle); got.Code != "57P01" {
		t.Fatalf("got %+v", got)
	}
	wantClosed(t, rawIdle)
	if _, err := pgx.ConnectConfig(t.Context(), d.as(l)); err == nil {
		t.Fatal("a new client was let in")
	}
	var n int
	if err := tx.QueryRow(t.Context(), "select 41 + 1").Scan(&n); err != nil || n != 42 {
		t.Fatalf("in the open transaction: %d, %v", n, err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatalf("commit: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if err := busy.Ping(t.Context()); err == nil {
		t.Fatal("the session outlived the drain")
	}
}

func TestDrainCutsShortWhatDoesNotFinish(t *testing.T) {
	d := deploy(t)
	conn, _ := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select pg_sleep(600)")
		failed <- err
	}()
	waitActive(t, pid)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := d.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Shutdown returned %v", err)
	}
	if e := asPgError(t, <-failed); e.Code != "57P01" {
		t.Fatalf("got %v", e)
	}
	wantNoBackend(t, pid)
}

func TestUpstreamThatIsKilledIsReported(t *testing.T) {
	d := deploy(t)
	conn, _ := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select pg_sleep(600)")
		failed <- err
	}()
	waitActive(t, pid)
	scalar[bool](t, direct(t), "select pg_terminate_backend($1)", pid)
	// The upstream says why itself, and its word is passed on.
	wantError(t, asPgError(t, <-failed), "FATAL", "57P01", "terminating connection due to administrator command")
}

func TestUpstreamThatVanishesIsReported(t *testing.T) {
	link := newLink(t, net.JoinHostPort(postgres.Host, itoa(postgres.Port)))
	d := deploy(t)
	p := d.project("shop", func(_ *store.Project, db *store.Database) { db.Port = link.port })
	conn := d.connect(d.as(d.credential(p, nil)))
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select pg_sleep(600)")
		failed <- err
	}()
	waitActive(t, pid)
	link.cut()
	e := asPgError(t, <-failed)
	if e.Severity != "FATAL" || e.Code != "08006" || !strings.HasPrefix(e.Message, "upstream connection lost: ") {
		t.Fatalf("got %v", e)
	}
	scalar[bool](t, direct(t), "select pg_terminate_backend($1)", pid)
}

func TestStatementOfAClientThatWasKilledIsCancelled(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	bin, err := exec.LookPath("psql")
	if err != nil {
		t.Fatal("psql is missing: install the PostgreSQL client")
	}
	host, port, _ := net.SplitHostPort(d.addr)
	cmd := exec.Command(bin, "-X", "-w", "-At", "host="+l.host+" hostaddr="+host+" port="+port+" user="+l.PgUsername+" dbname=postgres sslmode=require")
	cmd.Env = append(cmd.Environ(), "PGPASSWORD="+l.password)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	send(t, in, []byte("select pg_backend_pid();\nselect pg_sleep(600);\n"))
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid := atoi(t, strings.TrimSpace(line))
	waitActive(t, pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	wantNoBackend(t, pid)
}

// TestStatementOfAClientThatVanishesAtOnceIsCancelled is about the moment
// between a statement's way upstream and its start, when PostgreSQL ignores a
// cancel request.
func TestStatementOfAClientThatVanishesAtOnceIsCancelled(t *testing.T) {
	d := deploy(t)
	c := d.as(d.credential(d.project("shop"), nil))
	c.RuntimeParams["application_name"] = "vanishing"
	for range 20 {
		conn := d.connect(c)
		tcp := conn.PgConn().Conn().(interface{ NetConn() net.Conn }).NetConn()
		send(t, conn.PgConn().Conn(), wire.AppendBody(nil, wire.Query, []byte("select pg_sleep(600)\x00")))
		tcp.Close()
	}
	obs := direct(t)
	eventually(t, "nothing runs", func() bool {
		return scalar[int](t, obs, "select count(*) from pg_stat_activity where application_name = 'vanishing'") == 0
	})
}

// imposter listens in an upstream's place: it lets everybody in, and answers
// the first frame of each with what answer does.
func imposter(t *testing.T, answer func(net.Conn)) func(*store.Project, *store.Database) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer conn.Close()
				if code, _, err := wire.ReadStartup(conn); err != nil || code != wire.Version30 {
					return
				}
				hello := wire.AppendBackendKeyData(wire.AppendAuthenticationOk(nil), wire.CancelKey{PID: 1, Secret: 1})
				_, _ = conn.Write(wire.AppendReadyForQuery(hello, 'I'))
				if _, _, err := wire.ReadFrame(conn, nil, 1000); err == nil {
					answer(conn)
				}
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		conns.Wait()
	})
	return func(_ *store.Project, db *store.Database) {
		db.Host, db.Port = "127.0.0.1", ln.Addr().(*net.TCPAddr).Port
	}
}

func TestUpstreamThatBreaksTheProtocol(t *testing.T) {
	row := wire.AppendBody(nil, wire.DataRow, []byte("\x00\x01\x00\x00\x00\x05abcde"))
	broken := []byte{'D', 0xff, 0xff, 0xff, 0xff}
	for name, c := range map[string]struct {
		first, then []byte
		passes      int // bytes of first that the client gets before the upstream goes on
		want        string
	}{
		"a length":                       {first: broken, want: "E"},
		"a length behind a row":          {first: slices.Concat(row, broken), want: "DE"},
		"a length behind half of a row":  {first: row[:8], passes: 8, then: slices.Concat(row[8:], broken), want: "DE"},
		"a ready for query of kilobytes": {first: wire.AppendBody(nil, wire.ReadyForQuery, make([]byte, 2*bufferSize)), want: "E"},
		"a ready for query of nothing":   {first: wire.AppendBody(nil, wire.ReadyForQuery, nil), want: "E"},
	} {
		t.Run(name, func(t *testing.T) {
			passed := make(chan struct{})
			d := deploy(t)
			p := d.project("shop", imposter(t, func(conn net.Conn) {
				_, _ = conn.Write(c.first)
				<-passed
				_, _ = conn.Write(c.then)
			}))
			raw := hijack(t, d.connect(d.config(p.Subdomain+"."+testDomain, "postgres", "any", "postgres")))
			send(t, raw, wire.AppendQuery(nil, "select 1"))
			got := make([]byte, c.passes)
			_, err := io.ReadFull(raw, got)
			close(passed)
			if err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(raw)
			if err != nil {
				t.Fatal(err)
			}
			var types strings.Builder
			var last wire.Report
			for stream := bytes.NewReader(append(got, rest...)); stream.Len() > 0; {
				typ, body, err := wire.ReadFrame(stream, nil, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				types.WriteByte(typ)
				last = wire.ParseReport(body)
			}
			if types.String() != c.want || last.Severity != "FATAL" || last.Code != "08006" || !strings.HasPrefix(last.Message, "upstream broke the protocol: ") {
				t.Fatalf("got %s, %v", types.String(), last)
			}
		})
	}
}

func TestClientThatDoesNotReadIsHeldBack(t *testing.T) {
	d := deploy(t)
	conn, l := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	raw := hijack(t, conn)
	send(t, raw, wire.AppendBody(nil, wire.Query, []byte("select repeat('x', 1000000) from generate_series(1, 500)\x00")))
	// The upstream must stop producing: all that has not been read is in socket buffers.
	obs := direct(t)
	eventually(t, "the upstream waits for the client", func() bool {
		return scalar[bool](t, obs, "select coalesce((select wait_event = 'ClientWrite' from pg_stat_activity where pid = $1), false)", pid)
	})
	// And such a client does not keep its session.
	d.change(l, func(c *store.Credential) { c.Status = "disabled" })
	wantNoBackend(t, pid)
}

func TestHalfClosedClientStillGetsItsAnswer(t *testing.T) {
	d := deploy(t)
	conn, _ := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	raw := hijack(t, conn)
	send(t, raw, wire.AppendBody(nil, wire.Query, []byte("select pg_sleep(0.3)\x00")))
	if err := raw.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var types strings.Builder
	for {
		typ, _, err := wire.ReadFrame(raw, nil, 1<<20)
		if err != nil {
			break
		}
		types.WriteByte(typ)
	}
	if types.String() != "TDCZ" {
		t.Fatalf("got %s", types.String())
	}
	wantNoBackend(t, pid)
}

func TestTerminateLetsTheStatementFinish(t *testing.T) {
	// As with PostgreSQL itself: what was asked before Terminate is done.
	obs := direct(t)
	if _, err := obs.Exec(t.Context(), "drop table if exists farewell"); err != nil {
		t.Fatal(err)
	}
	conn, _ := deploy(t).session()
	raw := hijack(t, conn)
	message := wire.AppendBody(nil, wire.Query, []byte("create table farewell as select 1 as one from pg_sleep(0.2)\x00"))
	send(t, raw, wire.AppendTerminate(message))
	raw.Close()
	eventually(t, "the last statement is done", func() bool {
		return scalar[bool](t, obs, "select to_regclass('farewell') is not null")
	})
}

// What a client asked for before it said Terminate does not outlive its right
// to ask.
func TestStatementBeforeTerminateEndsWithItsCredential(t *testing.T) {
	d := deploy(t)
	conn, l := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	raw := hijack(t, conn)
	send(t, raw, wire.AppendTerminate(wire.AppendQuery(nil, "select pg_sleep(600)")))
	waitActive(t, pid)
	d.change(l, func(c *store.Credential) { c.Status = "disabled" })
	wantNoBackend(t, pid)
}

// An upstream that lets clients in and then says nothing does not keep the
// proxy from stopping.
func TestShutdownDoesNotWaitForLogins(t *testing.T) {
	d := deploy(t, func(c *Config) { c.LoginTimeout = time.Hour })
	asked := make(chan struct{})
	p := d.project("shop", imposter(t, func(conn net.Conn) {
		close(asked)
		_, _ = io.Copy(io.Discard, conn)
	}))
	l := d.credential(p, nil) // under a policy: its session is set up first
	connecting := make(chan error, 1)
	go func() {
		_, err := pgx.ConnectConfig(context.Background(), d.as(l))
		connecting <- err
	}()
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = d.server.Shutdown(ctx)
	if err := <-connecting; err == nil {
		t.Fatal("the client was let in")
	}
}

func TestStoreOutageKeepsSessionsAndRefusesLogins(t *testing.T) {
	var out outage
	d := deploy(t, func(c *Config) {
		out.Store = c.Store
		c.Store = &out
	})
	conn, l := d.session()
	out.down.Store(true)
	scalar[int](t, conn, "select 1")
	if e := d.refused(d.as(l)); e.Code != "57P03" {
		t.Fatalf("got %s %q", e.Code, e.Message)
	}
	d.change(l, func(c *store.Credential) { c.Status = "disabled" }) // by another process
	scalar[int](t, conn, "select 1")
	out.down.Store(false)
	eventually(t, "the change is learned once the store is back", func() bool { return conn.Ping(t.Context()) != nil })
}

func TestStoreThatHangsHidesNoChangeForEver(t *testing.T) {
	var hung hanging
	d := deploy(t, func(c *Config) {
		hung.Store = c.Store
		c.Store = &hung
	})
	conn, l := d.session()
	raw := hijack(t, conn)
	hung.next.Store(true)
	d.change(l, func(c *store.Credential) { c.Status = "disabled" })
	if got := report(t, raw); got.Message != "credential disabled" {
		t.Fatalf("got %+v", got)
	}
	wantClosed(t, raw)
}
