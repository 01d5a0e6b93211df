package policy

import "fmt"

// Compile makes the engine of a profile, for one state of the catalog. Its
// error names the field and what is wrong with it.
func Compile(profile Profile, catalog *Catalog) (*Engine, error) {
	e := &Engine{profile: profile, catalog: catalog}
	for _, step := range []func() error{e.compileStatements, e.compileLists, e.compileCaps} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	e.ruled = len(e.allowed)+len(e.denied)+len(profile.Masks)+len(profile.Filters) > 0
	e.indexCatalog()
	if err := e.compileRules(); err != nil {
		return nil, err
	}
	if profile.RollBack {
		e.rewriters = append(e.rewriters, rollBack{})
	}
	return e, nil
}

// statementKinds are the kinds that statement rules speak of.
var statementKinds = map[Kind]bool{
	Select: true, Insert: true, Update: true, Delete: true, DDL: true,
	Copy: true, Set: true, Show: true, Explain: true, Transaction: true,
}

func (e *Engine) compileStatements() error {
	var err error
	if e.allow, err = kindSet("statement_rules.allow", e.profile.AllowStatements); err != nil {
		return err
	}
	if e.deny, err = kindSet("statement_rules.deny", e.profile.DenyStatements); err != nil {
		return err
	}
	left := 0
	for k := range statementKinds {
		never := k == Copy || e.profile.ReadOnly && (k == Insert || k == Update || k == Delete || k == DDL)
		if !never && !e.deny[k] && (len(e.allow) == 0 || e.allow[k]) {
			left++
		}
	}
	if left == 0 {
		return fmt.Errorf("statement_rules: no statement could run: every kind is denied, left out of allow, never permitted (copy), or a write under access_mode read_only")
	}
	for _, k := range []Kind{Insert, Update, Delete, DDL} {
		e.narrowed = e.narrowed || e.deny[k] || len(e.allow) > 0 && !e.allow[k]
	}
	// Nobody counts the rows that a function changes.
	e.narrowed = e.narrowed || e.profile.MaxAffectedRows > 0
	return nil
}

func kindSet(field string, names []string) (map[Kind]bool, error) {
	set := make(map[Kind]bool, len(names))
	for i, name := range names {
		if !statementKinds[Kind(name)] {
			return nil, fmt.Errorf("%s[%d]: %q is no kind of statement; use select, insert, update, delete, ddl, copy, set, show, explain or transaction", field, i, name)
		}
		set[Kind(name)] = true
	}
	return set, nil
}

func (e *Engine) compileLists() error {
	var err error
	if e.allowed, err = patterns("table_allowlist", e.profile.TableAllowlist); err != nil {
		return err
	}
	if e.denied, err = patterns("table_denylist", e.profile.TableDenylist); err != nil {
		return err
	}
	left := 0
	for _, a := range e.allowed {
		n := RelationName{a.schema, a.name}
		if n.Schema == "" {
			n.Schema = "public"
		}
		denied := false
		for _, d := range e.denied {
			denied = denied || d.restricts(n)
		}
		if !denied {
			left++
		}
	}
	if len(e.allowed) > 0 && left == 0 {
		return fmt.Errorf("table_allowlist: every allowed table is also in table_denylist, so none could be read")
	}
	return nil
}

func patterns(field string, entries []string) ([]pattern, error) {
	list := make([]pattern, 0, len(entries))
	for i, entry := range entries {
		p, err := parsePattern(entry)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", field, i, err)
		}
		list = append(list, p)
	}
	return list, nil
}

func (e *Engine) compileCaps() error {
	if e.profile.MaxRows < 0 {
		return fmt.Errorf("max_rows: %d is negative; 0 means unlimited", e.profile.MaxRows)
	}
	if e.profile.MaxAffectedRows < 0 {
		return fmt.Errorf("max_affected_rows: %d is negative; 0 means unlimited", e.profile.MaxAffectedRows)
	}
	switch e.profile.Migrations {
	case "", "off", "warn", "block":
		return nil
	}
	return fmt.Errorf("migration_safety: %q is not one of off, warn, block", e.profile.Migrations)
}

// compileRules makes the rewriter of masks and filters, whose predicates bind
// to the catalog.
func (e *Engine) compileRules() error {
	if len(e.profile.Masks)+len(e.profile.Filters) == 0 {
		return nil
	}
	rules, err := newRuleSet(e)
	if err != nil {
		return err
	}
	e.rewriters = append(e.rewriters, rules)
	return nil
}

// indexCatalog prepares what the checks look up.
func (e *Engine) indexCatalog() {
	if e.catalog == nil {
		return
	}
	e.childrenOf = make(map[RelationName][]*Relation)
	for name, rel := range e.catalog.Relations {
		e.hasSystem = e.hasSystem || name.Schema == "pg_catalog"
		for _, parent := range rel.Parents {
			e.childrenOf[parent] = append(e.childrenOf[parent], rel)
		}
	}
	const record = 2249
	e.rowFunctions = make(map[string]bool)
	for name, overloads := range e.catalog.Functions {
		for _, f := range overloads {
			if f.Builtin || len(f.Arguments) == 0 {
				continue
			}
			if t := f.Arguments[0]; t == record || e.catalog.Types[t].Category == 'C' || e.catalog.Types[t].Category == 'P' {
				e.rowFunctions[name.Name] = true
			}
		}
	}
}
