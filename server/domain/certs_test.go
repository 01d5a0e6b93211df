package domain

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// handshake connects to a listener of c and returns the certificate it gave.
func handshake(t *testing.T, c *Certificates, config *tls.Config) (*x509.Certificate, error) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", c.TLSConfig())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if conn, err := listener.Accept(); err == nil {
			_ = conn.(*tls.Conn).Handshake() // its failure is the client's as well
			conn.Close()
		}
	}()
	defer func() {
		listener.Close()
		<-served
	}()
	conn, err := tls.Dial("tcp", listener.Addr().String(), config)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

func loadSelfSigned(t *testing.T, now time.Time, names ...string) (CertificateFile, *x509.Certificate) {
	t.Helper()
	file, err := selfSigned(t.TempDir(), now, names...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(file.Cert, file.Key)
	if err != nil {
		t.Fatal(err)
	}
	return file, pair.Leaf
}

func TestSelfSignedCertificateVerifiesAsItsOwnRoot(t *testing.T) {
	file, leaf := loadSelfSigned(t, time.Now(), "*.proxy.example.com")
	c, err := LoadCertificates(nil, file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "abc.proxy.example.com"} {
		if _, err := handshake(t, c, &tls.Config{RootCAs: roots, ServerName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := handshake(t, c, &tls.Config{RootCAs: roots, ServerName: "example.org"}); err == nil {
		t.Error("a foreign name verified")
	}
}

func TestSelfSignedCertificateIsKeptUntilItMustChange(t *testing.T) {
	dir, start := t.TempDir(), time.Now()
	serial := func(now time.Time, names ...string) string {
		t.Helper()
		file, err := selfSigned(dir, now, names...)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(file.Cert, file.Key)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.String()
	}
	first := serial(start)
	if serial(start.Add(300*24*time.Hour)) != first {
		t.Error("it was renewed early")
	}
	renewed := serial(start.Add(340 * 24 * time.Hour))
	if renewed == first {
		t.Error("it was not renewed near its end")
	}
	named := serial(start.Add(340*24*time.Hour), "*.proxy.example.com")
	if named == renewed {
		t.Error("it was not renewed for another name")
	}
	if err := os.WriteFile(filepath.Join(dir, "tls.key"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if serial(start.Add(340*24*time.Hour), "*.proxy.example.com") == named {
		t.Error("a damaged key was kept")
	}
}

// An API and a proxy that start on one folder at the same moment agree.
func TestSelfSignedCertificateIsMadeOnce(t *testing.T) {
	for range 10 {
		dir := t.TempDir()
		serials := make([]string, 6)
		var wg sync.WaitGroup
		for i := range serials {
			wg.Go(func() {
				file, err := SelfSigned(dir)
				if err != nil {
					t.Error(err)
					return
				}
				pair, err := tls.LoadX509KeyPair(file.Cert, file.Key)
				if err != nil {
					t.Error(err)
					return
				}
				serials[i] = pair.Leaf.SerialNumber.String()
			})
		}
		wg.Wait()
		if slices.Sort(serials); serials[0] != serials[len(serials)-1] {
			t.Fatalf("different certificates were made: %v", serials)
		}
	}
}

func TestKeyFileIsForItsOwnerOnly(t *testing.T) {
	file, _ := loadSelfSigned(t, time.Now())
	for path, want := range map[string]os.FileMode{file.Key: 0o600, file.Cert: 0o644} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("mode of %s is %v, want %v", path, info.Mode().Perm(), want)
		}
	}
}

func TestCertificateIsChosenByServerName(t *testing.T) {
	first, _ := loadSelfSigned(t, time.Now(), "*.proxy.example.com")
	second, _ := loadSelfSigned(t, time.Now(), "db.customer.example")
	c, err := LoadCertificates(nil, first, second)
	if err != nil {
		t.Fatal(err)
	}
	for sni, want := range map[string]string{
		"abc.proxy.example.com":   "*.proxy.example.com",
		"ABC.Proxy.Example.com":   "*.proxy.example.com",
		"db.customer.example":     "db.customer.example",
		"unknown.example":         "*.proxy.example.com",
		"a.b.proxy.example.com":   "*.proxy.example.com", // no match: the first
		"":                        "*.proxy.example.com",
		"not-db.customer.example": "*.proxy.example.com",
	} {
		leaf, err := handshake(t, c, &tls.Config{InsecureSkipVerify: true, ServerName: sni})
		if err != nil {
			t.Fatalf("%q: %v", sni, err)
		}
		if got := leaf.DNSNames[len(leaf.DNSNames)-1]; got != want {
			t.Errorf("%q got the certificate of %s, want %s", sni, got, want)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	file, _ := loadSelfSigned(t, time.Now())
	c, err := LoadCertificates(nil, file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = handshake(t, c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestReplacedCertificateIsServedWithoutRestart(t *testing.T) {
	file, before := loadSelfSigned(t, time.Now())
	c, err := LoadCertificates(nil, file)
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	c.now = func() time.Time { return clock }
	given := func() *x509.Certificate {
		t.Helper()
		clock = clock.Add(2 * recheckEvery)
		leaf, err := handshake(t, c, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		return leaf
	}
	replace := func(path string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(len(content)) * time.Hour) // whatever the file system's resolution
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
	}

	replace(file.Cert, []byte("half-written"))
	if got := given(); !got.Equal(before) {
		t.Error("a damaged file replaced the certificate")
	}
	if err := os.Remove(file.Cert); err != nil {
		t.Fatal(err)
	}
	if got := given(); !got.Equal(before) {
		t.Error("a missing file replaced the certificate")
	}

	other, after := loadSelfSigned(t, time.Now())
	for _, step := range [][2]string{{other.Key, file.Key}, {other.Cert, file.Cert}} {
		if got := given(); !got.Equal(before) {
			t.Error("half a renewal took the old certificate out of service")
		}
		content, err := os.ReadFile(step[0])
		if err != nil {
			t.Fatal(err)
		}
		replace(step[1], content)
	}
	if got := given(); !got.Equal(after) {
		t.Error("the new certificate is not served")
	}
}

func TestMissingCertificateIsNamed(t *testing.T) {
	if _, err := LoadCertificates(nil, CertificateFile{"/nowhere/server.crt", "/nowhere/server.key"}); err == nil {
		t.Error("no error")
	}
	if _, err := LoadCertificates(nil); err == nil {
		t.Error("no error without certificates")
	}
}
