package proxy

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// login takes a client from its startup packet to a session. The order of
// admission: route, project in service, address, attempts, authentication,
// what the credential may do, a place, the upstream. Nobody learns about a
// credential without having proved to own it.
func (s *Server) login(c *client) (*session, error) {
	ctx, cancel := context.WithTimeout(s.logins, s.cfg.LoginTimeout)
	defer cancel()
	if s.full() {
		return nil, fatal(codeTooMany, "Try again later, or raise the proxy's limit.", "too many connections")
	}
	r, err := s.find(ctx, c)
	if err != nil {
		return nil, err
	}
	addr := c.raw.RemoteAddr()
	if r.view != nil {
		if ended := r.view.ended; ended != nil {
			f := *ended
			f.Code = codeRejected
			return nil, &f
		}
		if !r.view.allowed(addr) {
			return nil, notInAllowlist(addr)
		}
	}
	ip, _ := addrOf(addr)
	user := r.user // the same under each name that leads to it
	if r.issued {
		user = c.startup.user
	}
	key := keyOf(ip, user)
	if r.project != nil {
		key.project = r.project.id
	}
	if s.limiter.blocked(key) {
		return nil, tooManyAttempts()
	}
	if len(c.startup.unknown) > 0 || c.startup.minor > 0 {
		if _, err := c.conn.Write(wire.AppendNegotiateProtocolVersion(nil, c.startup.unknown)); err != nil {
			return nil, err
		}
	}
	if r.issued {
		if err := s.authenticate(c, r.credential, key); err != nil {
			return nil, err
		}
		return s.loginIssued(c, r)
	}
	return s.loginPassthrough(c, r, key)
}

// loginIssued goes on with a client that owns a credential of ours: upstream
// it is the database's own user.
func (s *Server) loginIssued(c *client, r *route) (*session, error) {
	if c.startup.replicates() {
		return nil, fatal(codeNotSupported, "Connect to the database itself to replicate.", "replication is not available to issued credentials")
	}
	var reserved string
	c.startup.settings(func(name, _ string) {
		if strings.HasPrefix(strings.ToLower(name), "pgbeam.") {
			reserved = name
		}
	})
	if reserved != "" {
		return nil, fatal(codePrivilege, "Leave it out of the connection string.", "setting %q is the proxy's own", reserved)
	}
	id := identity{credentialID: r.credential.ID, generation: r.credential.Generation, addr: c.raw.RemoteAddr()}
	if refused := r.view.refuseLogin(id); refused != nil {
		return nil, refused
	}
	db := r.view.database(c.startup.database, c.startup.user, true)
	if db == nil {
		return nil, fatal(codeNoDatabase, "", "database %q does not exist in this project", c.startup.database)
	}
	id.databaseID = db.ID
	ss, err := s.open(c, r.project, db, id, db.Username, db.Password)
	var e *pool.Error
	if errors.As(err, &e) {
		return nil, upstreamRefused(e)
	}
	if err != nil {
		return nil, err
	}
	s.reports.used(r.credential.ID, time.Now())
	return ss, nil
}

// loginPassthrough lets the upstream decide: it sees the client's own user
// and password, which nobody keeps.
func (s *Server) loginPassthrough(c *client, r *route, key attemptKey) (*session, error) {
	if r.view.passthrough != nil {
		return nil, r.view.passthrough
	}
	password, err := c.askPassword()
	if err != nil {
		return nil, err
	}
	if s.limiter.blocked(key) {
		return nil, tooManyAttempts()
	}
	db := r.view.database(c.startup.database, r.user, false)
	if db == nil {
		return nil, fatal(codeNoDatabase, "", "database %q does not exist in this project", c.startup.database)
	}
	ss, err := s.open(c, r.project, db, identity{databaseID: db.ID, addr: c.raw.RemoteAddr()}, r.user, password)
	var e *pool.Error
	if errors.As(err, &e) {
		if e.Authentication() {
			s.limiter.failed(key)
		}
		return nil, &refusal{e.Report, e.Frame}
	}
	return ss, err
}

// upstreamRefused is what an issued login is told when its upstream does not
// take the stored credentials: that is not the client's password.
func upstreamRefused(e *pool.Error) *refusal {
	if !e.Authentication() {
		return &refusal{e.Report, e.Frame}
	}
	return fatal(codeConnectionFailure, "Correct username and password of the project's database.", "%s", e.Report.Message)
}

// open takes a place in the project, dials upstream, and greets the client.
func (s *Server) open(c *client, p *project, db *store.Database, id identity, user string, password secret.Text) (*session, error) {
	v := p.view.Load()
	under := v.ruling(id)
	target := s.target(db, c.startup, user, password)
	var notices []byte
	if under != nil {
		if refused := under.admit(c.startup, id.credentialID != ""); refused != nil {
			return nil, refused
		}
		notices = under.prepare(&target, id, v.principalType(id))
	}
	if refused := p.take(); refused != nil {
		return nil, refused
	}
	s.reports.connections(p.id, 1)
	kept := false
	defer func() {
		if !kept {
			p.giveBack()
			s.reports.connections(p.id, -1)
		}
	}()
	ctx, cancel := context.WithTimeout(s.logins, s.cfg.LoginTimeout)
	defer cancel()
	_ = c.raw.SetDeadline(time.Now().Add(2 * s.cfg.LoginTimeout))
	up, err := s.dialer.Dial(ctx, p.id, target)
	if err != nil {
		return nil, err
	}
	ss := newSession(s, c, p, up, id)
	if under != nil {
		ground, err := under.settle(ctx, up)
		if err != nil {
			ss.closeUpstream(false)
			return nil, err
		}
		ss.posture, ss.wanted = under.posture, under.posture
		ss.enforcer = newEnforcer(ss, db, user, ground)
		ss.enforcer.begun(startup{params: target.RuntimeParams}, under)
	}
	if err := s.register(ss); err != nil {
		ss.closeUpstream(true)
		return nil, err
	}
	if refused := ss.join(); refused != nil {
		s.unregister(ss)
		ss.closeUpstream(true)
		return nil, refused
	}
	var hello []byte
	if id.credentialID == "" {
		hello = wire.AppendAuthenticationOk(hello)
	}
	hello = append(append(hello, up.Greeting...), notices...)
	up.Greeting = nil
	if s.cfg.Region != "" {
		hello = wire.AppendParameterStatus(hello, "pgbeam.region", s.cfg.Region)
	}
	hello = wire.AppendBackendKeyData(hello, ss.key)
	ss.hello = wire.AppendReadyForQuery(hello, 'I')
	kept = true
	return ss, nil
}

// target is where and how to log in for a client. The database's query
// timeout is a default for the session, set after whatever the client asked
// for; it is no policy.
func (s *Server) target(db *store.Database, st startup, user string, password secret.Text) pool.Target {
	params := maps.Clone(st.params)
	if st.replication != "" {
		params["replication"] = st.replication
	}
	if db.QueryTimeoutMs > 0 {
		maps.DeleteFunc(params, func(name, _ string) bool { return strings.EqualFold(name, "statement_timeout") })
		params["statement_timeout"] = strconv.Itoa(db.QueryTimeoutMs)
	}
	return pool.Target{
		Host: db.Host, Port: db.Port, Database: db.Name, User: user, Password: password, SSLMode: db.SSLMode,
		RuntimeParams: params, Roots: s.cfg.UpstreamRoots, MinTLSVersion: s.cfg.UpstreamMinTLS,
	}
}
