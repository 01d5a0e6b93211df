package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/pgbeam/pulumi-pgbeam/schema"
)

// operation is one operation of the document, ready to check requests with.
type operation struct {
	id       string
	method   string
	path     string // with {parameters}
	open     bool   // needs no key
	params   []parameter
	body     *shape // nil: the operation takes none
	needBody bool
	statuses map[int]bool // that the document declares
	read     bool         // GET of a single resource: answers with an ETag
	pending  string       // why it answers 501; "" when implemented

	// outside does work that must hold no transaction: a DNS look-up, a long
	// computation.
	// It runs before the operation, which finds its result in call.found.
	outside func(ctx context.Context, c *call) (any, error)
}

type parameter struct {
	name     string
	in       string // path, query
	required bool
	shape    *shape
}

// optionalOnUpdate names fields that the document requires for creation and
// that an update may leave out, because it keeps what it does not mention.
var optionalOnUpdate = map[string]string{
	"updatePolicyProfile":   "name",
	"updateWebhookEndpoint": "url",
}

// loadOperations reads the document; the keys are the patterns of the mux.
func loadOperations() (map[string]*operation, error) {
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(schema.Document)
	if err != nil {
		return nil, fmt.Errorf("load API document: %w", err)
	}
	c := compiler{seen: map[*openapi3.Schema]*shape{}}
	operations := map[string]*operation{}
	for path, item := range document.Paths.Map() {
		for method, o := range item.Operations() {
			op := &operation{
				id:       o.OperationID,
				method:   method,
				path:     path,
				open:     o.OperationID == "getHealth",
				statuses: map[int]bool{},
				pending:  pending[o.OperationID],
			}
			for _, list := range []openapi3.Parameters{item.Parameters, o.Parameters} {
				for _, ref := range list {
					sh, err := c.compile(ref.Value.Schema)
					if err != nil {
						return nil, fmt.Errorf("%s %s, parameter %s: %w", method, path, ref.Value.Name, err)
					}
					op.params = append(op.params, parameter{ref.Value.Name, ref.Value.In, ref.Value.Required, sh})
				}
			}
			if o.RequestBody != nil && op.pending == "" {
				op.needBody = o.RequestBody.Value.Required
				op.body, err = c.compile(o.RequestBody.Value.Content.Get("application/json").Schema)
				if err != nil {
					return nil, fmt.Errorf("%s %s, body: %w", method, path, err)
				}
				if field := optionalOnUpdate[op.id]; field != "" {
					op.body = op.body.without(field)
				}
			}
			for status, response := range o.Responses.Map() {
				code, err := strconv.Atoi(status)
				if err != nil {
					continue // "default"
				}
				op.statuses[code] = true
				op.read = op.read || method == http.MethodGet && code == http.StatusOK && isResource(response.Value)
			}
			operations[method+" "+path] = op
		}
	}
	return operations, nil
}

// isResource reports whether a response is one resource, as opposed to a list
// or a report: it has an id, or it is an organization's plan.
func isResource(r *openapi3.Response) bool {
	media := r.Content.Get("application/json")
	if media == nil || media.Schema == nil || media.Schema.Value == nil {
		return false
	}
	properties := media.Schema.Value.Properties
	return properties["id"] != nil || properties["org_id"] != nil && properties["plan"] != nil
}
