package policy

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// profile is a policy profile as the API takes it.
type profile struct {
	name string
	body map[string]any

	once   sync.Once
	id     string // in the API
	url    string // of a credential with it
	hidden []needle
	err    error
	open   *session // the one that cases share
}

// rule is one part of a profile.
type rule func(body map[string]any)

// under makes a profile of rules. It may write unless readOnly is among them.
func under(name string, rules ...rule) *profile {
	p := &profile{name: name, body: map[string]any{"name": name, "access_mode": "read_write"}}
	for _, r := range rules {
		r(p.body)
	}
	return p
}

func readOnly(body map[string]any) { body["access_mode"] = "read_only" }

func set(key string, value any) rule { return func(body map[string]any) { body[key] = value } }

func only(tables ...string) rule   { return set("table_allowlist", tables) }
func except(tables ...string) rule { return set("table_denylist", tables) }

func kinds(rules map[string]any) rule { return set("statement_rules", rules) }

// masks are "table.column=kind", separated by spaces; a table with a schema or
// a space in its name takes mask.
func masks(list string) rule {
	return func(body map[string]any) {
		for one := range strings.FieldsSeq(list) {
			column, kind, _ := strings.Cut(one, "=")
			dot := strings.LastIndexByte(column, '.')
			mask(column[:dot], column[dot+1:], kind)(body)
		}
	}
}

func mask(table, column, kind string) rule {
	return func(body map[string]any) {
		list, _ := body["masking_rules"].([]map[string]any)
		body["masking_rules"] = append(list, map[string]any{"table": table, "column": column, "kind": kind})
	}
}

func filter(table, predicate string) rule {
	return func(body map[string]any) {
		list, _ := body["row_filters"].([]map[string]any)
		body["row_filters"] = append(list, map[string]any{"table": table, "predicate": predicate})
	}
}

// login makes the profile and a credential of it, once, and returns the
// credential's connection string.
func (p *profile) login(t testing.TB) string {
	t.Helper()
	p.once.Do(func() {
		if p.hidden, p.err = p.hides(context.Background()); p.err != nil {
			return
		}
		var made map[string]any
		if made, p.err = beam.Try(context.Background(), http.MethodPost, projectPath+"/policies", p.body); p.err == nil {
			p.id = made["id"].(string)
			p.url, p.err = p.issue(p.name)
		}
	})
	if p.err != nil {
		t.Fatalf("profile %s: %v", p.name, p.err)
	}
	return p.url
}

// issue makes another credential.
func (p *profile) issue(name string) (url string, err error) {
	made, err := beam.Try(context.Background(), http.MethodPost, projectPath+"/agents", map[string]any{"name": name, "policy_profile_id": p.id})
	if err != nil {
		return "", err
	}
	return made["connection_string"].(string), nil
}

// copied is a profile of the same rules that a test may amend.
func (p *profile) copied(t testing.TB) *profile {
	t.Helper()
	c := &profile{name: fmt.Sprintf("%s, %s", p.name, t.Name()), body: maps.Clone(p.body)}
	c.body["name"] = c.name
	c.login(t)
	return c
}

// amend changes rules of a profile that is in use. It returns when the API
// has answered: from then on they hold.
func (p *profile) amend(t testing.TB, rules ...rule) {
	t.Helper()
	for _, r := range rules {
		r(p.body)
	}
	beam.Call(t, http.MethodPut, projectPath+"/policies/"+p.id, p.body)
	var err error
	if p.hidden, err = p.hides(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// decision is what POST policy-evaluations makes of a statement.
type decision struct {
	verdict, rule, reason, hint string
}

func (p *profile) evaluate(t testing.TB, sql string) decision {
	t.Helper()
	p.login(t)
	answer := beam.Evaluate(t, projectPath, p.id, sql)
	text := func(key string) string { s, _ := answer[key].(string); return s }
	return decision{text("verdict"), text("rule"), text("reason"), text("hint")}
}

// clearOf waits for the end of an hour that is nearly over, so that no case
// has its windows change under it.
func clearOf(boundary time.Duration) {
	const longest = 20 * time.Second
	if left := time.Until(time.Now().Truncate(boundary).Add(boundary)); left < longest {
		time.Sleep(left)
	}
}
