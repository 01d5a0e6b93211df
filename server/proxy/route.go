package proxy

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// route is where a startup packet leads.
type route struct {
	project *project // nil while unknown: an issued user name that does not exist
	fresh   bool     // project was not held before
	view    *view    // of project
	issued  bool     // PgBeam authenticates this user, not the upstream
	// credential is the issued login; nil when issued but unknown.
	credential *store.Credential
	user       string // name to log in upstream with, unless issued
}

// issuedName is what issued user names look like. Such a name is never tried
// upstream: whether it exists must not show.
var issuedName = regexp.MustCompile(`^agent_[0-9a-f]{12}$`)

// find reads the store for where c leads.
func (s *Server) find(ctx context.Context, c *client) (*route, error) {
	var r *route
	var refused *refusal
	err := s.cfg.Store.View(ctx, func(tx store.Tx) error {
		refused = nil // the store may run this again
		var err error
		r, err = s.route(tx, c.host, c.startup)
		if errors.As(err, &refused) {
			return nil
		}
		return err
	})
	if refused != nil {
		return nil, refused
	}
	if err == nil && r.fresh {
		err = s.registry.refresh(ctx, r.project.id)
	}
	if err != nil {
		s.log.Warn("look up login failed", "error", err)
		return nil, fatal(codeCannotNow, "Try again in a moment.", "the configuration cannot be read, so that this login cannot be checked")
	}
	if r.project != nil {
		r.view = s.registry.current(ctx, r.project)
	}
	return r, nil
}

// route applies the order of decision: a host name that names a project
// binds everything else.
func (s *Server) route(tx store.Tx, host string, st startup) (*route, error) {
	named, err := s.projectOfHost(tx, host)
	if err != nil {
		return nil, err
	}
	if st.project != "" {
		p, err := tx.ProjectBySubdomain(st.project)
		if errors.Is(err, store.ErrNotFound) || err == nil && named != "" && named != p.ID {
			return nil, fatal(codeRejected, "Take the startup option project= from the project's connection string.",
				"project %q of the startup options not found for hostname %q", st.project, host)
		}
		if err != nil {
			return nil, err
		}
		named = p.ID
	}
	if strings.HasPrefix(st.user, "agent_") {
		cred, err := tx.CredentialByUsername(st.user)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		r := &route{issued: true}
		if err == nil && (named == "" || named == cred.ProjectID) {
			r.credential, named = &cred, cred.ProjectID
		}
		if err == nil || issuedName.MatchString(st.user) {
			if named == "" {
				// As many questions to the store as for a name that exists.
				_, _ = tx.Projects().Get("", "")
				return r, nil
			}
			return s.loaded(tx, named, r, host)
		}
	}
	r := &route{user: st.user}
	sub, user, ok := strings.Cut(st.user, "/")
	if ok {
		p, err := tx.ProjectBySubdomain(strings.ToLower(sub))
		switch {
		case errors.Is(err, store.ErrNotFound): // a user name may have a slash
		case err != nil:
			return nil, err
		case named == "" || named == p.ID:
			named, r.user = p.ID, user
		}
	}
	if named == "" {
		p, err := tx.SoleProject()
		if errors.Is(err, store.ErrNotFound) {
			return nil, projectNotFound(host)
		}
		if err != nil {
			return nil, err
		}
		named = p.ID
	}
	return s.loaded(tx, named, r, host)
}

// projectOfHost returns the id of the project that a host name names, "" when
// it names none. A deployment with a proxy domain knows all its names; one
// without is reached by whatever name leads to it.
func (s *Server) projectOfHost(tx store.Tx, host string) (string, error) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	end := s.cfg.Endpoint
	if host == "" || host == strings.ToLower(end.Host) || host == strings.ToLower(end.ProxyDomain) || net.ParseIP(host) != nil {
		return "", nil
	}
	var p store.Project
	var err error
	if sub := end.Subdomain(host); sub != "" {
		p, err = tx.ProjectBySubdomain(sub)
	} else {
		p, err = tx.ProjectByDomain(host)
		if errors.Is(err, store.ErrNotFound) && end.ProxyDomain == "" {
			return "", nil
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return "", projectNotFound(host)
	}
	return p.ID, err
}

func (s *Server) loaded(tx store.Tx, id string, r *route, host string) (*route, error) {
	var err error
	r.project, r.fresh, err = s.registry.load(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, projectNotFound(host)
	}
	return r, err
}
