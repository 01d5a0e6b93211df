package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// keyPrefixes are those of API keys; all are resolved alike, by hash.
var keyPrefixes = []string{"pgb_", "pbk_", "pbo_", "pbu_"}

// authenticate finds the key that a request carries, in Authorization or
// X-API-Key, and refuses one that may not be used.
func (s *server) authenticate(ctx context.Context, r *http.Request) (store.Key, error) {
	token, err := bearer(r)
	if err != nil {
		return store.Key{}, err
	}
	switch {
	case strings.HasPrefix(token, "pba_"):
		return store.Key{}, badKey("this is the MCP token of an agent credential, which opens only its project's MCP endpoint; use an API key (pgb_…)")
	case strings.HasPrefix(token, "pbh_"):
		return store.Key{}, badKey("this is a self-host enrollment token, which only connects a data plane; use an API key (pgb_…)")
	case !slices.ContainsFunc(keyPrefixes, func(p string) bool { return strings.HasPrefix(token, p) }):
		return store.Key{}, badKey("this is not an API key: one starts with pgb_, pbk_, pbo_ or pbu_")
	}
	var key store.Key
	err = s.store.View(ctx, func(tx store.Tx) error {
		key, err = tx.KeyByHash(secret.HashToken(token))
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Key{}, badKey("this API key is unknown; `pgbeam keys create` issues one")
	case err != nil:
		return store.Key{}, err
	case key.RevokedAt != nil:
		return store.Key{}, badKey("this API key was revoked at " + key.RevokedAt.UTC().Format(time.RFC3339))
	case key.ExpiresAt != nil && !s.now().Before(*key.ExpiresAt):
		return store.Key{}, badKey("this API key expired at " + key.ExpiresAt.UTC().Format(time.RFC3339))
	}
	s.touchKey(ctx, key.ID)
	return key, nil
}

func bearer(r *http.Request) (string, error) {
	header, direct := r.Header.Get("Authorization"), r.Header.Get("X-API-Key")
	var token string
	if header != "" {
		scheme, rest, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", badKey("the Authorization header must be `Bearer <API key>`")
		}
		token = strings.TrimSpace(rest)
	}
	switch {
	case token != "" && direct != "" && token != direct:
		return "", badKey("Authorization and X-API-Key carry different keys; send one")
	case token == "":
		token = direct
	}
	if token == "" {
		p := badKey("an API key is required: send it as `Authorization: Bearer <key>` or in X-API-Key")
		p.header["WWW-Authenticate"] = `Bearer realm="pgbeam"`
		return "", p
	}
	return token, nil
}

func badKey(detail string) *problem {
	return &problem{
		status: http.StatusUnauthorized,
		code:   codeUnauthorized,
		detail: detail,
		header: map[string]string{"WWW-Authenticate": `Bearer realm="pgbeam", error="invalid_token"`},
	}
}

// touchInterval bounds how often the use of one key is written down.
const touchInterval = time.Minute

// touchLog remembers when each key's use was last written.
type touchLog struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// due reports whether a use at now should be written, and notes it.
func (t *touchLog) due(id string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.last[id]; ok && now.Sub(last) < touchInterval {
		return false
	}
	if t.last == nil {
		t.last = map[string]time.Time{}
	}
	t.last[id] = now
	return true
}

// touchKey writes down that a key was used. A failure costs only that note.
func (s *server) touchKey(ctx context.Context, id string) {
	now := s.now()
	if !s.touches.due(id, now) {
		return
	}
	err := s.store.Update(ctx, func(tx store.Tx) error { return tx.TouchKey(id, now) })
	if err != nil && ctx.Err() == nil {
		s.log.Warn("use of API key was not recorded", "key", id, "error", err)
	}
}
