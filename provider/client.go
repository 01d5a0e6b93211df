package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pgbeam/pulumi-pgbeam/schema/api"
)

const (
	// maxRequests is how many requests may be under way at once, however many
	// resources the engine works on.
	maxRequests = 16
	// retryFor is how long failures are retried, apart from waits that the
	// server itself asks for: long enough for a server that restarts.
	retryFor = 60 * time.Second
	// longestWait is the longest Retry-After that is waited for, and obeyFor
	// how long a server may ask for one after the other.
	longestWait = 2 * time.Minute
	obeyFor     = 10 * time.Minute
	// attemptTimeout is for one attempt, to the last byte of its answer.
	attemptTimeout = 2 * time.Minute
	// maxAnswer bounds a response body.
	maxAnswer = 32 << 20
)

// client sends the requests of one configured provider.
type client struct {
	api   *api.Client
	key   string
	slots chan struct{}
}

func newClient(base *url.URL, key, version string) (*client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxRequests
	transport.ResponseHeaderTimeout = 30 * time.Second
	doer := &http.Client{
		Transport: transport,
		Timeout:   attemptTimeout,
		// A redirect could carry the key and the body elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	agent := fmt.Sprintf("pulumi-resource-pgbeam/%s (%s; %s)", orDev(version), runtime.GOOS, runtime.GOARCH)
	c, err := api.NewClient(base.String(), api.WithHTTPClient(doer), api.WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("User-Agent", agent)
		req.Header.Set("Accept", "application/json")
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("make the HTTP client: %w", err)
	}
	return &client{api: c, key: key, slots: make(chan struct{}, maxRequests)}, nil
}

func orDev(version string) string {
	if version == "" {
		return "dev"
	}
	return version
}

// request is one call of an operation, with all its attempts.
type request struct {
	op      *Operation
	doing   string     // "create project", for messages
	props   []Property // what messages call fields by
	args    []string
	query   map[string]string
	body    []byte
	key     string   // Idempotency-Key of every attempt; POST and PATCH have one
	unset   bool     // only if what a PUT sets is not set yet, else 412; servers may not know it
	secrets []string // values that no message may show
}

// unlessSet makes a PUT conditional (RFC 9110, section 13.1.2).
func unlessSet(req *request) { req.unset = true }

// keyed gives a request an Idempotency-Key.
func keyed(key string) func(*request) { return func(req *request) { req.key = key } }

// answer is a successful response.
type answer struct {
	body   object
	header http.Header
	took   time.Duration // with all attempts
}

// do sends a request until it succeeds, fails for good, or the patience is at
// an end. Repeating is safe: GET, PUT and DELETE by their meaning, POST and
// PATCH because all attempts have one Idempotency-Key.
func (c *client) do(ctx context.Context, req request) (answer, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%s: %w", req.doing, context.Cause(ctx))
	}
	waits := &backoff.ExponentialBackOff{
		InitialInterval: 500 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 10 * time.Second,
	}
	waits.Reset()
	var waited, obeyed time.Duration
	started := time.Now()
	for attempt := 1; ; attempt++ {
		got, failure := c.try(ctx, req, attempt)
		if failure == nil {
			got.took = time.Since(started)
			return got, nil
		}
		if ctx.Err() != nil {
			return answer{}, fmt.Errorf("%s: %w", req.doing, context.Cause(ctx))
		}
		var refused *Error
		errors.As(failure, &refused)
		if refused != nil && !refused.temporary() {
			return answer{}, c.explain(req, failure)
		}
		wait := waits.NextBackOff()
		if refused != nil && refused.retryAfter > 0 {
			wait = refused.retryAfter
			if obeyed += wait; wait > longestWait || obeyed > obeyFor {
				return answer{}, c.explain(req, fmt.Errorf("%w (after %d attempts)", failure, attempt))
			}
		} else if waited += wait; waited > retryFor {
			return answer{}, c.explain(req, fmt.Errorf("%w (after %d attempts)", failure, attempt))
		}
		p.GetLogger(ctx).Debugf("%s: %s; again in %s", req.doing, scrub(failure.Error(), append(req.secrets, c.key)), wait.Round(time.Millisecond))
		if err := patience(ctx, wait); err != nil {
			return answer{}, fmt.Errorf("%s: %w; the last attempt ended with: %s", req.doing, err, scrub(failure.Error(), append(req.secrets, c.key)))
		}
	}
}

// try is one attempt.
func (c *client) try(ctx context.Context, req request, attempt int) (answer, error) {
	var body io.Reader
	if req.body != nil {
		body = bytes.NewReader(req.body)
	}
	var sent *http.Request
	start := time.Now()
	resp, err := req.op.Call(ctx, c.api, req.args, req.query, body, func(_ context.Context, r *http.Request) error {
		if req.key != "" {
			r.Header.Set("Idempotency-Key", req.key)
		}
		if req.unset {
			r.Header.Set("If-None-Match", "*")
		}
		sent = r
		return nil
	})
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", req.op.Method, unwrapURL(err))
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("read the answer to %s %s: %w", sent.Method, sent.URL.Path, err)
	}
	p.GetLogger(ctx).Debugf("%s %s: %d in %s, attempt %d, request %s", sent.Method, sent.URL.Path, resp.StatusCode,
		time.Since(start).Round(time.Millisecond), attempt, resp.Header.Get("X-Request-Id"))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return answer{}, newError(sent, resp, text)
	}
	got := answer{header: resp.Header}
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &got.body); err != nil {
			return answer{}, &Error{Method: sent.Method, Path: sent.URL.Path, Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id"),
				Message: "the answer is not a JSON object; is baseUrl the address of a PgBeam API?"}
		}
	}
	return got, nil
}

// explain turns a failure into what a person reads.
func (c *client) explain(req request, err error) error {
	var refused *Error
	if errors.As(err, &refused) {
		refused.scrub(append(req.secrets, c.key))
		refused.inWordsOf(req.props)
		return fmt.Errorf("%s: %w", req.doing, err)
	}
	text := scrub(err.Error(), append(req.secrets, c.key))
	return fmt.Errorf("%s: no answer from %s: %s; check baseUrl and that the service is running", req.doing, c.api.Server, text)
}

// unwrapURL drops the address that net/http repeats in its errors.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// patience waits between attempts; tests shorten it.
var patience = sleep

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryAfter reads the header, seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.Atoi(s); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
