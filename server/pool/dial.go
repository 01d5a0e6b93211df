// Package pool makes upstream connections: it dials a PostgreSQL server, does
// TLS and the login with pgconn, and hands over the bare connection at the
// first ReadyForQuery, so that whoever relays on it sees every byte after
// that. It also remembers which upstreams do not answer, and cancels.
package pool

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// connectTimeout bounds one attempt at one address when the caller's context
// gives more time than that.
const connectTimeout = 10 * time.Second

// Target says where to log in, and as whom.
type Target struct {
	Host     string
	Port     int
	Database string
	User     string
	Password secret.Text
	// SSLMode is one of libpq's: disable, allow, prefer, require, verify-ca,
	// verify-full. "" is verify-full.
	SSLMode string
	// RuntimeParams go into the startup packet: settings, options, replication.
	RuntimeParams map[string]string
	// Roots verify the upstream's certificate; nil is the system's.
	Roots *x509.CertPool
	// MinTLSVersion is 0 for TLS 1.2.
	MinTLSVersion uint16
}

// Upstream is a logged-in connection.
type Upstream struct {
	net.Conn
	PID       uint32
	SecretKey []byte
	// Greeting is what the server sent after it accepted the login, byte for
	// byte and in its order: ParameterStatus and NoticeResponse frames.
	Greeting []byte

	r    io.Reader   // Conn, except as readAhead says
	left []byte      // was read during the login, and comes first
	gate *gate       // under Conn; nil when r is not Conn
	tls  *tls.Config // nil without TLS

	waiting waiting
}

// Read reads what the server sends.
func (u *Upstream) Read(p []byte) (int, error) {
	if len(u.left) > 0 {
		n := copy(p, u.left)
		u.left = u.left[n:]
		return n, nil
	}
	return u.r.Read(p)
}

// Abort closes without TLS's farewell, which a server that takes nothing more
// would hold up for seconds.
func (u *Upstream) Abort() error {
	if secure, ok := u.Conn.(*tls.Conn); ok {
		return secure.NetConn().Close()
	}
	return u.Conn.Close()
}

// baseConfig is a pgconn configuration that owes nothing to the environment
// of the process: pgconn insists on having parsed one itself.
var baseConfig = sync.OnceValues(func() (*pgconn.Config, error) {
	c, err := pgconn.ParseConfig("host=127.0.0.1 port=5432 user=- password=- dbname=- sslmode=disable sslnegotiation=postgres target_session_attrs=any")
	if err != nil {
		return nil, fmt.Errorf("prepare upstream configuration: %w", err)
	}
	c.RuntimeParams = nil
	c.Fallbacks = nil
	c.ValidateConnect = nil
	c.KerberosSrvName, c.KerberosSpn = "", ""
	c.SSLCertMode = ""
	c.RequireAuth = ""
	c.ChannelBinding = "prefer"
	c.MinProtocolVersion, c.MaxProtocolVersion = "3.0", "3.0"
	c.ConnectTimeout = connectTimeout
	c.MaxProtocolMessageBodyLen = maxLoginFrame
	return c, nil
})

// Dial connects and logs in. An error is always an *Error.
func Dial(ctx context.Context, t Target) (*Upstream, error) {
	base, err := baseConfig()
	if err != nil {
		return nil, newError(t, err, nil)
	}
	modes, err := tlsConfigs(t)
	if err != nil {
		return nil, newError(t, err, nil)
	}
	c := base.Copy()
	c.Host, c.Port = t.Host, uint16(t.Port)
	c.Database, c.User, c.Password = t.Database, t.User, t.Password.Reveal()
	c.RuntimeParams = maps.Clone(t.RuntimeParams)
	c.TLSConfig = modes[0]
	for _, m := range modes[1:] {
		c.Fallbacks = append(c.Fallbacks, &pgconn.FallbackConfig{Host: t.Host, Port: uint16(t.Port), TLSConfig: m})
	}
	var login *loginReader
	var socket *gate
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialGate(ctx, network, addr)
		socket, _ = conn.(*gate)
		return conn, err
	}
	c.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		login = &loginReader{r: r}
		return pgproto3.NewFrontend(login, w)
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, newError(t, err, login)
	}
	h, err := conn.Hijack()
	if err != nil {
		return nil, newError(t, err, nil)
	}
	// Deadlines of the login must not outlive it.
	if err := h.Conn.SetDeadline(time.Time{}); err != nil {
		h.Conn.Close()
		return nil, newError(t, err, nil)
	}
	u := &Upstream{
		Conn: h.Conn, PID: h.PID, SecretKey: h.SecretKey,
		Greeting: login.greeting, r: login.r, tls: h.TLSConfig, gate: socket,
	}
	u.readAhead()
	return u, nil
}

// readAhead takes what pgconn has read behind our back, which it does only
// while a write is stuck. Where its reader is still at it, that reader stays
// in between.
func (u *Upstream) readAhead() {
	if r, ok := u.r.(interface{ Status() int32 }); !ok || r.Status() != 0 {
		u.gate = nil
		return
	}
	var left []byte
	var buf [4096]byte
	for len(left) < maxGreeting {
		n, err := u.ReadMore(buf[:])
		left = append(left, buf[:n]...)
		if n == 0 || err != nil {
			break // an error comes again with the next read
		}
	}
	u.left, u.r = left, u.Conn
}

// tlsConfigs returns the ways to connect in the order they are tried; nil is
// without TLS. The server name goes out in every mode, so that an upstream
// behind SNI routing can be reached.
func tlsConfigs(t Target) ([]*tls.Config, error) {
	c := &tls.Config{ServerName: t.Host, RootCAs: t.Roots, MinVersion: max(t.MinTLSVersion, tls.VersionTLS12)}
	switch t.SSLMode {
	case "disable":
		return []*tls.Config{nil}, nil
	case "allow":
		c.InsecureSkipVerify = true
		return []*tls.Config{nil, c}, nil
	case "prefer":
		c.InsecureSkipVerify = true
		return []*tls.Config{c, nil}, nil
	case "require":
		c.InsecureSkipVerify = true
	case "verify-ca":
		// The chain is verified, the name is not.
		c.InsecureSkipVerify = true
		c.VerifyConnection = func(s tls.ConnectionState) error {
			opts := x509.VerifyOptions{Roots: t.Roots, Intermediates: x509.NewCertPool()}
			for _, cert := range s.PeerCertificates[1:] {
				opts.Intermediates.AddCert(cert)
			}
			_, err := s.PeerCertificates[0].Verify(opts)
			return err
		}
	case "verify-full", "":
	default:
		return nil, fmt.Errorf("ssl_mode %q is not one of disable, allow, prefer, require, verify-ca, verify-full", t.SSLMode)
	}
	return []*tls.Config{c}, nil
}
