package main

import (
	"fmt"
	"log/slog"

	"github.com/pgbeam/pulumi-pgbeam/server/domain"
)

// loadCertificates reads pairs of PEM files: certs[i] belongs to keys[i].
func loadCertificates(certs, keys []string, log *slog.Logger) (*domain.Certificates, error) {
	if len(certs) != len(keys) {
		return nil, fmt.Errorf("%d certificate files but %d key files: give each --tls-cert its --tls-key, in the same order", len(certs), len(keys))
	}
	files := make([]domain.CertificateFile, len(certs))
	for i := range certs {
		files[i] = domain.CertificateFile{Cert: certs[i], Key: keys[i]}
	}
	return domain.LoadCertificates(log, files...)
}
