package policy

import (
	"fmt"
	"slices"
	"strings"
)

// pattern names relations in a rule, in lower case. Rules match without regard
// to case.
type pattern struct {
	schema, name string // schema is empty for a bare name
	text         string // as written in the profile
}

// parsePattern reads an entry of a list or the table of a rule: NAME or
// SCHEMA.NAME, each possibly in double quotes.
func parsePattern(text string) (pattern, error) {
	var parts []string
	for rest := strings.TrimSpace(text); ; {
		part, tail, err := identifier(rest)
		if err != nil {
			return pattern{}, fmt.Errorf("table %q: %w", text, err)
		}
		parts = append(parts, strings.ToLower(part))
		if tail == "" {
			break
		}
		rest = tail[1:]
	}
	switch len(parts) {
	case 1:
		return pattern{name: parts[0], text: text}, nil
	case 2:
		return pattern{schema: parts[0], name: parts[1], text: text}, nil
	}
	return pattern{}, fmt.Errorf("table %q: want NAME or SCHEMA.NAME", text)
}

// identifier splits off the first identifier of a dotted name; tail is empty
// or begins with the dot.
func identifier(s string) (name, tail string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, '.')
		if end < 0 {
			end = len(s)
		}
		name, tail = s[:end], s[end:]
		if name == "" || strings.ContainsAny(name, "\" \t\n*") {
			return "", "", fmt.Errorf("want NAME or SCHEMA.NAME")
		}
		return name, tail, nil
	}
	end := skipQuoted(s, 0, false)
	if end < 3 || s[end-1] != '"' || end < len(s) && s[end] != '.' {
		return "", "", fmt.Errorf("the quotes do not match")
	}
	return strings.ReplaceAll(s[1:end-1], `""`, `"`), s[end:], nil
}

// grants says whether p, in an allowlist, means n: a bare name is public's.
func (p pattern) grants(n RelationName) bool {
	schema := p.schema
	if schema == "" {
		schema = "public"
	}
	return schema == strings.ToLower(n.Schema) && p.name == strings.ToLower(n.Name)
}

// restricts says whether p, in a denylist or of a mask or filter, means n: a
// bare name is meant in every schema.
func (p pattern) restricts(n RelationName) bool {
	return p.name == strings.ToLower(n.Name) && (p.schema == "" || p.schema == strings.ToLower(n.Schema))
}

// String is the name for decisions and audit: SCHEMA.NAME where it is known.
func (n RelationName) String() string {
	if n.Schema == "" {
		return n.Name
	}
	return n.Schema + "." + n.Name
}

// typed is a reference as its author wrote it. Refusals name nothing else: the
// schema that a bare name resolves to may be none of the principal's business.
func (r *relationRef) typed() string {
	if r.rangeVar.Schemaname != "" {
		return r.rangeVar.Schemaname + "." + r.rangeVar.Relname
	}
	return r.rangeVar.Relname
}

// checkRelations applies the lists, the carve-outs of the system catalogs, and
// the rule that with a catalog every name must resolve.
func (e *Engine) checkRelations(s *statement) *refusal {
	if r := e.checkWholesale(s); r != nil {
		return r
	}
	for _, ref := range s.refs {
		if r := e.checkRelation(s, ref); r != nil {
			return r
		}
	}
	return nil
}

func (e *Engine) checkRelation(s *statement, ref *relationRef) *refusal {
	if ref.system || hiddenSchema(ref.name.Schema) {
		if r := e.checkSystem(s, ref); r != nil {
			return r
		}
	}
	l := &lineage{reads: []RelationName{ref.name}}
	if e.catalog != nil && ref.relation != nil {
		l = e.lineage(ref.relation)
	}
	reads, opaque := l.reads, l.opaque
	if l.writes && e.narrowed && !e.profile.ReadOnly {
		return refuse("function_not_allowed", "Read the tables themselves.",
			"view %q calls a function that may write, and this policy limits what is written", ref.typed())
	}
	for _, n := range reads {
		for _, p := range e.denied {
			if p.restricts(n) {
				return refuse("table_denied", "Leave the table out, or ask your operator to take it off the policy's denied tables.",
					"table %q is denied to this credential", ref.typed())
			}
		}
	}
	if ref.system {
		return nil
	}
	if len(e.allowed) > 0 && !e.listed(ref) {
		return refuse("table_not_allowed", "Use the allowed tables, or ask your operator to allow this one.",
			"table %q is not in this credential's allowlist; allowed tables: %s", ref.typed(), e.allowedTables())
	}
	if e.ruled && e.catalog != nil && ref.relation == nil && !ref.create && !ref.known {
		return refuse("table_not_allowed", "Check the spelling and name the schema.",
			"table %q is not known in this database, and this policy has rules about tables", ref.typed()).undefinedName("42P01")
	}
	for _, n := range reads {
		if ref.target && isSystem(n.Schema) && s.class.writes {
			return refuse("table_denied", "Write to tables.", "view %q shows a system table, which is not written to", ref.typed())
		}
		if n != ref.name && sensitive(n) && !e.grantsExactly(n) && !e.grantsExactly(ref.name) {
			return refuse("table_not_allowed", "Ask your operator to allow it by its qualified name.",
				"table %q shows what the database keeps about other sessions or about data", ref.typed())
		}
	}
	// Who allows such a view by its name knows what it shows; but where another
	// rule hides something, it may be shown there.
	if e.ruled && opaque && (!e.grantsExactly(ref.name) || e.hides()) {
		return refuse("function_not_allowed", "Read the tables themselves.",
			"view %q cannot be traced to the tables that it reads", ref.typed())
	}
	if (e.ruled || e.narrowed) && ref.target && ref.relation != nil && ref.relation.Rules && len(s.writes) > 0 {
		return refuse("function_not_allowed", "Ask your operator to write it for you, or to replace its rules by triggers.",
			"table %q has rewrite rules, and what they run cannot be checked", ref.typed())
	}
	return nil
}

// hides says whether the policy hides anything but what it does not allow.
func (e *Engine) hides() bool {
	return len(e.denied)+len(e.profile.Masks)+len(e.profile.Filters) > 0
}

// checkWholesale refuses, under rules about relations, statements that reach
// relations without naming them, and those by which a relation would leave the
// name that a rule knows it by.
func (e *Engine) checkWholesale(s *statement) *refusal {
	if !e.ruled || s.class.kind != DDL {
		return nil
	}
	if what := wholesale(s.node); what != "" {
		return refuse("table_not_allowed", "Name the tables.",
			"%s reaches tables that it does not name, and this policy has rules about tables", what)
	}
	if renames(s.node) || s.renamesTable() {
		return refuse("statement_not_allowed", "Ask your operator to rename it, and to change the policy with it.",
			"renaming or moving is not permitted: this policy's rules know tables, columns and functions by name")
	}
	if looksAtValues(s.node.GetAlterDomainStmt()) {
		return refuse("table_not_allowed", "Add the constraint as NOT VALID, and ask your operator to validate it.",
			"ALTER DOMAIN would tell whether values of tables that it does not name satisfy it, and this policy has rules about tables")
	}
	if len(e.profile.Filters) > 0 && s.node.GetAlterEnumStmt().GetOldVal() != "" {
		return refuse("statement_not_allowed", "Ask your operator to rename it, and to change the policy with it.",
			"renaming a value is not permitted: this policy's row filters know values by name")
	}
	if len(e.profile.Filters) > 0 && attributes(s.node, replaces) {
		return refuse("statement_not_allowed", "Add an attribute of another name.",
			"changing or dropping an attribute is not permitted: this policy's row filters may depend on it")
	}
	if temporaryDomain(s.node) {
		return refuse("statement_not_allowed", "Create it in a schema of its own.", "a temporary domain would stand in for a type of the same name")
	}
	return nil
}

// listed says whether the allowlist grants a reference: by its name, or as a
// partition of a partitioned table that it grants.
func (e *Engine) listed(ref *relationRef) bool {
	if e.grantsExactly(ref.name) {
		return true
	}
	for rel := ref.relation; rel != nil && len(rel.Parents) == 1; {
		parent := e.catalog.Relations[rel.Parents[0]]
		if parent == nil || parent.Kind != 'p' {
			return false
		}
		if e.grantsExactly(parent.RelationName) {
			return true
		}
		rel = parent
	}
	return false
}

func (e *Engine) grantsExactly(n RelationName) bool {
	for _, p := range e.allowed {
		if p.grants(n) {
			return true
		}
	}
	return false
}

// Hides says whether the lists keep a relation from the principal. Its rows
// may show all the same, in the words of a constraint that a trigger or a
// foreign key has met.
func (e *Engine) Hides(n RelationName) bool {
	ref := &relationRef{name: n}
	reads := []RelationName{n}
	if e.catalog != nil {
		if ref.relation = e.catalog.Relations[n]; ref.relation != nil {
			reads = e.lineage(ref.relation).reads
		}
	}
	for _, read := range reads {
		for _, p := range e.denied {
			if p.restricts(read) {
				return true
			}
		}
	}
	return len(e.allowed) > 0 && !e.listed(ref)
}

func (e *Engine) allowedTables() string {
	const most = 20
	var names []string
	for _, p := range e.allowed {
		name := strings.TrimSpace(p.text)
		if p.schema == "" {
			name = "public." + name
		}
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			names = append(names, name)
		}
	}
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
