package domain

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/atomicfile"
	"github.com/pgbeam/pulumi-pgbeam/server/internal/filelock"
)

const (
	selfSignedFor = 365 * 24 * time.Hour
	renewBefore   = 30 * 24 * time.Hour
	lockTimeout   = 10 * time.Second
)

// SelfSigned returns a certificate for localhost and the given DNS names or
// addresses; DNS names may be wildcards. It is kept in dir as tls.crt and
// tls.key and made anew when it is missing, damaged, short of a name or within
// 30 days of its end. Clients that verify can be given tls.crt as their root.
func SelfSigned(dir string, names ...string) (CertificateFile, error) {
	return selfSigned(dir, time.Now(), names...)
}

func selfSigned(dir string, now time.Time, names ...string) (CertificateFile, error) {
	names = append([]string{"localhost", "127.0.0.1", "::1"}, names...)
	file := CertificateFile{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	serving := func() bool {
		current, err := tls.LoadX509KeyPair(file.Cert, file.Key)
		return err == nil && serves(current.Leaf, now, names)
	}
	if serving() {
		return file, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return CertificateFile{}, fmt.Errorf("keep self-signed certificate: %w", err)
	}
	// Another process may be starting on the same folder.
	waiting, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	release, err := filelock.Wait(waiting, filepath.Join(dir, "tls.lock"))
	if err != nil {
		return CertificateFile{}, fmt.Errorf("keep self-signed certificate: %w", err)
	}
	defer release()
	if serving() {
		return file, nil
	}
	certificate, key, err := newSelfSigned(now, names)
	if err != nil {
		return CertificateFile{}, fmt.Errorf("make self-signed certificate: %w", err)
	}
	// The key first: a new key beside an old certificate is noticed above and
	// made good, and no reader takes the pair for valid meanwhile.
	if err := atomicfile.Write(file.Key, 0o600, key); err != nil {
		return CertificateFile{}, fmt.Errorf("keep self-signed certificate: %w", err)
	}
	if err := atomicfile.Write(file.Cert, 0o644, certificate); err != nil {
		return CertificateFile{}, fmt.Errorf("keep self-signed certificate: %w", err)
	}
	return file, nil
}

// serves reports whether a certificate is valid for some time to come and for
// all names.
func serves(leaf *x509.Certificate, now time.Time, names []string) bool {
	if now.Before(leaf.NotBefore) || now.Add(renewBefore).After(leaf.NotAfter) {
		return false
	}
	have := map[string]bool{}
	for _, name := range leaf.DNSNames {
		have[name] = true
	}
	for _, ip := range leaf.IPAddresses {
		have[ip.String()] = true
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			name = ip.String()
		}
		if !have[name] {
			return false
		}
	}
	return true
}

func newSelfSigned(now time.Time, names []string) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "PgBeam self-signed"},
		NotBefore:             now.Add(-time.Hour), // for clients whose clock is behind
		NotAfter:              now.Add(selfSignedFor),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // so that it can stand as a client's root
		MaxPathLenZero:        true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}
