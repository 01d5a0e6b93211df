package proxy

import (
	"encoding/json"
	"sync"

	"github.com/pgbeam/pulumi-pgbeam/server/meter"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// ruling is what a policy asks of a session. A session without a policy has
// none, and nothing of it is parsed; under a policy that asks for nothing the
// floor still holds. It never changes.
type ruling struct {
	profile policy.Profile
	posture posture
	budget  meter.Budget // of each login, which is its subject
	text    string       // of the profile: rulings with equal texts decide alike
	// schema tells that decisions need to know the database's schema.
	schema bool
}

// posture is what of a policy the upstream is told: at login, and again when
// the policy changes.
type posture struct {
	enforced  bool
	readOnly  bool
	timeoutMs int
}

// timeout is the policy's limit or the database's, in milliseconds: the
// smaller one that is set.
func (p posture) timeout(database int) int {
	if p.timeoutMs == 0 || database > 0 && database < p.timeoutMs {
		return database
	}
	return p.timeoutMs
}

// rulingOf reads a policy.
func rulingOf(r store.PolicyRules) *ruling {
	p := policy.Profile{
		ReadOnly:        r.AccessMode != "read_write",
		AllowStatements: r.AllowStatements, DenyStatements: r.DenyStatements,
		TableAllowlist: r.TableAllowlist, TableDenylist: r.TableDenylist,
		MaxRows: r.MaxRows, Migrations: r.MigrationSafety,
	}
	if !p.ReadOnly { // else there is nothing to count or to undo
		p.MaxAffectedRows, p.RollBack = r.MaxAffectedRows, r.WriteMode == "rollback"
	}
	for _, m := range r.MaskingRules {
		p.Masks = append(p.Masks, policy.Mask{Table: m.Table, Column: m.Column, Kind: policy.MaskKind(m.Kind)})
	}
	for _, f := range r.RowFilters {
		p.Filters = append(p.Filters, policy.Filter{Table: f.Table, Predicate: f.Predicate})
	}
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings, numbers and lists of them
	}
	return &ruling{
		profile: p, text: string(text),
		posture: posture{enforced: true, readOnly: p.ReadOnly, timeoutMs: r.StatementTimeoutMs},
		budget:  meter.Budget{PerHour: r.BudgetQueriesPerHour, PerDay: r.BudgetQueriesPerDay},
		// READ ONLY transactions keep functions from writing; else it takes
		// the catalog to tell which ones do.
		schema: p.NeedsCatalog(),
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
	if len(r.profile.TableAllowlist)+len(r.profile.TableDenylist) > 0 {
		made.shield.hides = compiled.Hides
	}
	e.byKey[k] = made
	e.order = append(e.order, k)
	return made, nil
}
