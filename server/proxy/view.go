package proxy

import (
	"net"
	"net/netip"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// view is one revision of a project as sessions need it. It never changes;
// a new revision is a new view.
type view struct {
	revision    int64
	project     store.Project
	databases   []store.Database
	credentials map[string]*principal // by credential id
	passthrough *refusal              // why users of the upstream may not log in; nil when they may
	standard    *ruling               // what the default policy asks of them
	ended       *refusal              // why nobody may; nil when the project is in service
}

// principal is an issued credential, and why it may not be used.
type principal struct {
	generation int
	expiresAt  *time.Time
	refused    *refusal
	kind       string // agent, human
	ruling     *ruling
}

// newView compiles a snapshot.
func newView(snap store.Snapshot) *view {
	v := &view{
		revision:    snap.Project.Revision,
		project:     snap.Project,
		databases:   snap.Databases,
		credentials: make(map[string]*principal, len(snap.Credentials)),
	}
	switch snap.Project.Status {
	case "active":
	case "deleted":
		v.ended = gone
	default:
		v.ended = fatal(codeNotAuthorized, "Set the project's status to active to use it again.", "project %s", snap.Project.Status)
	}
	policies := make(map[string]*refusal, len(snap.Policies))
	known := make(map[string]bool, len(snap.Policies))
	rulings := make(map[string]*ruling, len(snap.Policies))
	for _, p := range snap.Policies {
		policies[p.ID], known[p.ID] = refuseRules(p), true
		rulings[p.ID] = rulingOf(p.Rules)
	}
	policy := func(id string) *refusal {
		if !known[id] {
			return fatal(codeNotSupported, "Give the credential a policy that exists.", "policy %q of this login does not exist", id)
		}
		return policies[id]
	}
	if id := snap.Project.DefaultPolicyID; id != "" {
		v.passthrough, v.standard = policy(id), rulings[id]
	}
	for _, c := range snap.Credentials {
		p := &principal{generation: c.Generation, expiresAt: c.ExpiresAt, kind: c.PrincipalType, ruling: rulings[c.PolicyID]}
		switch {
		case c.Status == "revoked":
			p.refused = credentialRevoked()
		case c.Status != "active":
			p.refused = fatal(codeNotAuthorized, "Set the credential's status to active to use it again.", "credential %s", c.Status)
		case snap.Project.AgentsDisabled:
			p.refused = fatal(codeNotAuthorized, "Unset agents_disabled on the project.", "agents are disabled for this project")
		case capped(snap.Org):
			p.refused = fatal(codeNotAuthorized, "Raise or remove the organization's spend limit.", "spend limit reached")
		default:
			p.refused = policy(c.PolicyID)
		}
		v.credentials[c.ID] = p
	}
	return v
}

// capped reports whether an organization may spend nothing more. A limit of
// zero is reached before the first query.
func capped(o store.Organization) bool {
	return o.SpendCappedAt != nil || o.SpendLimit != nil && *o.SpendLimit == 0
}

// gone ends the sessions of a project that is no more.
var gone = fatal(codeNotAuthorized, "", "project deleted")

func credentialRevoked() *refusal {
	return fatal(codeNotAuthorized, "Issue a new credential.", "credential revoked")
}

// identity is who a session is: what a view is asked about.
type identity struct {
	credentialID string // "" for a user of the upstream
	generation   int
	databaseID   string
	addr         net.Addr
}

// refuse says why this identity may not go on, nil when it may.
func (v *view) refuse(id identity) *refusal {
	switch {
	case v.ended != nil:
		return v.ended
	case !v.allowed(id.addr):
		return notInAllowlist(id.addr)
	case !v.hasDatabase(id.databaseID):
		return fatal(codeNotAuthorized, "", "database removed from the project")
	}
	return v.refuseLogin(id)
}

// refuseLogin says why this login as such may not be used.
func (v *view) refuseLogin(id identity) *refusal {
	if id.credentialID == "" {
		return v.passthrough
	}
	p := v.credentials[id.credentialID]
	switch {
	case p == nil:
		return credentialRevoked()
	case p.refused != nil:
		return p.refused
	case p.generation != id.generation:
		return fatal(codeNotAuthorized, "Log in with the new password.", "credential rotated")
	case p.expiresAt != nil && !time.Now().Before(*p.expiresAt):
		return expired(*p.expiresAt)
	}
	return nil
}

// ruling is what the policy of this identity asks for, nil when it has none.
func (v *view) ruling(id identity) *ruling {
	if id.credentialID == "" {
		return v.standard
	}
	if p := v.credentials[id.credentialID]; p != nil {
		return p.ruling
	}
	return nil
}

// principalType is agent or human, "" for users of the upstream.
func (v *view) principalType(id identity) string {
	if p := v.credentials[id.credentialID]; p != nil {
		return p.kind
	}
	return ""
}

// posture is what the session of this identity must have been set up with.
func (v *view) posture(id identity) posture {
	if r := v.ruling(id); r != nil {
		return r.posture
	}
	return posture{}
}

// expiry is when this identity ends by itself; ok is false when it does not.
func (v *view) expiry(id identity) (at time.Time, ok bool) {
	if p := v.credentials[id.credentialID]; p != nil && p.expiresAt != nil {
		return *p.expiresAt, true
	}
	return time.Time{}, false
}

// allowed applies the project's address allowlist.
func (v *view) allowed(addr net.Addr) bool {
	if len(v.project.AllowedCIDRs) == 0 {
		return true
	}
	ip, ok := addrOf(addr)
	if !ok {
		return false
	}
	for _, c := range v.project.AllowedCIDRs {
		if c.Prefix.Contains(ip) {
			return true
		}
	}
	return false
}

func (v *view) hasDatabase(id string) bool {
	for i := range v.databases {
		if v.databases[i].ID == id {
			return true
		}
	}
	return false
}

// database finds the upstream that a startup packet asks for by name, the
// primary before a replica. No name, or the user's own, which libpq puts in
// when none is given, is the first primary for an issued login.
func (v *view) database(name, user string, issued bool) *store.Database {
	var found, primary *store.Database
	for i := range v.databases {
		d := &v.databases[i]
		isPrimary := d.Role == "primary"
		if primary == nil && isPrimary {
			primary = d
		}
		if d.Name == name && (found == nil || isPrimary && found.Role != "primary") {
			found = d
		}
	}
	if found == nil && (name == "" || issued && name == user) {
		return primary
	}
	return found
}

func addrOf(addr net.Addr) (netip.Addr, bool) {
	if t, ok := addr.(*net.TCPAddr); ok {
		ip, ok := netip.AddrFromSlice(t.IP)
		return ip.Unmap(), ok
	}
	p, err := netip.ParseAddrPort(addr.String())
	return p.Addr().Unmap(), err == nil
}
