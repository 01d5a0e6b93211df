package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// Codes of refusals, as clients see them.
const (
	codeInvalidInput         = "INVALID_INPUT"
	codeUnauthorized         = "UNAUTHORIZED"
	codeForbidden            = "FORBIDDEN"
	codePlanLimitReached     = "PLAN_LIMIT_REACHED"
	codeNotFound             = "NOT_FOUND"
	codeMethodNotAllowed     = "METHOD_NOT_ALLOWED"
	codeConflict             = "CONFLICT"
	codeInvalidState         = "INVALID_STATE"
	codeIdempotencyKeyReused = "IDEMPOTENCY_KEY_REUSED"
	codePreconditionFailed   = "PRECONDITION_FAILED"
	codePayloadTooLarge      = "PAYLOAD_TOO_LARGE"
	codeUnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE"
	codeRateLimited          = "RATE_LIMITED"
	codeInternal             = "INTERNAL_ERROR"
	codeNotImplemented       = "NOT_IMPLEMENTED"
	codeUnavailable          = "SERVICE_UNAVAILABLE"
)

// fieldError says what is wrong with one field: its dotted path, and what is
// allowed. It never carries the value, which may be a secret.
type fieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// problem is a refusal that is safe to show to the caller.
type problem struct {
	status     int
	code       string
	detail     string
	fields     []fieldError
	existingID string            // the record that is in the way
	header     map[string]string // Allow, Retry-After, ETag, …
}

func (p *problem) Error() string { return p.code + ": " + p.detail }

// problemBody carries both error shapes: the problem details of RFC 9457 and
// the older error object.
type problemBody struct {
	Type       string       `json:"type"`
	Title      string       `json:"title"`
	Status     int          `json:"status"`
	Detail     string       `json:"detail"`
	Instance   string       `json:"instance"`
	Code       string       `json:"code"`
	RequestID  string       `json:"request_id"`
	Errors     []fieldError `json:"errors,omitempty"`
	ExistingID string       `json:"existing_id,omitempty"`
	Error      struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// body renders the problem for one request.
func (p *problem) body(path, requestID string) []byte {
	b := problemBody{
		Type:       "https://pgbeam.com/docs/api/errors/" + strings.ReplaceAll(strings.ToLower(p.code), "_", "-"),
		Title:      http.StatusText(p.status),
		Status:     p.status,
		Detail:     p.detail,
		Instance:   path,
		Code:       p.code,
		RequestID:  requestID,
		Errors:     p.fields,
		ExistingID: p.existingID,
	}
	b.Error.Code, b.Error.Message = p.code, p.detail
	out, err := json.Marshal(b)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return append(out, '\n')
}

// invalid refuses input; the detail repeats every field for clients that read
// only the message.
func invalid(fields ...fieldError) *problem {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f.Field + ": " + f.Detail
	}
	return &problem{
		status: http.StatusBadRequest,
		code:   codeInvalidInput,
		detail: strings.Join(parts, "; "),
		fields: fields,
	}
}

// malformed refuses a request that could not be read at all.
func malformed(format string, args ...any) *problem {
	return &problem{status: http.StatusBadRequest, code: codeInvalidInput, detail: fmt.Sprintf(format, args...)}
}

func notFound(kind, id string) *problem {
	return &problem{status: http.StatusNotFound, code: codeNotFound, detail: fmt.Sprintf("%s %s was not found", kind, id)}
}

func forbidden(format string, args ...any) *problem {
	return &problem{status: http.StatusForbidden, code: codeForbidden, detail: fmt.Sprintf(format, args...)}
}

func planLimit(format string, args ...any) *problem {
	return &problem{status: http.StatusForbidden, code: codePlanLimitReached, detail: fmt.Sprintf(format, args...)}
}

func wrongState(format string, args ...any) *problem {
	return &problem{status: http.StatusConflict, code: codeInvalidState, detail: fmt.Sprintf(format, args...)}
}

// problemOf turns any error into what the caller may see. The second result
// is true when the error is ours to investigate.
func problemOf(err error) (*problem, bool) {
	var p *problem
	if errors.As(err, &p) {
		return p, false
	}
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		return conflictProblem(conflict), false
	}
	var used *store.InUseError
	if errors.As(err, &used) {
		return inUseProblem(used), false
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &problem{status: http.StatusNotFound, code: codeNotFound, detail: "the resource was not found"}, false
	case errors.Is(err, store.ErrPageToken):
		return invalid(fieldError{"page_token", "did not come from this list; start again without it"}), false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &problem{
			status: http.StatusServiceUnavailable,
			code:   codeUnavailable,
			detail: "the request was given up before it was done; nothing was changed, try again",
			header: map[string]string{"Retry-After": "1"},
		}, !errors.Is(err, context.Canceled)
	}
	return &problem{
		status: http.StatusInternalServerError,
		code:   codeInternal,
		detail: "the server could not do this; its log has the reason under this request id",
	}, true
}

func conflictProblem(e *store.ConflictError) *problem {
	what := fmt.Sprintf("%s %q", e.Field, e.Value)
	if e.Field == "url" { // receivers' addresses often carry a token
		what = "url"
	}
	holder := e.Kind + " " + e.ID
	if e.ID == "" { // it belongs to somebody else
		holder = "another " + e.Kind
	}
	return &problem{
		status:     http.StatusConflict,
		code:       codeConflict,
		detail:     fmt.Sprintf("the %s is taken by %s, which already exists; use that one or choose another %s", what, holder, e.Field),
		fields:     []fieldError{{e.Field, "is taken by " + holder}},
		existingID: e.ID,
	}
}

func inUseProblem(e *store.InUseError) *problem {
	remedy := "revoke or delete what uses it first"
	if e.By == "project" {
		remedy = "clear or change the project's default_policy_profile_id first"
	}
	return &problem{
		status: http.StatusConflict,
		code:   codeConflict,
		detail: fmt.Sprintf("this %s cannot be deleted while it is used by %s %s; %s", e.Kind, e.By, strings.Join(e.IDs, ", "), remedy),
	}
}
