package proxy

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// dial opens a bare connection to the proxy.
func (d *deployment) dial() net.Conn {
	d.Helper()
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// dialTLS opens a connection and negotiates TLS in the usual way.
func (d *deployment) dialTLS(host string) *tls.Conn {
	d.Helper()
	conn := d.dial()
	send(d, conn, wire.AppendSSLRequest(nil))
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'S' {
		d.Fatalf("SSLRequest was answered %q, %v", answer, err)
	}
	return tls.Client(conn, &tls.Config{ServerName: host, RootCAs: d.ca.pool})
}

func send(t testing.TB, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
}

func packet(code uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

func startupPacket(code uint32, params ...string) []byte {
	return packet(code, strings.Join(params, "\x00")+"\x00\x00")
}

// report reads the next frame, which must be an error.
func report(t testing.TB, r io.Reader) wire.Report {
	t.Helper()
	typ, body, err := wire.ReadFrame(r, nil, wire.MaxAuth)
	if err != nil || typ != wire.ErrorResponse {
		t.Fatalf("got frame %q %q, %v; want an error", typ, body, err)
	}
	return wire.ParseReport(body)
}

func wantClosed(t testing.TB, r io.Reader) {
	t.Helper()
	b, err := io.ReadAll(r)
	var ne net.Error
	if len(b) > 0 || errors.As(err, &ne) && ne.Timeout() {
		t.Fatalf("the connection is open: %q, %v", b, err)
	}
}

func TestPlaintextIsRefused(t *testing.T) {
	d := deploy(t)
	conn := d.dial()
	send(t, conn, startupPacket(wire.Version30, "user", "postgres", "database", "postgres"))
	got := report(t, conn)
	if got.Severity != "FATAL" || got.Code != "28000" || got.Message != "TLS is required" || got.Hint == "" {
		t.Fatalf("got %+v", got)
	}
	wantClosed(t, conn)
}

func TestDirectTLS(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	c := d.as(l)
	c.SSLNegotiation = "direct"
	c.TLSConfig.NextProtos = []string{"postgresql"}
	scalar[int](t, d.connect(c), "select 1")

	t.Run("without ALPN", func(t *testing.T) {
		c := d.as(l)
		c.SSLNegotiation = "direct"
		if e := d.refused(c); e.Code != "08P01" || !strings.Contains(e.Message, "ALPN") {
			t.Fatalf("got %s %q", e.Code, e.Message)
		}
	})
	t.Run("for another protocol", func(t *testing.T) {
		conn := tls.Client(d.dial(), &tls.Config{ServerName: l.host, RootCAs: d.ca.pool, NextProtos: []string{"h2"}})
		if err := conn.Handshake(); err == nil {
			t.Fatal("the handshake for h2 succeeded")
		}
	})
}

func TestOldTLSIsRefused(t *testing.T) {
	d := deploy(t)
	conn := d.dial()
	send(t, conn, wire.AppendSSLRequest(nil))
	_, _ = io.ReadFull(conn, make([]byte, 1))
	if err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}).Handshake(); err == nil {
		t.Fatal("TLS 1.1 was accepted")
	}
}

func TestBytesBeforeTheHandshakeAreRefused(t *testing.T) {
	// CVE-2021-23222 and its relatives: plain text behind SSLRequest must not be read as if it were protected.
	d := deploy(t)
	for name, request := range map[string][]byte{"SSLRequest": wire.AppendSSLRequest(nil), "GSSENCRequest": packet(wire.CodeGSSENC, "")} {
		t.Run(name, func(t *testing.T) {
			conn := d.dial()
			send(t, conn, append(request, startupPacket(wire.Version30, "user", "x")...))
			if got := report(t, conn); got.Code != "08P01" || !strings.Contains(got.Message, "unencrypted data") {
				t.Fatalf("got %+v", got)
			}
			wantClosed(t, conn)
		})
	}
}

func TestRequestsForEncryptionAreAnsweredOnce(t *testing.T) {
	d := deploy(t)
	t.Run("GSS, then TLS", func(t *testing.T) {
		conn := d.dial()
		for request, want := range map[string]byte{string(packet(wire.CodeGSSENC, "")): 'N'} {
			send(t, conn, []byte(request))
			var b [1]byte
			if _, err := io.ReadFull(conn, b[:]); err != nil || b[0] != want {
				t.Fatalf("got %q, %v", b, err)
			}
		}
		send(t, conn, wire.AppendSSLRequest(nil))
		var b [1]byte
		if _, err := io.ReadFull(conn, b[:]); err != nil || b[0] != 'S' {
			t.Fatalf("got %q, %v", b, err)
		}
		if err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("GSS twice", func(t *testing.T) {
		conn := d.dial()
		send(t, conn, packet(wire.CodeGSSENC, ""))
		_, _ = io.ReadFull(conn, make([]byte, 1))
		send(t, conn, packet(wire.CodeGSSENC, ""))
		if got := report(t, conn); got.Code != "08P01" {
			t.Fatalf("got %+v", got)
		}
		wantClosed(t, conn)
	})
	t.Run("TLS inside TLS", func(t *testing.T) {
		conn := d.dialTLS(testDomain)
		send(t, conn, wire.AppendSSLRequest(nil))
		if got := report(t, conn); got.Code != "08P01" {
			t.Fatalf("got %+v", got)
		}
		wantClosed(t, conn)
	})
}

func TestBrokenStartupPackets(t *testing.T) {
	d := deploy(t)
	lengths := map[string][]byte{
		"negative": {0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0}, "zero": {0, 0, 0, 0, 0, 3, 0, 0}, "seven": {0, 0, 0, 7, 0, 3, 0, 0},
		"ten thousand and one": {0, 0, 0x27, 0x11, 0, 3, 0, 0}, "a gigabyte": {0x40, 0, 0, 0, 0, 3, 0, 0},
	}
	for name, b := range lengths {
		t.Run("length "+name, func(t *testing.T) {
			plain := d.dial()
			send(t, plain, b)
			if got := report(t, plain); got.Code != "08P01" {
				t.Fatalf("in plain text: got %+v", got)
			}
			conn := d.dialTLS(testDomain)
			send(t, conn, b)
			if got := report(t, conn); got.Code != "08P01" {
				t.Fatalf("under TLS: got %+v", got)
			}
		})
	}
	bodies := map[string]struct{ body, code string }{
		"no terminator": {"user\x00x\x00", "08P01"}, "no value": {"user\x00", "08P01"}, "bytes behind": {"user\x00x\x00\x00more", "08P01"},
		"empty": {"", "08P01"}, "no user": {"\x00", "28000"},
	}
	for name, tt := range bodies {
		t.Run(name, func(t *testing.T) {
			conn := d.dialTLS(testDomain)
			send(t, conn, packet(wire.Version30, tt.body))
			if got := report(t, conn); got.Code != tt.code {
				t.Fatalf("got %+v", got)
			}
		})
	}
	t.Run("protocol 2", func(t *testing.T) {
		conn := d.dialTLS(testDomain)
		send(t, conn, packet(2<<16, "user\x00x\x00\x00"))
		if got := report(t, conn); got.Code != "0A000" || !strings.Contains(got.Message, "2.0") {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestNewerProtocolIsNegotiated(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	conn := d.dialTLS(l.host)
	send(t, conn, startupPacket(3<<16|2, "user", l.PgUsername, "_pq_.future", "1"))
	typ, body, err := wire.ReadFrame(conn, nil, wire.MaxAuth)
	want := append([]byte{0, 3, 0, 0, 0, 0, 0, 1}, "_pq_.future\x00"...)
	if err != nil || typ != 'v' || !bytes.Equal(body, want) {
		t.Fatalf("got %q %q, %v", typ, body, err)
	}
	if typ, _, err := wire.ReadFrame(conn, nil, wire.MaxAuth); err != nil || typ != wire.Authentication {
		t.Fatalf("got %q, %v; want the login to go on", typ, err)
	}
}

func TestBrokenAuthenticationMessages(t *testing.T) {
	d := deploy(t)
	l := d.credential(d.project("shop"), nil)
	sasl := func(mechanism, data string) []byte {
		body := append([]byte(mechanism), 0)
		body = binary.BigEndian.AppendUint32(body, uint32(len(data)))
		return wire.AppendBody(nil, wire.Password, append(body, data...))
	}
	tests := map[string][]byte{
		"optimistic password":          wire.AppendBody(nil, wire.Password, []byte("secret\x00")),
		"query before login":           wire.AppendBody(nil, wire.Query, []byte("select 1\x00")),
		"unknown mechanism":            sasl("GSSAPI", "n,,n=,r=abc"),
		"binding under plain SCRAM":    sasl("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc"),
		"no binding under PLUS":        sasl("SCRAM-SHA-256-PLUS", "n,,n=,r=abc"),
		"downgrade":                    sasl("SCRAM-SHA-256", "y,,n=,r=abc"),
		"binding of another type":      sasl("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc"),
		"nonsense":                     sasl("SCRAM-SHA-256", "\x00\xff"),
		"length negative":              {wire.Password, 0xff, 0xff, 0xff, 0xff},
		"length three":                 {wire.Password, 0, 0, 0, 3},
		"length over 64 kB":            {wire.Password, 0, 1, 0, 1},
		"inner length negative":        wire.AppendBody(nil, wire.Password, []byte("SCRAM-SHA-256\x00\xff\xff\xff\xfe")),
		"inner length of a gigabyte":   wire.AppendBody(nil, wire.Password, []byte("SCRAM-SHA-256\x00\x40\x00\x00\x00")),
		"mechanism without terminator": wire.AppendBody(nil, wire.Password, []byte("SCRAM-SHA-256")),
	}
	for name, message := range tests {
		t.Run(name, func(t *testing.T) {
			conn := d.dialTLS(l.host)
			send(t, conn, startupPacket(wire.Version30, "user", l.PgUsername))
			if typ, _, err := wire.ReadFrame(conn, nil, wire.MaxAuth); err != nil || typ != wire.Authentication {
				t.Fatalf("got %q, %v", typ, err)
			}
			send(t, conn, message)
			if got := report(t, conn); got.Severity != "FATAL" || got.Code != "08P01" {
				t.Fatalf("got %+v", got)
			}
			wantClosed(t, conn)
		})
	}
}

func TestSlowClientsAreLetGo(t *testing.T) {
	d := deploy(t, func(c *Config) { c.LoginTimeout = 2 * time.Second })
	l := d.credential(d.project("shop"), nil)
	stages := map[string]func(t *testing.T) io.Reader{
		"silent": func(t *testing.T) io.Reader { return d.dial() },
		"half a request": func(t *testing.T) io.Reader {
			conn := d.dial()
			send(t, conn, []byte{0, 0, 0})
			return conn
		},
		"no handshake": func(t *testing.T) io.Reader {
			conn := d.dial()
			send(t, conn, wire.AppendSSLRequest(nil))
			_, _ = io.ReadFull(conn, make([]byte, 1))
			return conn
		},
		"no startup packet": func(t *testing.T) io.Reader {
			conn := d.dialTLS(l.host)
			if err := conn.Handshake(); err != nil {
				t.Fatal(err)
			}
			return conn
		},
		"no password": func(t *testing.T) io.Reader {
			conn := d.dialTLS(l.host)
			send(t, conn, startupPacket(wire.Version30, "user", l.PgUsername))
			if _, _, err := wire.ReadFrame(conn, nil, wire.MaxAuth); err != nil {
				t.Fatal(err)
			}
			return conn
		},
	}
	for name, reach := range stages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantClosed(t, reach(t))
		})
	}
}

func TestTooManyConnections(t *testing.T) {
	d := deploy(t, func(c *Config) { c.MaxConnections = 1 })
	l := d.credential(d.project("shop"), nil)
	d.connect(d.as(l))
	wantError(t, d.refused(d.as(l)), "FATAL", "53300", "too many connections")
}
