package policy

import (
	"regexp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// Trial is a query that reads a relation through one row filter, as it is put
// into statements: what PostgreSQL has against it, it has against every
// statement on the relation.
type Trial struct {
	Relation RelationName
	Filtered string
	Plain    string // reads the relation without the filter

	literals []string // of the filter
}

// Trials are, for each row filter of the profile, those of the relations that
// it is for and binds to, public's first. Without a catalog there are none.
func (e *Engine) Trials() [][]Trial {
	all := make([][]Trial, len(e.profile.Filters))
	for _, w := range e.rewriters {
		rules, ok := w.(*ruleSet)
		if !ok || e.catalog == nil {
			continue
		}
		for i, f := range rules.filters {
			relations, literals := e.matching(f.table), f.literals()
			slices.SortFunc(relations, func(a, b *Relation) int { return strings.Compare(publicFirst(a), publicFirst(b)) })
			for _, rel := range relations {
				filtered, err := rules.trial(rel, f)
				if err != nil {
					continue // nor is it put into a statement
				}
				if plain, err := rules.trial(rel); err == nil {
					all[i] = append(all[i], Trial{rel.RelationName, filtered, plain, literals})
				}
			}
		}
	}
	return all
}

func publicFirst(r *Relation) string {
	if r.Schema == "public" {
		return "\x00" + r.Name
	}
	return r.Schema + "\x00" + r.Name
}

func (r *ruleSet) trial(rel *Relation, filters ...*compiledFilter) (string, error) {
	rules := &relationRules{name: rel.RelationName, relation: rel, filters: filters}
	return r.sourceText(use{rangeVar: &pg.RangeVar{Inh: true}, rules: rules}, false)
}

// literals are the texts in quotes that a predicate holds.
func (c *compiledFilter) literals() []string {
	var list []string
	var visit func(proto.Message)
	visit = func(m proto.Message) {
		if n, ok := m.(*pg.A_Const); ok && n.GetSval() != nil {
			list = append(list, n.GetSval().Sval)
		}
		eachChild(m, func(_ string, child proto.Message) { visit(child) })
	}
	if expr, err := parsePredicate(c.text); err == nil {
		visit(expr)
	}
	return list
}

var inQuotes = regexp.MustCompile(`"[^"]*"`)

// Reason is what PostgreSQL said about Filtered, without the name that the
// relation has there and without values: literals, whole or in parts, which
// PostgreSQL may have folded.
func (t Trial) Reason(message string) string {
	message = strings.ReplaceAll(message, within+".", "")
	for _, l := range t.literals {
		message = strings.ReplaceAll(message, `"`+l+`"`, `"…"`)
	}
	return inQuotes.ReplaceAllStringFunc(message, func(q string) string {
		if slices.ContainsFunc(t.literals, func(l string) bool { return strings.Contains(lower(l), lower(q[1:len(q)-1])) }) {
			return `"…"`
		}
		return q
	})
}
