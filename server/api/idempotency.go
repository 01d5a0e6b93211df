package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

var idempotencyKey = regexp.MustCompile(`^[\x21-\x7e]{1,255}$`)

// once is the Idempotency-Key of a request; nil when it has none. The store
// keeps a response for 24 hours.
type once struct {
	orgID, key string
	request    string // hash of method, path, query and canonical body
}

// headerReplayed says of every answer to a request with a key whether it is
// the one kept from an earlier request. A client that has a refusal knows by
// "false" that what it complains of is so now, and need not ask again.
const headerReplayed = "Idempotent-Replayed"

// mayRepeat reports whether a request has a key that means something: on POST
// and PATCH only, as GET, PUT and DELETE repeat themselves safely.
func mayRepeat(r *http.Request) bool {
	return len(r.Header.Values("Idempotency-Key")) > 0 && (r.Method == http.MethodPost || r.Method == http.MethodPatch)
}

// onceOf reads the key of a request.
func (s *server) onceOf(r *http.Request, c *call, body []byte) (*once, error) {
	if !mayRepeat(r) {
		return nil, nil
	}
	values := r.Header.Values("Idempotency-Key")
	if len(values) > 1 || !idempotencyKey.MatchString(values[0]) {
		return nil, invalid(fieldError{"Idempotency-Key", "must be one value of 1 to 255 printable ASCII characters, best a UUID"})
	}
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	h.Write(body)
	return &once{
		orgID:   c.key.OrgID,
		key:     values[0],
		request: hex.EncodeToString(h.Sum(nil)),
	}, nil
}

// replay returns the answer kept for the key, or nil when this is the first
// request with it.
func (o *once) replay(tx store.Tx) (*answer, error) {
	if o == nil {
		return nil, nil
	}
	kept, err := tx.Idempotent(o.orgID, o.key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case kept.RequestHash != o.request:
		return nil, &problem{
			status: http.StatusConflict,
			code:   codeIdempotencyKeyReused,
			detail: "this Idempotency-Key was used for another request in the last 24 hours; use a new key for a new request",
		}
	}
	a := &answer{status: kept.Status, header: http.Header{}}
	a.header.Set("Content-Type", "application/json")
	a.header.Set(headerReplayed, "true")
	a.body.Write(kept.Body)
	return a, nil
}

// keep stores the answer beside the effect it describes.
func (o *once) keep(tx store.Tx, resource string, a *answer, now time.Time) error {
	if o == nil {
		return nil
	}
	return tx.KeepResponse(store.IdempotentResponse{
		OrgID:       o.orgID,
		Key:         o.key,
		RequestHash: o.request,
		ResourceID:  resource,
		Status:      a.status,
		Body:        a.body.Bytes(),
		CreatedAt:   now,
	})
}

// kept reports whether the request will be answered from memory, so that work
// outside the transaction can be spared.
func (s *server) kept(ctx context.Context, o *once) bool {
	if o == nil {
		return false
	}
	found := false
	err := s.store.View(ctx, func(tx store.Tx) error {
		a, err := o.replay(tx)
		found = a != nil || err != nil
		return err
	})
	return found && err == nil
}

// keepRefusal keeps the refusal of an operation, whose effects were rolled
// back, and returns it. A refusal because another record is in the way is kept
// as that record's, so that it is forgotten when the record goes.
//
// Not kept: what may pass by itself (408, 429, 5xx), what depends on headers
// that the key does not cover (412), and a reused key.
func (s *server) keepRefusal(ctx context.Context, r *http.Request, c *call, o *once, refusal error) error {
	p, _ := problemOf(refusal)
	if o == nil || p.status >= http.StatusInternalServerError || p.code == codeIdempotencyKeyReused {
		return refusal
	}
	switch p.status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusPreconditionFailed:
		return refusal
	}
	a := &answer{status: p.status}
	a.body.Write(p.body(r.URL.Path, c.id))
	err := s.store.Update(ctx, func(tx store.Tx) error {
		if first, err := o.replay(tx); err != nil || first != nil {
			return err // a repetition was faster; its answer stays
		}
		return o.keep(tx, p.existingID, a, s.now())
	})
	if err != nil {
		s.log.Warn("refusal was not kept for its idempotency key", "request_id", c.id, "error", err)
	}
	return refusal
}
