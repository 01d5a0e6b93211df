package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"

	"github.com/xdg-go/scram"
)

// alpn is the protocol name that direct TLS must agree on, so that a
// connection meant for another protocol on this port is never taken for ours.
const alpn = "postgresql"

// serverTLS completes a configuration for use with clients. Session tickets
// are off: a resumed session presents no certificate to bind a login to, and
// connections here live long.
func serverTLS(base *tls.Config) *tls.Config {
	c := base.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.NextProtos = []string{alpn}
	c.SessionTicketsDisabled = true
	c.DynamicRecordSizingDisabled = true // one write for a small reply, and few for a large one
	return c
}

// binding remembers which certificate one connection presented: crypto/tls
// does not tell a server afterwards.
type binding struct{ cert *tls.Certificate }

// config returns base, watched.
func (b *binding) config(base *tls.Config) *tls.Config {
	c := base.Clone()
	choose := base.GetCertificate
	certificates := base.Certificates
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		var cert *tls.Certificate
		var err error
		if choose != nil {
			cert, err = choose(hello)
		}
		for i := range certificates {
			if cert != nil || err != nil {
				break
			}
			if i == len(certificates)-1 || hello.SupportsCertificate(&certificates[i]) == nil {
				cert = &certificates[i]
			}
		}
		if cert == nil && err == nil {
			err = errors.New("no certificate for this server name")
		}
		b.cert = cert
		return cert, err
	}
	c.Certificates = nil
	return c
}

// channel is the tls-server-end-point binding of the connection (RFC 5929,
// section 4); not supported when the certificate's signature has no hash.
func (b *binding) channel() scram.ChannelBinding {
	if b.cert == nil || len(b.cert.Certificate) == 0 {
		return scram.ChannelBinding{}
	}
	leaf := b.cert.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(b.cert.Certificate[0]); err != nil {
			return scram.ChannelBinding{}
		}
	}
	cb, err := scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}})
	if err != nil {
		return scram.ChannelBinding{}
	}
	return cb
}
