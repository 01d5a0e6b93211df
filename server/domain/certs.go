package domain

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// CertificateFile is a certificate chain with its key, both in PEM. They may
// be one file.
type CertificateFile struct {
	Cert, Key string // paths
}

// Certificates chooses the certificate of a TLS handshake by the server name
// that the client asks for, and follows the files as they are replaced. Safe
// for concurrent use.
type Certificates struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	loaded  []*loadedCertificate // in the order they were given
	checked time.Time            // when the files were last looked at
}

type loadedCertificate struct {
	file    CertificateFile
	stamp   string // what the files looked like; changes when they do
	current *tls.Certificate
}

// recheckEvery bounds how often a handshake looks at the files.
const recheckEvery = time.Second

// LoadCertificates reads certificates. The first serves clients that send no
// server name, or one that no certificate is for.
func LoadCertificates(log *slog.Logger, files ...CertificateFile) (*Certificates, error) {
	if len(files) == 0 {
		return nil, errors.New("load certificates: none was given")
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Certificates{log: log, now: time.Now, checked: time.Now()}
	for _, file := range files {
		stamp, err := stampOf(file)
		if err != nil {
			return nil, fmt.Errorf("load certificate: %w", err)
		}
		certificate, err := readCertificate(file)
		if err != nil {
			return nil, err
		}
		c.loaded = append(c.loaded, &loadedCertificate{file, stamp, certificate})
	}
	return c, nil
}

// TLSConfig is a server configuration that takes its certificates from c:
// TLS 1.2 at least.
func (c *Certificates) TLSConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.Get}
}

// Get is a tls.Config.GetCertificate.
func (c *Certificates) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= recheckEvery {
		c.checked = now
		c.reload()
	}
	name := strings.TrimSuffix(hello.ServerName, ".")
	var matching *tls.Certificate
	for _, l := range c.loaded {
		if name == "" || l.current.Leaf.VerifyHostname(name) != nil {
			continue
		}
		if hello.SupportsCertificate(l.current) == nil {
			return l.current, nil
		}
		if matching == nil { // right name, other signature: let the handshake say so
			matching = l.current
		}
	}
	if matching != nil {
		return matching, nil
	}
	return c.loaded[0].current, nil
}

// reload reads the files that changed. One that cannot be read keeps serving
// as it was: a half-written pair must not stop the service.
func (c *Certificates) reload() {
	for _, l := range c.loaded {
		stamp, err := stampOf(l.file)
		if err == nil && stamp == l.stamp {
			continue
		}
		var certificate *tls.Certificate
		if err == nil {
			certificate, err = readCertificate(l.file)
		}
		if err != nil {
			if stamp != l.stamp || stamp == "" {
				c.log.Warn("certificate was not reloaded, the one before stays", "cert", l.file.Cert, "error", err)
			}
			l.stamp = stamp
			continue
		}
		l.stamp, l.current = stamp, certificate
		c.log.Info("certificate reloaded", "cert", l.file.Cert, "names", certificate.Leaf.DNSNames, "expires", certificate.Leaf.NotAfter)
	}
}

// stampOf identifies the content of the files without reading them.
func stampOf(file CertificateFile) (string, error) {
	var b strings.Builder
	for _, path := range []string{file.Cert, file.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	return b.String(), nil
}

func readCertificate(file CertificateFile) (*tls.Certificate, error) {
	certificate, err := tls.LoadX509KeyPair(file.Cert, file.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s with key %s: %w", file.Cert, file.Key, err)
	}
	return &certificate, nil // Leaf is parsed since Go 1.23
}
