package property

import (
	"fmt"
	"slices"
	"strings"
)

// column is one of a FROM item, or of what a query puts out.
type column struct {
	name string // as SQL writes it
	kind kind
	mask string // the kind of mask it carries; "" for none
	// from is the relation and column that its values are, or NULL.
	from *relation
	attr string
}

// source is an item of FROM.
type source struct {
	text    string // as it stands in FROM
	alias   string
	columns []column
	key     []string // columns that tell its rows apart; nil where none do
	table   bool     // it is a relation of the fixture
}

// plain are the columns that may stand in any expression: a name that another
// column has too cannot be said.
func (s *source) plain() []column { return s.those(func(c column) bool { return c.mask == "" }) }

func (s *source) masked() []column { return s.those(func(c column) bool { return c.mask != "" }) }

func (s *source) those(wanted func(column) bool) []column {
	times := map[string]int{}
	for _, c := range s.columns {
		times[c.name]++
	}
	var list []column
	for _, c := range s.columns {
		if times[c.name] == 1 && wanted(c) {
			list = append(list, c)
		}
	}
	return list
}

// scope is what an expression sees, innermost first.
type scope struct {
	sources []*source
	outer   *scope
}

func (s *scope) own() *scope { return &scope{sources: s.sources} }

// query is a SELECT and what it puts out.
type query struct {
	sql     string
	columns []column
	// order are expressions that tell its rows apart, as its ORDER BY may say
	// them; nil where none do.
	order []string
}

func (q query) masked() bool { return anyMasked(q.columns) }

func anyMasked(columns []column) bool {
	for _, c := range columns {
		if c.mask != "" {
			return true
		}
	}
	return false
}

// Marks in generated SQL, which the two databases read differently: see
// statement.forProxy and statement.byHand.
const (
	nulledFrom, nulledTo      = "\uE000", "\uE001" // a scalar sub-select that is shown as NULL
	valueFrom, valueTo        = "\uE002", "\uE003" // a literal that may be sent as a parameter
	storedFrom, or, storedEnd = "\uE004", "\uE005", "\uE006"
)

// generator makes the parts of one statement that a policy permits.
type generator struct {
	draw
	under   *regime
	aliases int
	ctes    []*source
	// bare are the relations that the statement names without alias; hidden
	// those whose bare name means a CTE.
	bare, hidden map[string]bool
	parameters   int
	// qualified: more is in sight than the scope says, so that every column
	// needs its table's name.
	qualified bool
	// authored: what is made is the definition of a view; used is what it reads.
	authored bool
	used     map[string]bool
}

func newGenerator(d draw, under *regime) *generator {
	return &generator{draw: d, under: under, bare: map[string]bool{}, hidden: map[string]bool{}}
}

func (g *generator) alias() string {
	g.aliases++
	return fmt.Sprintf("t%d", g.aliases)
}

// reference names a column of a source.
func (g *generator) reference(s *source, c column) string { return s.alias + "." + c.name }

// located is a column and the source it is of.
type located struct {
	*source
	column
}

// find lists the columns of a kind that an expression may use: its own level's
// and, behind them, those of the levels around it.
func (sc *scope) find(k kind) []located {
	var list []located
	for at := sc; at != nil; at = at.outer {
		for _, s := range at.sources {
			for _, c := range s.plain() {
				if c.kind == k {
					list = append(list, located{s, c})
				}
			}
		}
	}
	return list
}

// column is an expression of a kind as simple as can be.
func (g *generator) column(k kind, sc *scope) string {
	if list := sc.find(k); len(list) > 0 && !g.chance(9) {
		at := list[g.below(len(list))]
		if !g.qualified && g.chance(4) && sc.alone(at) {
			return at.column.name
		}
		return g.reference(at.source, at.column)
	}
	return g.literal(k)
}

// alone says whether a column's bare name means it: it is of this level, and
// nothing else here has that name, nor may an output column.
func (sc *scope) alone(at located) bool {
	times := 0
	for _, s := range sc.sources {
		for _, c := range s.columns {
			if c.name == at.column.name {
				times++
			}
		}
	}
	return times == 1 && slices.Contains(sc.sources, at.source) && !strings.HasPrefix(at.column.name, "c")
}

// row is a table of which the whole row may be referred to.
func (g *generator) row(sc *scope) (*source, bool) {
	if g.authored {
		return nil, false
	}
	for _, s := range sc.sources {
		if s.table && !anyMasked(s.columns) && !strings.Contains(s.alias, ".") && s.columns[0].name == s.columns[0].attr {
			return s, true
		}
	}
	return nil, false
}

// literal is a constant of a kind. Where the kind allows, it may become a
// parameter.
func (g *generator) literal(k kind) string {
	var value string
	switch k {
	case integer:
		value = pick(g.draw, "1", "2", "3", "42", "7", "8", "10", "11", "900411", "0", "(-1)")
	case text:
		value = pick(g.draw, "'a'", "'zq'", "'open'", "'pen'", "'10'", "''", "'[redacted]'", "'it''s'", g.hiddenText())
	case number:
		value = pick(g.draw, "0.00", "311.20", "733.34", "12.50")
	case float:
		value = pick(g.draw, "0.5", "3.5")
	case boolean:
		return pick(g.draw, "true", "false")
	case date:
		value = pick(g.draw, "'1983-03-14'", "'1986-03-17'")
	case timestamp:
		value = pick(g.draw, "'2026-01-05 02:30:00'", "'2026-01-10 07:30:00'")
	case texts:
		return pick(g.draw, "ARRAY['a', 'zq']", "'{a,zq}'::text[]", "'{}'::text[]")
	case document:
		return pick(g.draw, `'{"size": 10}'::jsonb`, "'[]'::jsonb")
	case mood:
		return pick(g.draw, "'ok'::mood", "'sad'::public.mood")
	case unique:
		return "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'::uuid"
	case octets:
		return `'\x7a71'::bytea`
	}
	if g.chance(4) && g.parameters < 6 && !g.authored && value[0] != '(' {
		g.parameters++
		value = valueFrom + value + valueTo
	}
	return value + "::" + string(k)
}

// hiddenText is a value that the policy hides, for the statement to ask about.
func (g *generator) hiddenText() string {
	if len(g.under.hidden) == 0 {
		return "'none'"
	}
	return "'" + g.under.hidden[g.below(len(g.under.hidden))] + "'"
}

// trap is a condition that fails for values of hidden rows alone: no column
// that the principal sees has one.
func (g *generator) trap(sc *scope) (string, bool) {
	type site struct{ reference, form string }
	var sites []site
	for at := sc; at != nil; at = at.outer {
		for _, s := range at.sources {
			for _, c := range s.plain() {
				if c.from == nil {
					continue
				}
				for _, form := range g.under.traps[c.from.name+"."+c.attr] {
					sites = append(sites, site{g.reference(s, c), form})
				}
			}
		}
	}
	if len(sites) == 0 {
		return "", false
	}
	s := sites[g.below(len(sites))]
	return "(" + strings.ReplaceAll(s.form, "?", s.reference) + ")", true
}
