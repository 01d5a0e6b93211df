package pool

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// SQLSTATEs of class 08 that a failed connection has.
const (
	codeConnectionFailure = "08006" // the upstream did not let us in
	codeCannotConnect     = "08001" // it could not be reached
)

// Error says why a login upstream failed. It never carries a password.
type Error struct {
	// Reached tells that the server answered in PostgreSQL's protocol: it is
	// alive, whatever it said.
	Reached bool
	// Report is the server's own ErrorResponse when Reached, else one of ours.
	Report wire.Report
	// Frame is the body of the server's ErrorResponse as it came, nil
	// when the error is ours.
	Frame []byte

	cause error
	ours  bool // this machine had no means to try
}

func (e *Error) Error() string {
	return fmt.Sprintf("connect to upstream: %s (SQLSTATE %s)", e.Report.Message, e.Report.Code)
}

// Unwrap returns a context's error when that ended the attempt.
func (e *Error) Unwrap() error { return e.cause }

// exhausted are the errors of a machine out of files, ports or memory.
var exhausted = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM}

// Authentication reports whether the upstream refused user or password.
func (e *Error) Authentication() bool {
	return e.Reached && strings.HasPrefix(e.Report.Code, "28")
}

func newError(t Target, err error, login *loginReader) *Error {
	e := &Error{}
	switch {
	case errors.Is(err, context.Canceled):
		e.cause = context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.cause = context.DeadlineExceeded
	}
	e.ours = slices.ContainsFunc(exhausted, func(no syscall.Errno) bool { return errors.Is(err, no) })
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		e.Reached = true
		e.Report = wire.Report{Severity: pg.SeverityUnlocalized, Code: pg.Code, Message: pg.Message, Detail: pg.Detail, Hint: pg.Hint}
		if e.Report.Severity == "" {
			e.Report.Severity = wire.SeverityFatal
		}
		if e.Report.Code == "" { // an ErrorResponse without SQLSTATE
			e.Report.Code = codeConnectionFailure
		} else if login != nil {
			e.Frame = login.failure
		}
		return e
	}
	reason, code := explain(err), codeCannotConnect
	if login != nil { // it was reached, and then something else went wrong
		code = codeConnectionFailure
	}
	e.Report = wire.Report{
		Severity: wire.SeverityFatal,
		Code:     code,
		Message:  fmt.Sprintf("could not connect to upstream database at %s: %s", net.JoinHostPort(t.Host, fmt.Sprint(t.Port)), reason),
		Hint:     hint(err, t),
	}
	return e
}

// explain finds the reason inside the layers that pgconn puts around it.
func explain(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &verify):
		return verify.Err.Error()
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return "timed out"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return "no such host"
		}
		return dns.Err
	case errors.As(err, &record):
		return "the server answered the TLS handshake with something else"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	for {
		var inner error
		switch w := err.(type) {
		case interface{ Unwrap() error }:
			inner = w.Unwrap()
		case interface{ Unwrap() []error }:
			if list := w.Unwrap(); len(list) > 0 {
				inner = list[0]
			}
		}
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func hint(err error, t Target) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return "The upstream's certificate is not signed by a trusted authority: trust its CA on the server, or choose another ssl_mode for the database."
	case errors.As(err, &name):
		return "The upstream's certificate is for another name: use that name as the database's host, or ssl_mode verify-ca."
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return fmt.Sprintf("The upstream does not offer TLS, and the database's ssl_mode is %s.", t.SSLMode)
	}
	return ""
}
