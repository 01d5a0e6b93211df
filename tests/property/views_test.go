package property

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// drawnViews is how many random views the fixture has.
const drawnViews = 10

// drawViews makes views of random queries over the fixture and over each
// other. Some hold conditions that fail for rows which a filter by tenant
// hides.
func drawViews(seed uint64) []*relation {
	var drawn []*relation
	for i := range drawnViews {
		under := &regime{profile: &profile{}, access: map[string]*access{}, traps: map[string][]string{}}
		for _, r := range slices.Concat(relations, drawn) {
			a := &access{relation: r, masks: map[string]string{}, listed: true}
			under.access[r.name] = a
			under.usable = append(under.usable, a)
			if i%3 == 0 && r.has("tenant_id") {
				under.traps[r.name+".tenant_id"] = []string{"1 / (? - 7) IS NOT NULL", "10 % (8 - ?) < 20"}
			}
		}
		if i%3 == 0 {
			under.traps["orders.qty"] = []string{"10 / ? >= 0"}
			under.traps["users.code"] = []string{"?::int > 0"}
		}
		view := rapid.Custom(func(t *rapid.T) *relation {
			g := newGenerator(draw{t}, under)
			g.authored, g.used = true, map[string]bool{}
			q := g.query(nil, 1+g.below(3), nil, g.chance(2))
			r := &relation{schema: "public", name: fmt.Sprintf("shown_%d", i), view: q.sql, drawn: true}
			for n, c := range q.columns {
				r.columns = append(r.columns, attribute{name: outputName(n), kind: c.kind})
			}
			for name := range g.used {
				r.bases = append(r.bases, name)
			}
			slices.Sort(r.bases)
			return r
		})
		for try := 0; ; try++ {
			if r := view.Example(int(seed) + i*1000 + try); len(r.bases) > 0 {
				drawn = append(drawn, r)
				break
			}
		}
	}
	return drawn
}

var qualified = regexp.MustCompile(`\b(public|crm)\.(\w+|"[^"]+")`)

// definition is the SQL that makes a drawn view where prefix stands for public.
func (r *relation) definition(prefix string) string {
	sql := r.view
	if prefix != "" {
		sql = qualified.ReplaceAllStringFunc(sql, func(name string) string {
			parts := qualified.FindStringSubmatch(name)
			for _, known := range relations {
				if known.schema == parts[1] && known.name == parts[2] {
					return known.in(prefix)
				}
			}
			return name
		})
	}
	names := make([]string, len(r.columns))
	for i, c := range r.columns {
		names[i] = c.name
	}
	return fmt.Sprintf("CREATE VIEW %s(%s) AS %s", r.in(prefix), strings.Join(names, ", "), sql)
}

// filteredByHand is the SQL that makes the schema part: the tables with their
// rows filtered and nothing masked, and the views over those.
func (p *profile) filteredByHand() string {
	var b strings.Builder
	b.WriteString("DROP SCHEMA IF EXISTS part CASCADE; DROP SCHEMA IF EXISTS part_crm CASCADE; CREATE SCHEMA part; CREATE SCHEMA part_crm;\n")
	for _, r := range relations {
		if r.view == "" {
			fmt.Fprintf(&b, "CREATE TABLE %s AS SELECT * FROM %s AS %s WHERE %s;\n", r.in("part"), r.in("whole"), r.name, p.access(r).visible())
			if r.name != "events" {
				fmt.Fprintf(&b, "ALTER TABLE %s ADD PRIMARY KEY (%s);\n", r.in("part"), strings.Join(r.key, ", "))
			}
		}
	}
	b.WriteString("SET search_path = part, public;\n")
	for _, r := range relations {
		switch {
		case r.drawn:
			fmt.Fprintf(&b, "%s;\n", r.definition("part"))
		case r.view != "":
			fmt.Fprintf(&b, "CREATE VIEW %s AS SELECT * FROM (%s) AS %s WHERE %s;\n",
				r.in("part"), strings.ReplaceAll(r.view, "SCHEMA."+r.reads, named(r.reads).in("part")), r.name, p.access(r).visible())
		}
	}
	return b.String()
}

// visible is the condition that an access's filters come to.
func (a *access) visible() string {
	all := "true"
	for _, f := range a.filters {
		all += " AND (" + f.Predicate + "\n)"
	}
	return all
}

// carryOut does by hand what a policy does. A drawn view that fails for rows
// which the policy leaves in sight cannot be compared.
func (w *world) carryOut(p *profile) error {
	if _, err := w.hand.must("SET search_path = whole, public;\n" + p.filteredByHand() + p.byHand()); err != nil {
		return fmt.Errorf("carry out policy by hand: %w", err)
	}
	p.failing = map[string]bool{}
	for _, r := range relations {
		if a := p.access(r); r.drawn && a.usable() {
			_, err := w.hand.must(fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s AS %s WHERE %s", r.in(""), r.in("part"), r.name, a.visible()))
			p.failing[r.name] = err != nil
		}
	}
	_, err := w.hand.must("SET search_path = public")
	return err
}

// readsExpanded says whether a statement reads a view over filtered tables.
func (r *regime) readsExpanded(sql string) bool {
	return slices.ContainsFunc(r.usable, func(a *access) bool {
		return a.expanded && regexp.MustCompile(`\b`+a.relation.name+`\b`).MatchString(sql)
	})
}

// learnBases asks PostgreSQL what the drawn views read: not all that was drawn
// for them became part of them.
func (w *world) learnBases() error {
	for _, r := range relations {
		if !r.drawn {
			continue
		}
		a, err := w.truth.must(fmt.Sprintf(`SELECT DISTINCT CASE WHEN relname ~ '^[a-z_0-9]+$' THEN relname ELSE quote_ident(relname) END FROM pg_rewrite w
			JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
			JOIN pg_class c ON c.oid = d.refobjid WHERE w.ev_class = '%s'::regclass AND c.oid <> w.ev_class`, r.in("")))
		if err != nil {
			return err
		}
		r.bases = nil
		for _, row := range a.rows {
			r.bases = append(r.bases, string(row[0]))
		}
	}
	return nil
}
