package proxy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/meter"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// subjectOf is whose budget a session spends: its credential's, or that of the
// user of the database.
func subjectOf(s *session, db *store.Database, user string) string {
	if s.id.credentialID != "" {
		return s.id.credentialID
	}
	return strings.Join([]string{s.proj.id, db.ID, user}, "/")
}

// chargeable reports whether running a statement counts against a budget.
// Transaction control and resets are free: a client can always end what it has
// begun, and give its connection back to a pool.
func chargeable(s *policy.Statement) bool { return s.Kind != policy.Transaction && !s.Resets }

// charged is how many of the statements of a text count.
func (v verdict) charged() int {
	n := 0
	for i := range v.Statements {
		if chargeable(&v.Statements[i]) {
			n++
		}
	}
	return n
}

// charge spends n statements of the budget, before they run, or says why they
// may not.
func (e *enforcer) charge(n int) *wire.Report {
	b := e.ruling.budget
	if n == 0 || b.PerHour == 0 && b.PerDay == 0 {
		return nil
	}
	b.Subject = e.subject
	err := e.of.srv.meter.Charge(e.of.ctx, b, n)
	var spent *meter.Exhausted
	switch {
	case err == nil:
		return nil
	case errors.As(err, &spent):
		return &wire.Report{
			Severity: wire.SeverityError, Code: codeRateExceeded,
			Message: fmt.Sprintf("PgBeam agent %s query budget exhausted; resets at %s; ask your operator to raise the limit", spent.Window, spent.Resets.UTC().Format(time.RFC3339)),
		}
	}
	e.of.srv.log.Warn("charge budget failed, statements are refused", "project", e.of.proj.id, "error", err)
	return &wire.Report{
		Severity: wire.SeverityError, Code: codeSystem, Message: "the query budget of this login cannot be read now, and nothing runs without it",
		Hint: "Try again in a moment; the operator finds the reason in the log of PgBeam.",
	}
}

// chargePortal is charge for the first Execute of a portal that may be any of
// list. s is what is known of it.
func (e *enforcer) chargePortal(s *slot, list []*prepared) *wire.Report {
	if s == nil { // a cursor of SQL
		return e.charge(1)
	}
	if s.charged {
		return nil
	}
	for _, p := range list {
		if p.charged {
			s.charged = true
			return e.charge(1)
		}
	}
	return nil
}
