package api

import (
	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

const defaultPageSize = 20

// pageOf is the part of a list that a request asks for; sizes were checked
// against the document.
func pageOf(size *contract.PageSize, token *contract.PageToken) store.Page {
	page := store.Page{Size: defaultPageSize}
	if size != nil {
		page.Size = *size
	}
	if token != nil {
		page.Token = *token
	}
	return page
}

// nextToken is absent at the end of a list.
func nextToken(token string) *string {
	if token == "" {
		return nil
	}
	return &token
}

// each converts a list; the result is never nil, so that it is never null.
func each[T, U any](records []T, convert func(T) U) []U {
	out := make([]U, len(records))
	for i, r := range records {
		out[i] = convert(r)
	}
	return out
}
