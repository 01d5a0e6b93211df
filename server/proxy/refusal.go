package proxy

import (
	"fmt"
	"net"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// refusal is an error that a client is told.
type refusal struct {
	wire.Report
	// frame is the body of an upstream's ErrorResponse to pass on as it came;
	// nil when the report is ours.
	frame []byte
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s: %s (SQLSTATE %s)", r.Severity, r.Message, r.Code)
}

// appendTo appends the ErrorResponse.
func (r *refusal) appendTo(b []byte) []byte {
	if r.frame == nil {
		return wire.AppendReport(b, r.Report)
	}
	return wire.AppendBody(b, wire.ErrorResponse, r.frame)
}

func fatal(code, hint, format string, args ...any) *refusal {
	return &refusal{Report: wire.Report{Severity: wire.SeverityFatal, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}}
}

// SQLSTATEs that the proxy reports itself.
const (
	codeConnectionFailure = "08006"
	codeRejected          = "08004"
	codeProtocol          = "08P01"
	codeNotSupported      = "0A000"
	codeNotAuthorized     = "28000"
	codeWrongPassword     = "28P01"
	codeNoDatabase        = "3D000"
	codePrivilege         = "42501"
	codeSyntax            = "42601"
	codeUndefinedObject   = "42704"
	codeOutOfMemory       = "53200"
	codeTooMany           = "53300"
	codeRateExceeded      = "53400"
	codeTooComplex        = "54000"
	codeShutdown          = "57P01"
	codeCannotNow         = "57P03"
	codeSystem            = "58000"
	codeInternal          = "XX000"
)

func shuttingDown() *refusal {
	return fatal(codeShutdown, "Connect again.", "terminating connection due to administrator command")
}

// policyChanged ends a session that was set up for other rules than now hold.
func policyChanged() *refusal {
	return fatal(codeShutdown, "Connect again.", "terminating connection because the policy of this login changed")
}

func protocolViolation(err error) *refusal {
	return fatal(codeProtocol, "", "%s", err)
}

func wrongPassword(user string) *refusal {
	return fatal(codeWrongPassword, "", "password authentication failed for user %q", user)
}

func tooManyAttempts() *refusal {
	return fatal(codeRejected, "Wait a minute, then try again with the right password.", "too many authentication attempts")
}

func notInAllowlist(addr net.Addr) *refusal {
	return fatal(codeRejected, fmt.Sprintf("Add %s to the project's allowed_cidrs.", hostOf(addr)), "connection rejected: IP not in allowlist")
}

func projectNotFound(host string) *refusal {
	return fatal(codeRejected,
		"Connect to the project's own host name with TLS and SNI, or name the project: options=project=<subdomain>.",
		"project not found for hostname %q", host)
}

func expired(at time.Time) *refusal {
	return fatal(codeNotAuthorized, "Issue a new credential.", "credential expired at %s", at.UTC().Format(time.RFC3339))
}

func hostOf(addr net.Addr) string {
	host, _, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return host
}
