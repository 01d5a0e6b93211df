package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// call is one request on its way through the server. It travels in the
// context, because the generated handlers leave no other road.
type call struct {
	id   string // of the request
	op   *operation
	path map[string]string // path parameters
	key  store.Key         // who asks; zero for an open operation
	body []byte            // as admitted, for operation.outside

	// tx is the transaction that the operation runs in. The operation may run
	// again in another one, so what follows is set anew by each run.
	tx       store.Tx
	found    any    // what operation.outside brought
	resource string // id of what the operation made or changed
	err      error  // why the operation was refused
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// failCall takes the errors of the generated code and of the operations; the
// response is written once the transaction has ended.
func failCall(_ http.ResponseWriter, r *http.Request, err error) { callOf(r.Context()).err = err }

// answer is a response held in memory until its transaction has committed.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := s.clock()
	c := &call{id: store.NewID("req_")}
	w.Header().Set("X-Request-Id", c.id)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if mayRepeat(r) {
		w.Header().Set(headerReplayed, "false")
	}

	a, err := s.respond(w, r, c)
	if err != nil {
		a = s.refuse(r, c, err)
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(a.body.Len()))
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the client may be gone; the effect stands
	s.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", a.status,
		"request_id", c.id, "key", c.key.ID, "duration", s.clock().Sub(start))
}

// refuse renders an error and logs the ones that are ours to investigate.
func (s *server) refuse(r *http.Request, c *call, err error) *answer {
	p, ours := problemOf(err)
	if ours {
		s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "request_id", c.id, "error", err)
	}
	a := &answer{status: p.status, header: http.Header{}}
	a.header.Set("Content-Type", "application/json")
	for name, value := range p.header {
		a.header.Set(name, value)
	}
	a.body.Write(p.body(r.URL.Path, c.id))
	return a
}

// respond takes a request through every check to its operation.
func (s *server) respond(w http.ResponseWriter, r *http.Request, c *call) (_ *answer, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic before the operation: %v\n%s", cause, debug.Stack())
		}
	}()
	if err := s.route(r, c); err != nil {
		return nil, err
	}
	ctx := context.WithValue(r.Context(), callKey{}, c)
	if !c.op.open {
		if c.key, err = s.authenticate(ctx, r); err != nil {
			return nil, err
		}
		if err := s.limits.admit(c.key.ID, w.Header()); err != nil {
			return nil, err
		}
	}
	if c.op.pending != "" {
		return nil, notImplemented(c.op.id)
	}
	if err := checkParameters(c.op, c.path, r.URL.RawQuery); err != nil {
		return nil, err
	}
	body, err := readBody(c.op, w, r)
	if err != nil {
		return nil, err
	}
	switch {
	case c.op.open:
		return s.run(ctx, r, c, body)
	case c.op.method == http.MethodGet:
		return s.read(ctx, r, c)
	}
	return s.change(ctx, r, c, body)
}

// route finds the operation of a request, or says which methods its path has.
func (s *server) route(r *http.Request, c *call) error {
	missing := &problem{
		status: http.StatusNotFound,
		code:   codeNotFound,
		detail: "there is nothing at this path; all paths start with /v1",
	}
	if r.URL.Path != path.Clean(r.URL.Path) {
		return missing // the mux would redirect, which drops bodies
	}
	_, pattern := s.mux.Handler(r)
	op := s.operations[pattern]
	if op == nil {
		allowed := s.allowed(r)
		if len(allowed) == 0 {
			return missing
		}
		return &problem{
			status: http.StatusMethodNotAllowed,
			code:   codeMethodNotAllowed,
			detail: fmt.Sprintf("%s is not possible here, only %s", r.Method, strings.Join(allowed, ", ")),
			header: map[string]string{"Allow": strings.Join(allowed, ", ")},
		}
	}
	c.op = op
	c.path = map[string]string{}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, name := range strings.Split(op.path, "/") {
		if strings.HasPrefix(name, "{") {
			value, err := url.PathUnescape(segments[i])
			if err != nil {
				return missing
			}
			c.path[strings.Trim(name, "{}")] = value
		}
	}
	return nil
}

func (s *server) allowed(r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); s.operations[pattern] != nil {
			methods = append(methods, method)
		}
	}
	return methods
}

// run calls the operation and holds its answer.
func (s *server) run(ctx context.Context, r *http.Request, c *call, body []byte) (a *answer, err error) {
	defer func() { // here, so that the transaction around it is rolled back
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic in %s: %v\n%s", c.op.id, cause, debug.Stack())
		}
	}()
	c.err, c.resource = nil, ""
	a = &answer{status: http.StatusOK, header: http.Header{}}
	inner := r.Clone(ctx)
	inner.Body = io.NopCloser(bytes.NewReader(body))
	inner.ContentLength = int64(len(body))
	s.mux.ServeHTTP(a, inner)
	return a, c.err
}

// read runs a GET on one snapshot of the store.
func (s *server) read(ctx context.Context, r *http.Request, c *call) (*answer, error) {
	var a *answer
	err := s.store.View(ctx, func(tx store.Tx) (err error) {
		c.tx = tx
		a, err = s.run(ctx, r, c, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.header.Set("Cache-Control", "private, no-cache")
	if c.op.read {
		a.tag(r)
	}
	return a, nil
}

// change runs a writing operation: effect, precondition and the response kept
// for the idempotency key are one transaction.
func (s *server) change(ctx context.Context, r *http.Request, c *call, body []byte) (*answer, error) {
	c.body = body
	once, err := s.onceOf(r, c, body)
	if err != nil {
		return nil, err
	}
	if c.op.outside != nil && !s.kept(ctx, once) {
		if c.found, err = c.op.outside(ctx, c); err != nil {
			return nil, err
		}
	}
	var a *answer
	err = s.store.Update(ctx, func(tx store.Tx) error {
		c.tx = tx
		replay, err := once.replay(tx)
		if err != nil || replay != nil {
			a = replay
			return err
		}
		if err := s.checkMatch(ctx, r, c); err != nil {
			return err
		}
		if err := s.checkUnset(r, c); err != nil {
			return err
		}
		if a, err = s.run(ctx, r, c, body); err != nil {
			return err
		}
		return once.keep(tx, c.resource, a, s.now())
	})
	if err != nil {
		return nil, s.keepRefusal(ctx, r, c, once, err)
	}
	if s.tagged(c.op) && a.status == http.StatusOK {
		a.header.Set("ETag", entityTag(a.body.Bytes()))
	}
	return a, nil
}

// tagged reports whether the response of an update is the representation that
// a GET of the same path gives.
func (s *server) tagged(op *operation) bool {
	get := s.operations[http.MethodGet+" "+op.path]
	return get != nil && get.read && (op.method == http.MethodPut || op.method == http.MethodPatch)
}

// organization refuses an organization that is not the key's own: as unknown
// where the document lets the operation say so, as forbidden elsewhere.
func (c *call) organization(id string) error {
	if id == c.key.OrgID {
		return nil
	}
	if c.op.statuses[http.StatusNotFound] {
		return notFound("organization", id)
	}
	return forbidden("this API key does not belong to organization %s; use a key of that organization", id)
}

// project finds a project of the caller's organization.
func (c *call) project(id string) (store.Project, error) {
	p, err := c.tx.Projects().Get(c.key.OrgID, id)
	if err != nil {
		return p, missing(err, "project", id)
	}
	return p, nil
}

// lookUp finds a record of one project of the caller's organization.
func lookUp[T any](c *call, table store.Table[T], kind, projectID, id string) (T, error) {
	var none T
	if _, err := c.project(projectID); err != nil {
		return none, err
	}
	record, err := table.Get(projectID, id)
	if err != nil {
		return none, missing(err, kind, id)
	}
	return record, nil
}

// missing names what was not found; other errors pass.
func missing(err error, kind, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound(kind, id)
	}
	return err
}

// future checks an expiry that a caller asks for.
func (s *server) future(field string, at *time.Time) error {
	if at != nil && !at.After(s.now()) {
		return invalid(fieldError{field, "must be in the future"})
	}
	return nil
}

// newToken makes a token and its hash.
func newToken(prefix string) (secret.Text, string) {
	token := secret.NewToken(prefix)
	return token, secret.HashToken(token.Reveal())
}
