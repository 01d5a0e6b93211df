package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// counters are members that change without anybody changing the resource; an
// ETag does not see them.
var counters = []string{"active_connections", "last_used_at", "last_seen_at", "current_period_end"}

// entityTag is a strong hash of a representation without its counters.
func entityTag(body []byte) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err == nil {
		for _, name := range counters {
			delete(members, name)
		}
		if canonical, err := json.Marshal(members); err == nil {
			body = canonical
		}
	}
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// tag puts the ETag on a read and answers 304 when the caller has it already.
func (a *answer) tag(r *http.Request) {
	etag := entityTag(a.body.Bytes())
	a.header.Set("ETag", etag)
	if none := r.Header.Values("If-None-Match"); len(none) > 0 && matches(none, etag, true) {
		a.status = http.StatusNotModified
		a.body.Reset()
		a.header.Del("Content-Type")
	}
}

// matches reports whether a list of entity tags names etag. Weak tags count
// only where a weak comparison will do (RFC 9110, section 8.8.3.2).
func matches(header []string, etag string, weak bool) bool {
	for _, line := range header {
		for _, tag := range strings.Split(line, ",") {
			tag = strings.TrimSpace(tag)
			if weak {
				tag = strings.TrimPrefix(tag, "W/")
			}
			if tag == "*" || tag == etag {
				return true
			}
		}
	}
	return false
}

// current gives the path and operation that read what an update changes.
func (s *server) current(c *call) (*operation, string) {
	if c.op.id == "updateSpendLimit" {
		return s.operations["GET /v1/organizations/{org_id}/plan"], "/v1/organizations/" + c.path["org_id"] + "/plan"
	}
	return s.operations[http.MethodGet+" "+c.op.path], ""
}

// checkUnset holds the writes that also create to If-None-Match: *, inside the
// transaction that makes them: they happen only if nobody has set what they
// set. A cache rule's entry and an organization's plan exist before that.
func (s *server) checkUnset(r *http.Request, c *call) error {
	wanted := r.Header.Values("If-None-Match")
	if len(wanted) == 0 || !matches(wanted, "", false) {
		return nil
	}
	var set bool
	switch c.op.id {
	case "updateCacheRule":
		_, d, err := c.database(c.path["project_id"], c.path["database_id"])
		if err != nil {
			return err
		}
		rule, err := c.tx.CacheRules().Get(d.ID, c.path["query_hash"])
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		set = err == nil && rule.CacheEnabled
	case "updateSpendLimit":
		if err := c.organization(c.path["org_id"]); err != nil {
			return err
		}
		org, err := c.tx.Organizations().Get("", c.path["org_id"])
		if err != nil {
			return err
		}
		set = org.SpendLimit != nil
	}
	if !set {
		return nil
	}
	return &problem{
		status: http.StatusPreconditionFailed,
		code:   codePreconditionFailed,
		detail: "it is set already; to change it, send the request without If-None-Match",
	}
}

// checkMatch holds an update to its If-Match header, inside the transaction
// that makes it.
func (s *server) checkMatch(ctx context.Context, r *http.Request, c *call) error {
	wanted := r.Header.Values("If-Match")
	if len(wanted) == 0 || c.op.method == http.MethodPost {
		return nil
	}
	get, path := s.current(c)
	if get == nil || !get.read {
		return &problem{
			status: http.StatusPreconditionFailed,
			code:   codePreconditionFailed,
			detail: "this resource cannot be read by itself and has no ETag; send the request without If-Match",
		}
	}
	probe := r.Clone(ctx)
	probe.Method = http.MethodGet
	if path != "" {
		url := *r.URL
		url.Path, url.RawPath = path, ""
		probe.URL = &url
	}
	a, err := s.run(ctx, probe, c, nil)
	if err != nil {
		return err
	}
	etag := entityTag(a.body.Bytes())
	if matches(wanted, etag, false) {
		return nil
	}
	return &problem{
		status: http.StatusPreconditionFailed,
		code:   codePreconditionFailed,
		detail: "the resource has changed since it was read; read it again and repeat the change on what it is now",
		header: map[string]string{"ETag": etag},
	}
}
