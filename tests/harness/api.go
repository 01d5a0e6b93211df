package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// call makes one request to the API and decodes what it answers.
func (b *Beam) call(ctx context.Context, method, path string, body any) (status int, answer map[string]any, err error) {
	var in io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.URL+path, in)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+b.Key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &answer)
	}
	return res.StatusCode, answer, err
}

// Try makes a request; an answer that is not 2xx is an error.
func (b *Beam) Try(ctx context.Context, method, path string, body any) (map[string]any, error) {
	status, answer, err := b.call(ctx, method, path, body)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%s %s: %d %v", method, path, status, answer["detail"])
	}
	return answer, err
}

// Call makes a request that must be answered with 2xx.
func (b *Beam) Call(t testing.TB, method, path string, body any) map[string]any {
	t.Helper()
	answer, err := b.Try(t.Context(), method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Get reads one object.
func (b *Beam) Get(t testing.TB, path string) map[string]any {
	t.Helper()
	return b.Call(t, http.MethodGet, path, nil)
}

// List reads every page of a list.
func (b *Beam) List(t testing.TB, path, items string) []map[string]any {
	t.Helper()
	var all []map[string]any
	for next := path; ; {
		page := b.Get(t, next)
		list, _ := page[items].([]any)
		for _, item := range list {
			all = append(all, item.(map[string]any))
		}
		token, _ := page["next_page_token"].(string)
		if token == "" {
			return all
		}
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		next = path + separator + "page_token=" + url.QueryEscape(token)
	}
}

// Item reads one object of a list.
func (b *Beam) Item(t testing.TB, path, items, key, value string) map[string]any {
	t.Helper()
	for _, item := range b.List(t, path, items) {
		if item[key] == value {
			return item
		}
	}
	t.Fatalf("%s has nothing with %s %q", path, key, value)
	return nil
}

// Projects lists the projects of the organization.
func (b *Beam) Projects(t testing.TB) []map[string]any {
	t.Helper()
	return b.List(t, "/v1/projects?org_id="+b.Org, "projects")
}

// Empty fails when the organization has anything left that a program can make.
func (b *Beam) Empty(t testing.TB) {
	t.Helper()
	for _, p := range b.Projects(t) {
		t.Errorf("a project is left: %v", p["name"])
	}
	for _, e := range b.List(t, "/v1/organizations/"+b.Org+"/self-host-enrollments", "enrollments") {
		if e["revoked_at"] == nil {
			t.Errorf("an enrollment is left: %v", e["region_label"])
		}
	}
	if limit := b.Get(t, "/v1/organizations/"+b.Org+"/plan")["spend_limit"]; limit != nil {
		t.Errorf("a spend limit is left: %v", limit)
	}
}

// Evaluate asks for a decision that is made with the schema of the database.
// The server does not wait long for it, and this machine may be busy.
func (b *Beam) Evaluate(t testing.TB, projectPath, policyID, sql string) map[string]any {
	t.Helper()
	var decision map[string]any
	Eventually(t, time.Minute, "the server knows the schema", func() bool {
		decision = b.Call(t, http.MethodPost, projectPath+"/policy-evaluations", map[string]any{"policy_id": policyID, "sql": sql})
		return !strings.Contains(fmt.Sprint(decision["notes"]), "decided by names alone")
	})
	return decision
}
