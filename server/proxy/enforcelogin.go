package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
)

// admit says why a startup packet may not open a session under a policy, nil
// when it may. What it sets is decided about as if it were set by SET.
func (r *ruling) admit(st startup, issued bool) *refusal {
	if st.replicates() {
		return fatal(codeNotSupported, "Connect to the database itself to replicate.", "replication is not available under a policy")
	}
	engine, err := policy.Compile(policy.Profile{ReadOnly: r.profile.ReadOnly, Filters: r.profile.Filters}, nil)
	if err != nil {
		return fatal(codeNotSupported, "", "the policy cannot be applied: %s", err)
	}
	var refused *refusal
	check := func(name, value string) {
		lower := strings.ToLower(name)
		switch {
		case refused != nil, lower == "client_encoding" && strings.EqualFold(value, "SQL_ASCII"):
			return // the client takes any: it gets UTF8
		case name == "":
			refused = fatal(codePrivilege, "Use -c name=value for settings.", "option %q may not be used under a policy", value)
			return
		case lower == "pgbeam.tenant" && !issued:
			return
		case strings.ContainsRune(name, 0):
			return
		}
		if d := engine.Evaluate(settingSQL(name, value)); d.Verdict == policy.Block {
			refused = fatal(codePrivilege, "Leave it out of the connection string.", "%s", d.Reason)
		}
	}
	for name, value := range st.params {
		if name != "options" && !(driverSettings[strings.ToLower(name)] && engine.Sways(name)) {
			check(name, value)
		}
	}
	st.optionSettings(check)
	return refused
}

// settingSQL makes a setting of a startup packet by SET.
func settingSQL(name, value string) string {
	return fmt.Sprintf(`SET "%s" TO '%s'`,
		strings.ReplaceAll(strings.ReplaceAll(name, `"`, `""`), ".", `"."`), strings.ReplaceAll(value, "'", "''"))
}

// driverSettings are those that drivers put into every startup packet. Where a
// row filter depends on one, it is left out, and the client is told.
var driverSettings = map[string]bool{"timezone": true, "datestyle": true, "intervalstyle": true, "extra_float_digits": true}

// withhold leaves such settings out, and returns what the client is told.
func (r *ruling) withhold(t *pool.Target) (notices []byte) {
	engine, err := policy.Compile(policy.Profile{Filters: r.profile.Filters}, nil)
	if err != nil {
		return nil // it is refused already
	}
	for _, name := range slices.Sorted(maps.Keys(t.RuntimeParams)) {
		if driverSettings[strings.ToLower(name)] && engine.Sways(name) {
			delete(t.RuntimeParams, name)
			notices = wire.AppendReport(notices, wire.Report{Severity: wire.SeverityNotice, Code: "00000",
				Message: fmt.Sprintf("setting %q stays as it is: a row filter of the policy depends on it", name)})
		}
	}
	return notices
}

// prepare puts into the startup packet what holds a session to its policy from
// below: values that came with the startup packet are those that RESET returns
// to. It returns what the client is told.
func (r *ruling) prepare(t *pool.Target, id identity, principalType string) (notices []byte) {
	t.RuntimeParams = maps.Clone(t.RuntimeParams)
	notices = r.withhold(t)
	set := func(name, value string) {
		maps.DeleteFunc(t.RuntimeParams, func(have, _ string) bool { return strings.EqualFold(have, name) })
		t.RuntimeParams[name] = value
	}
	// The bytes that were decided about are those that the server reads.
	set("client_encoding", "UTF8")
	set("standard_conforming_strings", "on")
	if r.posture.readOnly {
		set("default_transaction_read_only", "on")
	}
	if id.credentialID != "" {
		set("pgbeam.credential_id", id.credentialID)
		set("pgbeam.principal_type", principalType)
	}
	return notices
}

// settleSQL asks for what a session runs with.
const settleSQL = `SELECT pg_catalog.current_setting('default_transaction_read_only'), pg_catalog.current_setting('standard_conforming_strings'),
	pg_catalog.current_setting('client_encoding'), (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'statement_timeout');
SELECT s, pg_catalog.quote_ident(s) FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) AS s`

// ground is what an upstream session brings along.
type ground struct {
	path      []string // schemas of the search path
	pathSQL   string   // the same, for SET
	timeoutMs int      // statement_timeout of the database or the role
	reposed   bool     // default_transaction_read_only was SET since
}

// settle checks that a new upstream session is what a policy needs, and fixes
// its search path: the schemas that it names now, in their order, are those
// that names are resolved in. Of two statement timeouts the smaller one holds.
func (r *ruling) settle(ctx context.Context, up *pool.Upstream) (ground, error) {
	stop := context.AfterFunc(ctx, func() { up.Close() })
	defer stop()
	var have [4]string
	var g ground
	var quoted []string
	asides, err := wire.Ask(up, settleSQL, wire.MaxAuth, func(statement int, values [][]byte) error {
		switch {
		case statement == 0 && len(values) == 4:
			for i, v := range values {
				have[i] = string(v)
			}
		case statement == 1 && len(values) == 2:
			g.path, quoted = append(g.path, string(values[0])), append(quoted, string(values[1]))
		}
		return nil
	})
	if err == nil {
		up.Greeting = append(up.Greeting, asides...)
		if len(quoted) == 0 {
			quoted = []string{"''"}
		}
		g.timeoutMs, _ = strconv.Atoi(have[3])
		g.pathSQL = strings.Join(quoted, ", ")
		set := policy.Text(g.bonds(r.posture.timeout(g.timeoutMs), r.posture.readOnly))
		asides, err = wire.Ask(up, set, wire.MaxAuth, func(int, [][]byte) error { return nil })
		up.Greeting = append(up.Greeting, asides...)
	}
	if err != nil {
		return g, fatal(codeConnectionFailure, "", "set up the session for its policy: %s", err)
	}
	for _, want := range []struct {
		asked       bool
		name, value string
		ok          bool
	}{
		{r.posture.readOnly, "default_transaction_read_only", "on", have[0] == "on"},
		{true, "standard_conforming_strings", "on", have[1] == "on"},
		{true, "client_encoding", "UTF8", have[2] == "UTF8"},
	} {
		if want.asked && !want.ok {
			return g, fatal(codeNotSupported, "Connect the project to PostgreSQL itself, or to a pooler that passes settings on.",
				"this policy needs %s to be %s upstream, and the upstream did not take it", want.name, want.value)
		}
	}
	return g, nil
}
