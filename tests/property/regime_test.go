package property

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// regime is a policy in force and what it leaves to a principal.
type regime struct {
	*profile
	proxy  *client
	access map[string]*access // by relation
	usable []*access
	hidden []string // marks that the principal must never see
	secret map[string]bool
	// traps are conditions that fail for hidden values of a column alone, by
	// relation.column; "?" is the column.
	traps map[string][]string
	// shown is what the first row that the filters of a relation leave has in
	// each column, as SQL.
	shown map[string]map[string]string
	undo  func()
}

// enforce puts a policy in force and carries it out by hand.
func (w *world) enforce(ctx context.Context, p *profile) (_ *regime, err error) {
	r := &regime{profile: p, access: map[string]*access{}, secret: map[string]bool{}, traps: map[string][]string{}, shown: map[string]map[string]string{}}
	if err := w.carryOut(p); err != nil {
		return nil, err
	}
	for _, rel := range relations {
		a := p.access(rel)
		r.access[rel.name] = a
		if a.usable() {
			r.usable = append(r.usable, a)
		}
	}
	if err := r.lookAround(w); err != nil {
		return nil, err
	}
	policy, err := w.beam.Try(ctx, http.MethodPost, w.project+"/policies", p)
	if err != nil {
		return nil, err
	}
	policyPath := w.project + "/policies/" + policy["id"].(string)
	agent, err := w.beam.Try(ctx, http.MethodPost, w.project+"/agents", map[string]any{"name": p.Name, "policy_profile_id": policy["id"]})
	if err != nil {
		return nil, err
	}
	agentPath := w.project + "/agents/" + agent["credential"].(map[string]any)["id"].(string)
	if r.proxy, err = connect(ctx, w.beam.Verified(agent["connection_string"].(string)).String()); err != nil {
		return nil, err
	}
	r.undo = func() {
		_ = r.proxy.Close(ctx)
		_, _ = w.beam.Try(ctx, http.MethodDelete, agentPath, nil)
		_, _ = w.beam.Try(ctx, http.MethodDelete, policyPath, nil)
	}
	if err := w.truth.learnTypes(); err != nil {
		return nil, err
	}
	r.proxy.types = w.truth.types
	return r, w.hand.learnTypes()
}

// lookAround finds out what is hidden.
func (r *regime) lookAround(w *world) error {
	var seen, whole []string
	for _, a := range r.usable {
		rel := a.relation
		seen = append(seen, "SELECT t::text FROM "+rel.in("")+" t")
		if rel.view == "" {
			if err := r.setTraps(w, a); err != nil {
				return err
			}
			if err := r.showOne(w, a); err != nil {
				return err
			}
		}
	}
	for _, rel := range relations {
		if rel.drawn {
			continue
		}
		whole = append(whole, "SELECT t::text FROM "+rel.in("whole")+" t")
	}
	visible := map[string]bool{}
	for _, list := range [][]string{seen, whole} {
		found, err := w.hand.must(strings.Join(list, " UNION ALL "))
		if err != nil {
			return err
		}
		for _, row := range found.rows {
			for _, m := range token.FindAllString(string(row[0]), -1) {
				switch {
				case len(list) == len(seen) && &list[0] == &seen[0]:
					visible[m] = true
				case !visible[m]:
					r.secret[m] = true
				}
			}
		}
	}
	for m := range r.secret {
		r.hidden = append(r.hidden, m)
	}
	slices.Sort(r.hidden)
	return nil
}

// showOne looks at a row of a filtered table.
func (r *regime) showOne(w *world, a *access) error {
	if len(a.filters) == 0 {
		return nil
	}
	rel := a.relation
	list := make([]string, len(rel.columns))
	for i, c := range rel.columns {
		list[i] = "quote_nullable(" + c.name + ")"
	}
	found, err := w.hand.must(fmt.Sprintf("SELECT %s FROM %s ORDER BY %s LIMIT 1", strings.Join(list, ", "), rel.in(""), strings.Join(rel.key, ", ")))
	if err != nil || len(found.rows) == 0 {
		return err
	}
	r.shown[rel.name] = map[string]string{}
	for i, c := range rel.columns {
		r.shown[rel.name][c.name] = string(found.rows[0][i]) + "::" + c.decl
	}
	return nil
}

// setTraps makes conditions that fail for what a filter hides of a table:
// division by zero, an overflow, a cast, the root of a negative number.
func (r *regime) setTraps(w *world, a *access) error {
	if len(a.filters) == 0 {
		return nil
	}
	rel := a.relation
	for _, c := range rel.columns {
		if a.masks[c.name] != "" {
			continue
		}
		at := rel.name + "." + c.name
		switch {
		case c.kind == integer:
			found, err := w.hand.must(fmt.Sprintf(`WITH h AS (SELECT %[1]s AS v FROM %[2]s EXCEPT SELECT %[1]s FROM %[3]s)
				SELECT (SELECT min(v) FROM h), (SELECT max(v) FROM h), (SELECT v FROM h WHERE v IS NOT NULL ORDER BY -v %% 3, v LIMIT 1), min(%[1]s), max(%[1]s) FROM %[3]s`,
				c.name, rel.in("whole"), rel.in("")))
			if err != nil {
				return err
			}
			v := make([]int, 5)
			for i, cell := range found.rows[0] {
				if cell == nil {
					cell = []byte("0")
					if i < 3 {
						v = nil // nothing is hidden
						break
					}
				}
				if _, err := fmt.Sscan(string(cell), &v[i]); err != nil {
					return err
				}
			}
			if v == nil {
				continue
			}
			low, high, some, least, most := v[0], v[1], v[2], v[3], v[4]
			r.traps[at] = append(r.traps[at], fmt.Sprintf("1 / (? - %d) IS NOT NULL", some), fmt.Sprintf("coalesce(10 %% (? - %d), 0) < 9", some))
			if high > most {
				r.traps[at] = append(r.traps[at], fmt.Sprintf("? + %d > 0", 2147483647-most))
			}
			if low < least {
				r.traps[at] = append(r.traps[at], fmt.Sprintf("sqrt((? - %d)::float8) >= 0", least))
			}
		case c.name == "code":
			found, err := w.hand.must(`SELECT NOT EXISTS (SELECT FROM users WHERE code !~ '^[0-9]+$')`)
			if err != nil {
				return err
			}
			if string(found.rows[0][0]) == "t" {
				r.traps[at] = append(r.traps[at], "?::int > 0", "CAST(? AS numeric) <> 15")
			}
		case c.kind == text:
			found, err := w.hand.must(fmt.Sprintf(`SELECT %[1]s FROM %[2]s EXCEPT SELECT %[1]s FROM %[3]s ORDER BY 1 LIMIT 1`, c.name, rel.in("whole"), rel.in("")))
			if err != nil {
				return err
			}
			if len(found.rows) > 0 && found.rows[0][0] != nil {
				value := string(found.rows[0][0])
				r.traps[at] = append(r.traps[at], "CASE ? WHEN '"+value+"' THEN 1 / (length(?) - length(?)) ELSE 1 END = 1", "length(?) / (CASE WHEN ? = '"+value+"' THEN 0 ELSE 1 END) >= 0")
			}
		}
	}
	return nil
}
