package provider

import (
	"context"
	"net/http"

	"github.com/pgbeam/pulumi-pgbeam/schema/api"
)

// withQuery adds query parameters to a request.
func withQuery(query map[string]string) api.RequestEditorFn {
	return func(_ context.Context, req *http.Request) error {
		q := req.URL.Query()
		for name, value := range query {
			q.Set(name, value)
		}
		req.URL.RawQuery = q.Encode()
		return nil
	}
}
