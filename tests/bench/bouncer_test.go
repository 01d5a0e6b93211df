package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// startBouncer runs PgBouncer in session mode before a database, with TLS for
// its clients, and returns a connection string and its process; 0 where it is
// not installed. The password it is given is that of a database made for this run.
func startBouncer(b *testing.B, postgres *harness.Postgres) (string, int) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		return "", 0
	}
	dir, err := os.MkdirTemp("", "pgbeam-bench-bouncer-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // it may run as somebody else
		b.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		return path
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	certificate, key := selfSigned(b)
	config := write("pgbouncer.ini", fmt.Sprintf(`[databases]
%s = host=%s port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = session
default_pool_size = 100
client_tls_sslmode = require
client_tls_cert_file = %s
client_tls_key_file = %s
`, postgres.Database, postgres.Host, postgres.Port, port,
		write("users.txt", fmt.Sprintf("%q %q\n", postgres.Username, postgres.AppPassword)), write("tls.pem", certificate), write("tls.key", key)))
	args := []string{"--quiet"}
	if os.Geteuid() == 0 {
		if _, err := user.Lookup("nobody"); err == nil {
			args = append(args, "--user=nobody")
		}
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, append(args, config)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	harness.Eventually(b, 10*time.Second, "PgBouncer listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	at := url.URL{Scheme: "postgresql", User: url.UserPassword(postgres.Username, postgres.AppPassword), Host: address, Path: "/" + postgres.Database, RawQuery: "sslmode=require"}
	return at.String(), cmd.Process.Pid
}

func selfSigned(b *testing.B) (certificate, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pgbouncer"}, NotAfter: time.Now().Add(24 * time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, of, of, &private.PublicKey, private)
	if err != nil {
		b.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		b.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
