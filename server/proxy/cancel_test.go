package proxy

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

func TestCancelHitsTheRunningStatement(t *testing.T) {
	d := deploy(t)
	conn, _ := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select pg_sleep(600)")
		failed <- err
	}()
	waitActive(t, pid)
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, asPgError(t, <-failed), "ERROR", "57014", "canceling statement due to user request")
	scalar[int](t, conn, "select 1")
	if got := int(conn.PgConn().PID()); got == pid {
		t.Error("the client was told the upstream's own process id")
	}
}

func TestLateCancelHitsNothing(t *testing.T) {
	d := deploy(t)
	conn, _ := d.session()
	for i := range 200 {
		scalar[int](t, conn, "select 1")
		if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "select pg_sleep(0.001)"); err != nil {
			t.Fatalf("statement %d after a cancel request: %v", i, err)
		}
	}
}

func TestCancelWithAnotherKeyHitsNothing(t *testing.T) {
	d := deploy(t)
	conn, _ := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	finished := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select pg_sleep(600)")
		finished <- err
	}()
	waitActive(t, pid)
	secret := conn.PgConn().SecretKey()
	wrong := append([]byte{secret[0] ^ 1}, secret[1:]...)
	for _, cancel := range [][]byte{
		wire.AppendCancel(nil, conn.PgConn().PID(), wrong),
		wire.AppendCancel(nil, uint32(pid), secret),
		wire.AppendCancel(nil, conn.PgConn().PID(), append(secret, 0)),
	} {
		plain := d.dial()
		send(t, plain, cancel)
		_, _ = io.Copy(io.Discard, plain)
		secure := d.dialTLS(testDomain)
		send(t, secure, cancel)
		_, _ = io.Copy(io.Discard, secure)
	}
	waitActive(t, pid)
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-finished; asPgError(t, err).Code != "57014" {
		t.Fatal(err)
	}
}

func TestCancelInPlainTextAndUnderTLS(t *testing.T) {
	d := deploy(t)
	conn, _ := d.session()
	pid := scalar[int](t, conn, "select pg_backend_pid()")
	for name, dial := range map[string]func() net.Conn{"plain": d.dial, "TLS": func() net.Conn { return d.dialTLS(testDomain) }} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			go func() {
				_, err := conn.Exec(context.Background(), "select pg_sleep(600)")
				failed <- err
			}()
			waitActive(t, pid)
			c := dial()
			send(t, c, wire.AppendCancel(nil, conn.PgConn().PID(), conn.PgConn().SecretKey()))
			if err := <-failed; asPgError(t, err).Code != "57014" {
				t.Fatal(err)
			}
			wantClosed(t, c)
		})
	}
}
