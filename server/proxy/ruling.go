package proxy

import (
	"encoding/json"
	"sync"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// ruling is what a policy asks of a session, nil when it asks nothing: then
// nothing is parsed. It never changes.
type ruling struct {
	profile policy.Profile
	posture posture
	text    string // of the profile: rulings with equal texts decide alike
	// schema tells that decisions need to know the database's schema.
	schema bool
}

// posture is what of a policy is set up at login and stays for the session.
// A session whose policy asks for another one begins anew.
type posture struct {
	enforced  bool
	readOnly  bool
	timeoutMs int
}

// rulingOf reads a policy.
func rulingOf(r store.PolicyRules) *ruling {
	p := policy.Profile{
		ReadOnly:        r.AccessMode != "read_write",
		AllowStatements: r.AllowStatements, DenyStatements: r.DenyStatements,
		TableAllowlist: r.TableAllowlist, TableDenylist: r.TableDenylist,
		MaxRows: r.MaxRows, Migrations: r.MigrationSafety,
	}
	for _, m := range r.MaskingRules {
		p.Masks = append(p.Masks, policy.Mask{Table: m.Table, Column: m.Column, Kind: policy.MaskKind(m.Kind)})
	}
	for _, f := range r.RowFilters {
		p.Filters = append(p.Filters, policy.Filter{Table: f.Table, Predicate: f.Predicate})
	}
	lists := len(p.TableAllowlist)+len(p.TableDenylist)+len(p.Masks)+len(p.Filters) > 0
	kinds := len(p.AllowStatements)+len(p.DenyStatements) > 0
	lints := p.Migrations != "" && p.Migrations != "off"
	if !p.ReadOnly && !lists && !kinds && !lints && p.MaxRows == 0 && r.StatementTimeoutMs == 0 {
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings, numbers and lists of them
	}
	return &ruling{
		profile: p, text: string(text),
		posture: posture{enforced: true, readOnly: p.ReadOnly, timeoutMs: r.StatementTimeoutMs},
		// READ ONLY transactions keep functions from writing; else it takes
		// the catalog to tell which ones do.
		schema: lists || kinds && !p.ReadOnly,
	}
}

// engine decides under one ruling and one state of the schema, and remembers
// what it decided.
type engine struct {
	*policy.Engine
	shield    shield
	decisions decisions
}

// engineKey says what an engine depends on. A catalog with the same pointer
// has the same content.
type engineKey struct {
	ruling  string
	catalog *policy.Catalog
	path    string
}

// maxEngines is how many are kept for a project: more only while as many
// policies and search paths are in use at once.
const maxEngines = 16

// engines are those of a project.
type engines struct {
	mu    sync.Mutex
	byKey map[engineKey]*engine
	order []engineKey // oldest first
}

// get returns the engine for a ruling, made when it is not there.
func (e *engines) get(r *ruling, catalog *policy.Catalog, path []string, pathText string) (*engine, error) {
	k := engineKey{r.text, catalog, pathText}
	e.mu.Lock()
	defer e.mu.Unlock()
	if have := e.byKey[k]; have != nil {
		return have, nil
	}
	seen := catalog
	if catalog != nil {
		// The role that a session runs as has a search path of its own.
		mine := *catalog
		mine.SearchPath = path
		seen = &mine
	}
	compiled, err := policy.Compile(r.profile, seen)
	if err != nil {
		return nil, err
	}
	if e.byKey == nil {
		e.byKey = map[engineKey]*engine{}
	}
	for len(e.order) >= maxEngines {
		delete(e.byKey, e.order[0])
		e.order = e.order[1:]
	}
	made := &engine{Engine: compiled, shield: shield{
		masked: compiled.MaskedAttributes(), terse: len(r.profile.Masks)+len(r.profile.Filters) > 0,
	}}
	e.byKey[k] = made
	e.order = append(e.order, k)
	return made, nil
}
