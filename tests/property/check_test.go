package property

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// leak finds what was received of the values that the policy hides. What the
// statement itself says is no news to who sent it.
func (r *regime) leak(a answer) string {
	for _, m := range token.FindAll(a.received, -1) {
		if r.secret[string(m)] && !strings.Contains(a.sent, string(m)) {
			at := bytes.Index(a.received, m)
			return fmt.Sprintf("%s, in %q", m, a.received[max(0, at-60):min(len(a.received), at+60)])
		}
	}
	return ""
}

// difference says how the proxy's answer departs from what it must be.
func (r *regime) difference(s *statement, got, want answer) string {
	if s.way == binary {
		for _, row := range want.rows {
			for i := range row {
				if s.columns[i].mask != "" {
					row[i] = nil
				}
			}
		}
	}
	switch {
	case got.code != want.code:
		return fmt.Sprintf("it ends with %q %s, by hand with %q %s", got.code, got.message, want.code, want.message)
	case got.code != "":
		return ""
	case len(got.fields) != len(want.fields):
		return fmt.Sprintf("%d columns, by hand %d", len(got.fields), len(want.fields))
	}
	for i := range got.fields {
		g, w := got.fields[i], want.fields[i]
		if i < len(s.columns) && s.columns[i].mask != "" {
			w.size = g.size // a mask fits no varchar(20)
		}
		if g != w {
			return fmt.Sprintf("column %d is %v, by hand %v", i+1, g, w)
		}
	}
	gotRows, wantRows := printed(got.rows), printed(want.rows)
	cut := r.MaxRows > 0 && len(wantRows) > r.MaxRows && s.write == nil
	noticed := slices.ContainsFunc(got.notices, func(n string) bool { return strings.Contains(n, "truncated") })
	if cut != noticed {
		return fmt.Sprintf("%d rows by hand, max_rows %d, notices %q", len(wantRows), r.MaxRows, got.notices)
	}
	if cut {
		if len(gotRows) != r.MaxRows {
			return fmt.Sprintf("%d rows in spite of max_rows", len(gotRows))
		}
		if s.sorted {
			wantRows = wantRows[:r.MaxRows]
		} else {
			if more := without(gotRows, wantRows); len(more) > 0 {
				return "rows that are not there by hand: " + listing(more)
			}
			return ""
		}
	} else if got.tag != want.tag && s.way != cursor && s.way != executed && s.way != portions {
		return fmt.Sprintf("the tag %q, by hand %q", got.tag, want.tag)
	}
	if !s.sorted {
		sort.Strings(gotRows)
		sort.Strings(wantRows)
	}
	if slices.Equal(gotRows, wantRows) {
		return ""
	}
	if s.sorted {
		return fmt.Sprintf("other rows, or in another order\n  the proxy's %s\n  by hand %s", listing(gotRows), listing(wantRows))
	}
	return fmt.Sprintf("other rows\n  only through the proxy %s\n  only by hand %s", listing(without(gotRows, wantRows)), listing(without(wantRows, gotRows)))
}

// without is what is in a and not in b.
func without(a, b []string) []string {
	left := slices.Clone(b)
	var list []string
	for _, row := range a {
		if at := slices.Index(left, row); at >= 0 {
			left = slices.Delete(left, at, at+1)
		} else {
			list = append(list, row)
		}
	}
	return list
}

func printed(rows [][][]byte) []string {
	list := make([]string, len(rows))
	for i, row := range rows {
		cells := make([]string, len(row))
		for j, cell := range row {
			cells[j] = "∅"
			if cell != nil {
				cells[j] = fmt.Sprintf("%q", cell)
			}
		}
		list[i] = strings.Join(cells, ", ")
	}
	return list
}

func listing(rows []string) string {
	const most = 12
	more := ""
	if len(rows) > most {
		more = fmt.Sprintf("\n    … and %d more", len(rows)-most)
		rows = rows[:most]
	}
	return fmt.Sprintf("(%d):\n    %s%s", len(rows), strings.Join(rows, "\n    "), more)
}
