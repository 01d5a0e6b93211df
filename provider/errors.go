package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error is a refusal by the API.
type Error struct {
	Method, Path string
	Status       int
	Code         string // the API's own code: CONFLICT
	Message      string
	Fields       []FieldError
	RequestID    string

	retryAfter time.Duration
	fresh      bool // not a kept answer, the server says
}

// FieldError is what the API says about one field.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// newError reads both error shapes of the API: problem fields, and the older
// {"error": {"code", "message"}}.
func newError(req *http.Request, resp *http.Response, text []byte) *Error {
	e := &Error{
		Method: req.Method, Path: req.URL.Path, Status: resp.StatusCode,
		RequestID: resp.Header.Get("X-Request-Id"), retryAfter: retryAfter(resp.Header, time.Now()), fresh: resp.Header.Get(headerReplayed) == "false",
	}
	var body struct {
		Detail    string       `json:"detail"`
		Title     string       `json:"title"`
		Message   string       `json:"message"`
		Code      string       `json:"code"`
		RequestID string       `json:"request_id"`
		Errors    []FieldError `json:"errors"`
		Error     struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(text, &body) != nil {
		return e
	}
	e.Code = first(body.Code, body.Error.Code)
	e.Message = first(body.Error.Message, body.Detail, body.Message, body.Title)
	e.RequestID = first(e.RequestID, body.RequestID)
	e.Fields = body.Errors
	return e
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	repeated := len(e.Fields) > 0
	for _, f := range e.Fields {
		repeated = repeated && strings.Contains(e.Message, f.Detail)
	}
	if e.Message != "" && !repeated {
		fmt.Fprintf(&b, ": %s", strings.TrimSuffix(e.Message, "."))
	}
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "; %s: %s", camel(f.Field), f.Detail)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
	}
	if hint := e.hint(); hint != "" {
		fmt.Fprintf(&b, ". %s", hint)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [request %s]", e.RequestID)
	}
	return b.String()
}

// hint says what to do, where that is not obvious from the message.
func (e *Error) hint() string {
	switch {
	case e.Status >= 300 && e.Status < 400:
		return "The address answers with a redirect; set baseUrl to where the API really is"
	case e.Status == http.StatusUnauthorized:
		return "The API key is missing, wrong or revoked: check configure(), the stack configuration pgbeam:apiKey, and PGBEAM_API_KEY, in this order"
	case e.Status == http.StatusForbidden:
		return "The API key may not do this, or the plan of the organization does not include it"
	case e.Status == http.StatusNotFound:
		return "What the path names does not exist in the organization of this API key"
	case e.Status == http.StatusTooManyRequests:
		return "The service limits the rate of requests; try again later, or with a lower --parallel"
	case e.Status == http.StatusNotImplemented:
		return "This server does not offer the operation"
	case e.Status >= 500:
		return "The service failed; what was asked is not known to have happened, and running the same command again is safe"
	}
	return ""
}

// temporary reports whether the same request may succeed later.
func (e *Error) temporary() bool {
	return e.Status == http.StatusRequestTimeout || e.Status == http.StatusTooManyRequests ||
		e.Status >= 500 && e.Status != http.StatusNotImplemented
}

// kept reports whether the answer may be one that the server kept under its
// idempotency key, about a state of things that has passed. A key that is used
// up is of an earlier request too: a server may have changed how it reads one.
func (e *Error) kept() bool {
	return (!e.fresh || e.Code == "IDEMPOTENCY_KEY_REUSED") && e.Status >= 400 && e.Status < 500 && !e.temporary() && e.Status != http.StatusUnauthorized
}

func (e *Error) scrub(secrets []string) {
	e.Message = scrub(e.Message, secrets)
	for i := range e.Fields {
		e.Fields[i].Detail = scrub(e.Fields[i].Detail, secrets)
	}
}

// inWordsOf names fields as programs do where that is more than another case:
// policy_id is policyProfileId.
func (e *Error) inWordsOf(properties []Property) {
	for i, f := range e.Fields {
		end := len(f.Field)
		if cut := strings.IndexAny(f.Field, ".["); cut >= 0 {
			end = cut
		}
		for _, prop := range properties {
			if prop.Wire == f.Field[:end] {
				e.Fields[i].Field = prop.Name + f.Field[end:]
			}
		}
	}
}

// status is the HTTP status that an error carries, 0 when it carries none.
func status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

func first(candidates ...string) string {
	for _, c := range candidates {
		if c != "" {
			return c
		}
	}
	return ""
}

// camel writes a field of the API the way programs know it:
// cache_config.ttl_seconds is cacheConfig.ttlSeconds.
func camel(field string) string {
	var b strings.Builder
	up := false
	for _, c := range field {
		switch {
		case c == '_':
			up = true
		case up:
			b.WriteString(strings.ToUpper(string(c)))
			up = false
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
