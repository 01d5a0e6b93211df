package proxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/xdg-go/scram"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// client is a connection that has said what it wants.
type client struct {
	raw     net.Conn  // as accepted
	conn    *tls.Conn // what is spoken on
	host    string    // server name that the client asked for; "" is none
	channel scram.ChannelBinding
	startup startup
}

// errDone says that a connection has been served: a cancel request.
var errDone = errors.New("connection served")

// peeked is a connection whose first bytes were read already.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) {
	if p.r.Buffered() > 0 {
		return p.r.Read(b)
	}
	return p.Conn.Read(b)
}

const tlsHandshake = 0x16 // first byte of a TLS record that starts a handshake

// receive brings a connection to its startup packet under TLS. Only
// negotiation happens in plain text, and nothing that was sent before the
// handshake is ever read as if it came after it.
func (s *Server) receive(raw net.Conn) (*client, error) {
	plain := bufio.NewReaderSize(raw, 16) // the longest request in plain text
	first, err := plain.Peek(1)
	if err != nil {
		return nil, err
	}
	direct := first[0] == tlsHandshake
	if !direct {
		if err := s.negotiate(raw, plain); err != nil {
			return nil, err
		}
	}
	var b binding
	conn := tls.Server(peeked{raw, plain}, b.config(s.cfg.TLS))
	if err := conn.HandshakeContext(s.base); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	state := conn.ConnectionState()
	c := &client{raw: raw, conn: conn, host: state.ServerName, channel: b.channel()}
	if direct && state.NegotiatedProtocol != alpn {
		return c, fatal(codeProtocol, "Use a client that sends ALPN \"postgresql\", or sslnegotiation=postgres.",
			"received direct SSL connection request without ALPN protocol negotiation extension")
	}
	code, body, err := wire.ReadStartup(conn)
	if err != nil {
		var length *wire.LengthError
		if errors.As(err, &length) {
			return c, protocolViolation(err)
		}
		return nil, err
	}
	switch {
	case code == wire.CodeCancel:
		return nil, s.cancelRequest(body)
	case code == wire.CodeSSL || code == wire.CodeGSSENC:
		return c, fatal(codeProtocol, "", "encryption was requested on a connection that is encrypted already")
	case code>>16 != wire.Version30>>16:
		return c, fatal(codeNotSupported, "", "unsupported frontend protocol %d.%d: server supports 3.0 to 3.0", code>>16, code&0xffff)
	}
	c.startup, err = parseStartup(code, body)
	return c, err
}

// negotiate answers requests in plain text until the client is to start TLS.
// Each kind of request is answered once.
func (s *Server) negotiate(raw net.Conn, plain *bufio.Reader) error {
	var gss bool
	for {
		code, body, err := wire.ReadStartup(plain)
		if err != nil {
			var length *wire.LengthError
			if errors.As(err, &length) {
				return protocolViolation(err)
			}
			return err
		}
		answer := byte('S')
		switch {
		case code == wire.CodeCancel:
			return s.cancelRequest(body)
		case code == wire.CodeSSL:
		case code == wire.CodeGSSENC && !gss:
			gss, answer = true, 'N'
		case code == wire.CodeGSSENC:
			return fatal(codeProtocol, "", "GSSENCRequest was answered already")
		case code>>16 == wire.Version30>>16:
			return fatal(codeNotAuthorized, "Connect with sslmode=require or stronger.", "TLS is required")
		default:
			return fatal(codeNotSupported, "", "unsupported frontend protocol %d.%d: server supports 3.0 to 3.0", code>>16, code&0xffff)
		}
		if len(body) > 0 {
			return fatal(codeProtocol, "", "invalid length of encryption request")
		}
		if plain.Buffered() > 0 {
			return fatal(codeProtocol, "This could be an attack by somebody between client and server.", "received unencrypted data after encryption request")
		}
		if _, err := raw.Write([]byte{answer}); err != nil {
			return err
		}
		if answer == 'S' {
			return nil
		}
		// A client that insists on GSSAPI leaves here; others ask for TLS.
	}
}

func (s *Server) cancelRequest(body []byte) error {
	key, err := wire.ParseCancel(body)
	if err != nil {
		return protocolViolation(err)
	}
	s.cancel(key)
	return errDone
}

// serve takes a connection from its first byte to its last.
func (s *Server) serve(raw net.Conn) {
	defer linger(raw)
	_ = raw.SetDeadline(time.Now().Add(s.cfg.LoginTimeout))
	c, err := s.receive(raw)
	if c == nil { // nothing was agreed on: what is said is said in plain text
		var r *refusal
		if errors.As(err, &r) {
			_, _ = raw.Write(r.appendTo(nil))
		}
		s.logRefusal(raw, nil, err)
		return
	}
	var ss *session
	if err == nil {
		ss, err = s.login(c)
	}
	if err != nil {
		var r *refusal
		if errors.As(err, &r) {
			_ = raw.SetDeadline(time.Now().Add(time.Second))
			_, _ = c.conn.Write(r.appendTo(nil))
			_ = c.conn.CloseWrite()
		}
		s.logRefusal(raw, c, err)
		return
	}
	ss.run()
}

// linger closes the sending half and waits a moment for the client to do the
// same: closing with its bytes unread would reset the connection, and destroy
// what it was told.
func linger(raw net.Conn) {
	half, ok := raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = raw.SetReadDeadline(time.Now().Add(farewell / 4))
	_, _ = io.Copy(io.Discard, io.LimitReader(raw, 1<<20))
}

func (s *Server) logRefusal(raw net.Conn, c *client, err error) {
	if err == nil || errors.Is(err, errDone) || errors.Is(err, io.EOF) || s.base.Err() != nil {
		return // port checks come and go
	}
	attrs := []any{"client", raw.RemoteAddr().String(), "reason", err.Error()}
	if c != nil {
		attrs = append(attrs, "host", c.host, "user", c.startup.user)
	}
	s.log.Info("client refused", attrs...)
}
