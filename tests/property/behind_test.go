package property

import (
	"fmt"
	"slices"
	"strings"
)

// verifyWrite plays a write in a transaction on both sides and compares what
// comes of it; what is hidden must be as it was.
//
// By hand nothing holds the rows that it writes to the filters: where one of
// them is not what they show, or they fail for it, that is what want says.
func (r *regime) verifyWrite(s *statement) (got, want answer, complaint string, err error) {
	seeAll := "SELECT * FROM " + s.write.table.relation.in("")
	play := func(c *client, byHand bool) (done, after answer, err error) {
		if _, err = c.simple("BEGIN"); err != nil {
			return
		}
		if done, err = s.play(c, byHand); err != nil {
			return
		}
		if byHand && s.write.held && done.code == "" {
			if done, err = s.write.check(done); err != nil {
				return
			}
		}
		if done.code == "" {
			if after, err = c.simple(seeAll); err != nil {
				return
			}
		}
		end := "ROLLBACK"
		if s.write.commit && !byHand {
			end = "COMMIT"
		}
		_, err = c.simple(end)
		return
	}
	got, gotAfter, err := play(r.proxy, false)
	if err != nil {
		return got, want, "", err
	}
	want, wantAfter, err := play(the.hand, true)
	if err != nil {
		return got, want, "", err
	}
	switch {
	case s.write.commit && got.code == "":
		complaint, err = s.write.inspect()
	case s.write.commit && got.code == unheld:
		complaint, err = s.write.untouched()
	}
	gotAfter.sent += got.sent // what it stored itself it may see
	if leak := r.leak(gotAfter); leak != "" {
		complaint = "leaks " + leak + " in what is there afterwards"
	}
	if complaint == "" && err == nil && got.code == "" && want.code == "" {
		see := &statement{way: simply}
		for _, c := range s.write.table.relation.columns {
			see.columns = append(see.columns, column{mask: s.write.table.masks[c.name]})
		}
		if d := r.difference(see, gotAfter, wantAfter); d != "" {
			complaint = "afterwards " + d
		}
	}
	return got, want, complaint, err
}

// unheld is the SQLSTATE of a write whose rows its filters do not show.
const unheld = "42501"

// check is what a write that was done by hand comes to when its rows are held
// to the filters of its table. They read the tables that nothing was taken from.
func (w *write) check(done answer) (answer, error) {
	r := w.table.relation
	bad := make([]string, len(w.table.filters))
	for i, f := range w.table.filters {
		bad[i] = "(" + f.Predicate + "\n) IS NOT TRUE"
	}
	found, err := the.hand.simple(fmt.Sprintf("SET LOCAL search_path = whole, public; SELECT count(*) FROM %s AS %s WHERE %s", r.in(""), r.name, strings.Join(bad, " OR ")))
	switch {
	case err != nil:
		return done, err
	case found.code != "":
		return found, nil
	case string(found.rows[0][0]) != "0":
		return answer{code: unheld}, nil
	}
	return done, nil
}

// untouched looks at a table that a refused write was to change.
func (w *write) untouched() (complaint string, err error) {
	r := w.table.relation
	const all = "SELECT * FROM %s ORDER BY %s"
	was, err := the.hand.must(fmt.Sprintf(all, r.in("whole"), strings.Join(r.key, ", ")))
	if err != nil {
		return "", err
	}
	is, err := the.truth.must(fmt.Sprintf(all, r.in(""), strings.Join(r.key, ", ")))
	if err != nil {
		return "", err
	}
	if !slices.Equal(printed(was.rows), printed(is.rows)) {
		return "it was refused, and leaves " + listing(without(printed(is.rows), printed(was.rows))), nil
	}
	return "", nil
}

// inspect looks at a changed table from behind the proxy, and undoes the
// change.
func (w *write) inspect() (complaint string, err error) {
	r := w.table.relation
	root := r
	if r.parent != "" {
		root = named(r.parent)
	}
	defer func() {
		undo := "TRUNCATE " + root.in("") + ";\n"
		for _, f := range root.family() {
			undo += f.fill("")
		}
		if _, failed := the.truth.must(undo); err == nil {
			err = failed
		}
	}()
	visible := "true"
	for _, f := range w.table.filters {
		visible += " AND (" + f.Predicate + "\n)"
	}
	var kept []string
	for _, c := range r.columns {
		if !slices.Contains(w.assigned, c.name) || slices.Contains(r.key, c.name) {
			kept = append(kept, c.name)
		}
	}
	old := fmt.Sprintf("%s < %d", r.key[0], firstNew)
	for _, check := range []struct{ what, sql string }{
		{"a hidden row changed", fmt.Sprintf("SELECT * FROM %%s AS %s WHERE (%s) IS NOT TRUE ORDER BY %s", r.name, visible, strings.Join(r.key, ", "))},
		{"a column changed that got no value", fmt.Sprintf("SELECT %s FROM %%s AS %s WHERE %s", strings.Join(kept, ", "), r.name, old)},
	} {
		before, err := the.hand.must("SET search_path = whole, public; " + strings.Replace(check.sql, "%s", r.in("whole"), 1))
		if err == nil {
			_, err = the.hand.must("SET search_path = public")
		}
		if err != nil {
			return "", err
		}
		now, err := the.truth.must(strings.Replace(check.sql, "%s", r.in(""), 1))
		if err != nil {
			return "", err
		}
		was, is := printed(before.rows), printed(now.rows)
		if check.what == "a hidden row changed" {
			if !slices.Equal(was, is) {
				return check.what + ": " + listing(is) + "\n  was " + listing(was), nil
			}
			continue
		}
		for _, row := range is {
			if !slices.Contains(was, row) {
				return check.what + ": " + row, nil
			}
		}
	}
	return "", nil
}
