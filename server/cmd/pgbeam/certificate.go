package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// certificates serves certificate files and picks up renewed ones without a
// restart. The client's server name chooses; the first is for everybody else.
type certificates struct {
	log   *slog.Logger
	mu    sync.Mutex
	files []*certificateFile
	asked time.Time
}

type certificateFile struct {
	cert, key string
	loaded    tls.Certificate
	seen      fs.FileInfo // of cert when it was loaded
}

// loadCertificates reads pairs of PEM files: certs[i] belongs to keys[i].
func loadCertificates(certs, keys []string, log *slog.Logger) (*certificates, error) {
	if len(certs) != len(keys) {
		return nil, fmt.Errorf("%d certificate files but %d key files: give each --tls-cert its --tls-key, in the same order", len(certs), len(keys))
	}
	c := &certificates{log: log}
	for i := range certs {
		f := &certificateFile{cert: certs[i], key: keys[i]}
		if err := f.load(); err != nil {
			return nil, err
		}
		c.files = append(c.files, f)
	}
	return c, nil
}

func (f *certificateFile) load() error {
	st, err := os.Stat(f.cert)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("read certificate %s with key %s: %w", f.cert, f.key, err)
	}
	f.loaded, f.seen = pair, st
	return nil
}

// config is for servers that have these certificates.
func (c *certificates) config() *tls.Config {
	return &tls.Config{GetCertificate: c.choose, MinVersion: tls.VersionTLS12}
}

func (c *certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.asked) > time.Second {
		c.asked = now
		c.refresh()
	}
	for _, f := range c.files {
		if hello.ServerName != "" && hello.SupportsCertificate(&f.loaded) == nil {
			cert := f.loaded
			return &cert, nil
		}
	}
	cert := c.files[0].loaded
	return &cert, nil
}

// refresh loads files that changed. A file that is half written or broken
// leaves its predecessor in service, and is tried again.
func (c *certificates) refresh() {
	for _, f := range c.files {
		st, err := os.Stat(f.cert)
		if err == nil && os.SameFile(st, f.seen) && st.ModTime().Equal(f.seen.ModTime()) {
			continue
		}
		if err == nil {
			err = f.load()
		}
		if err != nil {
			c.log.Warn("certificate changed but cannot be used, the one before stays", "file", f.cert, "error", err)
			continue
		}
		c.log.Info("certificate loaded anew", "file", f.cert, "expires", f.loaded.Leaf.NotAfter)
	}
}

// selfSigned returns the files of a certificate in dir that no authority
// vouches for, and makes them when absent, soon to expire, or for other names.
func selfSigned(dir string, names []string) (cert, key string, err error) {
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	pair, err := tls.LoadX509KeyPair(cert, key)
	switch {
	case err == nil && covers(pair.Leaf, names) && time.Until(pair.Leaf.NotAfter) > 30*24*time.Hour:
		return cert, key, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("read self-signed certificate in %s: %w: delete it to have a new one made", dir, err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make key of self-signed certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return "", "", fmt.Errorf("make serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: names[0], Organization: []string{"PgBeam, self-signed"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(5, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // so that clients can be told to trust it: sslrootcert=tls.crt
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return "", "", fmt.Errorf("make self-signed certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", fmt.Errorf("encode key of self-signed certificate: %w", err)
	}
	if err := writePEM(key, 0o600, "PRIVATE KEY", encoded); err != nil {
		return "", "", err
	}
	if err := writePEM(cert, 0o644, "CERTIFICATE", der); err != nil {
		return "", "", err
	}
	return cert, key, nil
}

func covers(leaf *x509.Certificate, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		if ip := net.ParseIP(name); ip != nil {
			return !slices.ContainsFunc(leaf.IPAddresses, ip.Equal)
		}
		return !slices.Contains(leaf.DNSNames, name)
	})
}

func writePEM(path string, mode fs.FileMode, kind string, der []byte) error {
	if err := writeFile(path, mode, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
