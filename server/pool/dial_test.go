package pool

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/server/localpg/localpgtest"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

const password = "correct-horse"

// server is a PostgreSQL with TLS under an authority of its own. Logins of
// user "tlsonly" are taken under TLS alone, of "plainonly" without it alone.
var (
	server *localpg.Server
	roots  *x509.CertPool
)

func TestMain(m *testing.M) {
	os.Exit(localpgtest.Main(m, &server, func(dir string) localpg.Options {
		var cert, key string
		var err error
		if cert, key, roots, err = certificate(dir); err != nil {
			panic(err)
		}
		return localpg.Options{
			Password: password,
			Settings: []string{"ssl=on", "ssl_cert_file=" + cert, "ssl_key_file=" + key},
			HBA: []string{
				"hostssl all tlsonly all scram-sha-256", "host all tlsonly all reject",
				"hostnossl all plainonly all scram-sha-256", "host all plainonly all reject",
				"host all md5user all md5", "host all clearuser all password",
			},
		}
	}))
}

// certificate writes a certificate for localhost and its key, owned by whom
// PostgreSQL runs as.
func certificate(dir string) (cert, key string, roots *x509.CertPool, err error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", nil, err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "upstream authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, leafKey.Public(), caKey)
	if err != nil {
		return "", "", nil, err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return "", "", nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return "", "", nil, err
	}
	cert, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return "", "", nil, err
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600); err != nil {
		return "", "", nil, err
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil && os.Geteuid() == 0 {
			uid, _ := strconv.Atoi(u.Uid)
			if err := os.Chown(key, uid, -1); err != nil {
				return "", "", nil, err
			}
			break
		}
	}
	roots = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		return "", "", nil, err
	}
	roots.AddCert(parsed)
	return cert, key, roots, nil
}

func target(change ...func(*Target)) Target {
	t := Target{Host: "127.0.0.1", Port: server.Port, Database: "postgres", User: "postgres", Password: secret.NewText(password), SSLMode: "prefer"}
	for _, f := range change {
		f(&t)
	}
	return t
}

// ask runs a simple query on a bare connection and returns its first column.
func ask(t testing.TB, u *Upstream, sql string) string {
	t.Helper()
	if _, err := u.Write(wire.AppendBody(nil, wire.Query, append([]byte(sql), 0))); err != nil {
		t.Fatal(err)
	}
	var value string
	for {
		typ, body, err := wire.ReadFrame(u, nil, 1<<20)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		switch typ {
		case 'D':
			if len(body) > 6 {
				value = string(body[6:])
			}
		case wire.ErrorResponse:
			t.Fatalf("%s: %+v", sql, wire.ParseReport(body))
		case wire.ReadyForQuery:
			return value
		}
	}
}

func dial(t testing.TB, to Target) *Upstream {
	t.Helper()
	u, err := Dial(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// createRole makes a user, anew when the test runs again.
func createRole(t *testing.T, u *Upstream, name string) {
	t.Helper()
	ask(t, u, "drop role if exists "+name)
	ask(t, u, fmt.Sprintf("create role %s login password '%s'", name, password))
}

func TestSSLModes(t *testing.T) {
	if u := dial(t, target()); true {
		for _, name := range []string{"tlsonly", "plainonly"} {
			createRole(t, u, name)
		}
	}
	tests := []struct {
		mode, host, user string
		roots            *x509.CertPool
		tls              string // what pg_stat_ssl says; "" is a failure
		reason           string
	}{
		{"disable", "localhost", "postgres", nil, "f", ""},
		{"disable", "localhost", "tlsonly", nil, "", "no encryption"},
		{"allow", "localhost", "postgres", nil, "f", ""},
		{"allow", "localhost", "tlsonly", nil, "t", ""},
		{"prefer", "localhost", "postgres", nil, "t", ""},
		{"prefer", "localhost", "plainonly", nil, "f", ""},
		{"require", "localhost", "postgres", nil, "t", ""},
		{"require", "localhost", "plainonly", nil, "", "SSL encryption"},
		{"verify-ca", "localhost", "postgres", roots, "t", ""},
		{"verify-ca", "127.0.0.1", "postgres", roots, "t", ""},
		{"verify-ca", "localhost", "postgres", nil, "", "unknown authority"},
		{"verify-full", "localhost", "postgres", roots, "t", ""},
		{"verify-full", "127.0.0.1", "postgres", roots, "", "127.0.0.1"},
		{"verify-full", "localhost", "postgres", nil, "", "unknown authority"},
		{"", "localhost", "postgres", roots, "t", ""},
		{"sometimes", "localhost", "postgres", nil, "", "ssl_mode"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s as %s roots %v", tt.mode, tt.host, tt.user, tt.roots != nil), func(t *testing.T) {
			u, err := Dial(t.Context(), target(func(to *Target) {
				to.SSLMode, to.Host, to.User, to.Roots = tt.mode, tt.host, tt.user, tt.roots
			}))
			if tt.tls == "" {
				if err == nil {
					u.Close()
					t.Fatal("connected")
				}
				if !strings.Contains(err.Error(), tt.reason) {
					t.Fatalf("got %v, want a reason with %q", err, tt.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			if got := ask(t, u, "select ssl from pg_stat_ssl where pid = pg_backend_pid()"); got != tt.tls {
				t.Fatalf("under TLS: %s, want %s", got, tt.tls)
			}
		})
	}
}

func TestServerNameIsSentInEveryMode(t *testing.T) {
	for _, mode := range []string{"allow", "prefer", "require", "verify-ca", "verify-full"} {
		configs, err := tlsConfigs(Target{Host: "db.example.com", SSLMode: mode})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range configs {
			if c != nil && (c.ServerName != "db.example.com" || c.MinVersion < tls.VersionTLS12) {
				t.Errorf("%s: server name %q, version at least %x", mode, c.ServerName, c.MinVersion)
			}
		}
	}
}

func TestPasswordMethods(t *testing.T) {
	u := dial(t, target())
	ask(t, u, "set password_encryption = 'md5'")
	for _, name := range []string{"md5user", "clearuser"} {
		createRole(t, u, name)
		if got := ask(t, dial(t, target(func(to *Target) { to.User = name })), "select current_user"); got != name {
			t.Errorf("logged in as %q, want %q", got, name)
		}
	}
}

func TestGreetingIsPassedOnAsItCame(t *testing.T) {
	u := dial(t, target(func(to *Target) { to.RuntimeParams = map[string]string{"application_name": "greeted"} }))
	r := bytes.NewReader(u.Greeting)
	seen := map[string]string{}
	for r.Len() > 0 {
		typ, body, err := wire.ReadFrame(r, nil, 1<<20)
		if err != nil || typ != wire.ParameterStatus {
			t.Fatalf("got %q, %v", typ, err)
		}
		name, value, _ := bytes.Cut(bytes.TrimSuffix(body, []byte{0}), []byte{0})
		seen[string(name)] = string(value)
	}
	if seen["application_name"] != "greeted" || seen["server_version"] == "" {
		t.Fatalf("told: %v", seen)
	}
}

func TestErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closedPort := closed.Addr().(*net.TCPAddr).Port
	closed.Close()
	tests := []struct {
		name    string
		change  func(*Target)
		reached bool
		code    string
		message string
	}{
		{"wrong password", func(to *Target) { to.Password = secret.NewText("wrong-secret") }, true, "28P01", `password authentication failed for user "postgres"`},
		{"no such database", func(to *Target) { to.Database = "nothere" }, true, "3D000", `database "nothere" does not exist`},
		{"bad setting", func(to *Target) { to.RuntimeParams = map[string]string{"work_mem": "lots"} }, true, "22023", `invalid value for parameter "work_mem": "lots"`},
		{"nobody there", func(to *Target) { to.Port = closedPort }, false, "08001", fmt.Sprintf("could not connect to upstream database at 127.0.0.1:%d: connect: connection refused", closedPort)},
		{"socket of this machine", func(to *Target) { to.Host = "/var/run/postgresql" }, false, "08001", fmt.Sprintf("could not connect to upstream database at /var/run/postgresql:%d: the host is a path, not a name or an address", server.Port)},
		{"no such host", func(to *Target) { to.Host = "not..here" }, false, "08001", fmt.Sprintf("could not connect to upstream database at not..here:%d: no such host", server.Port)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Dial(t.Context(), target(func(to *Target) { to.SSLMode = "disable" }, tt.change))
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Reached != tt.reached || e.Report.Code != tt.code || e.Report.Message != tt.message || e.Report.Severity != "FATAL" {
				t.Fatalf("reached %v, %+v", e.Reached, e.Report)
			}
			if tt.reached && wire.ParseReport(e.Frame).Message != tt.message {
				t.Fatalf("the server's own frame is %q", e.Frame)
			}
			if text := fmt.Sprintf("%v %+v", e, e.Report); strings.Contains(text, password) || strings.Contains(text, "wrong-secret") {
				t.Fatalf("a password shows: %s", text)
			}
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // it accepts in the kernel, and never answers
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = Dial(ctx, target(func(to *Target) { to.Port = ln.Addr().(*net.TCPAddr).Port }))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "timed out") {
		t.Fatalf("got %v", err)
	}
}

// hostile answers every startup packet with the same bytes.
func hostile(t *testing.T, answer []byte) Target {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, _, err := wire.ReadStartup(conn); err != nil {
					return
				}
				_, _ = conn.Write(answer)
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return target(func(to *Target) { to.Port, to.SSLMode = ln.Addr().(*net.TCPAddr).Port, "disable" })
}

func TestHostileUpstream(t *testing.T) {
	nonce := append([]byte{0, 0, 0, 11, 'r', '='}, bytes.Repeat([]byte("n"), 8<<20)...)
	tests := map[string][]byte{
		"negative length":          {'R', 0xff, 0xff, 0xff, 0xff},
		"length three":             {'R', 0, 0, 0, 3},
		"length of a gigabyte":     {'R', 0x40, 0, 0, 0},
		"nonce of megabytes":       append(wire.AppendAuthenticationSASL(nil, "SCRAM-SHA-256"), wire.AppendBody(nil, 'R', nonce)...),
		"negative field in a row":  append(wire.AppendAuthenticationOk(nil), wire.AppendBody(nil, 'D', []byte{0, 1, 0xff, 0xff, 0xff, 0xfe})...),
		"ready before the login":   wire.AppendReadyForQuery(nil, 'I'),
		"error without SQLSTATE":   wire.AppendBody(nil, 'E', []byte("SFATAL\x00Mgo away\x00\x00")),
		"error without terminator": wire.AppendBody(nil, 'E', []byte("SFATAL\x00Mgo away")),
		"settings without end":     append(wire.AppendAuthenticationOk(nil), bytes.Repeat(wire.AppendParameterStatus(nil, "a", strings.Repeat("b", 60000)), 10)...),
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			u, err := Dial(ctx, hostile(t, answer))
			if err == nil {
				u.Close()
				t.Fatal("logged in")
			}
			if errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("only the timeout ended it: %v", err)
			}
			var e *Error
			if !errors.As(err, &e) || e.Report.Code == "" {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestBytesBehindTheLoginAreKept(t *testing.T) {
	answer := wire.AppendAuthenticationOk(nil)
	answer = wire.AppendBackendKeyData(answer, wire.CancelKey{PID: 7, Secret: 9})
	answer = wire.AppendReadyForQuery(answer, 'I')
	late := wire.AppendReport(nil, wire.Report{Severity: "NOTICE", Code: "00000", Message: "welcome"})
	u := dial(t, hostile(t, append(answer, late...)))
	typ, body, err := wire.ReadFrame(u, nil, 1<<20)
	if err != nil || typ != wire.NoticeResponse || wire.ParseReport(body).Message != "welcome" {
		t.Fatalf("got %q %q, %v", typ, body, err)
	}
	if u.PID != 7 || !bytes.Equal(u.SecretKey, []byte{0, 0, 0, 9}) {
		t.Fatalf("key is %d %x", u.PID, u.SecretKey)
	}
}

func TestCancel(t *testing.T) {
	for _, mode := range []string{"disable", "require"} {
		t.Run(mode, func(t *testing.T) {
			u := dial(t, target(func(to *Target) { to.SSLMode = mode }))
			if _, err := u.Write(wire.AppendBody(nil, wire.Query, []byte("select pg_sleep(60)\x00"))); err != nil {
				t.Fatal(err)
			}
			watcher := dial(t, target())
			for ask(t, watcher, fmt.Sprintf("select state from pg_stat_activity where pid = %d", u.PID)) != "active" {
			}
			if err := u.Cancel(t.Context()); err != nil {
				t.Fatal(err)
			}
			for {
				typ, body, err := wire.ReadFrame(u, nil, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if typ == wire.ErrorResponse {
					if r := wire.ParseReport(body); r.Code != "57014" {
						t.Fatalf("got %+v", r)
					}
					return
				}
			}
		})
	}
}

func TestEnvironmentHasNoSay(t *testing.T) {
	t.Setenv("PGOPTIONS", "-c work_mem=1MB")
	t.Setenv("PGAPPNAME", "from the environment")
	t.Setenv("PGSSLMODE", "disable")
	if got := ask(t, dial(t, target()), "select current_setting('application_name') || ' ' || current_setting('work_mem')"); got != " 4MB" {
		t.Fatalf("got %q", got)
	}
}
