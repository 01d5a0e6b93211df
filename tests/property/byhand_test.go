package property

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// byHand is the SQL that leaves in a database what the policy leaves of what
// its schema "whole" holds.
func (p *profile) byHand() string {
	var b strings.Builder
	b.WriteString("SET search_path = whole, public;\n")
	for _, r := range relations {
		fmt.Fprintf(&b, "DROP TABLE IF EXISTS %s CASCADE;\n", r.in(""))
	}
	for _, r := range relations {
		if r.drawn {
			continue
		}
		a := p.access(r)
		inherits := r.parent != "" && !r.partition && p.access(named(r.parent)).usable()
		if !a.usable() && !inherits {
			continue
		}
		list := make([]string, len(r.columns))
		for i, c := range r.columns {
			list[i] = overwritten(r.name+"."+c.name, c.decl, a.masks[c.name]) + " AS " + c.name
		}
		from, only := r.in("whole"), ""
		if r.view != "" {
			from = r.in("part")
		}
		if r == docs {
			only = "ONLY "
		}
		query := fmt.Sprintf("SELECT %s FROM %s%s AS %s WHERE %s", strings.Join(list, ", "), only, from, r.name, a.visible())
		if inherits {
			fmt.Fprintf(&b, "CREATE TABLE %s () INHERITS (%s);\nINSERT INTO %s %s;\n", r.in(""), named(r.parent).in(""), r.in(""), query)
		} else {
			fmt.Fprintf(&b, "CREATE TABLE %s AS %s;\n", r.in(""), query)
		}
		if r.view == "" && !slices.ContainsFunc(r.key, func(k string) bool { return a.masks[k] != "" }) {
			fmt.Fprintf(&b, "ALTER TABLE %s ADD PRIMARY KEY (%s);\n", r.in(""), strings.Join(r.key, ", "))
		}
	}
	return b.String()
}

// overwritten is what stands for a column in a database masked by hand.
func overwritten(column, decl, kind string) string {
	family := map[string]string{"text": "text", "varchar(20)": "varchar", "varchar(10)": "varchar", "varchar(30)": "varchar", "char(11)": "bpchar", "handle": "varchar"}[decl]
	switch {
	case kind == "":
		return column
	case kind == "null" || family == "":
		return "NULL::" + cmp.Or(family, decl)
	case kind == "redact":
		return "CASE WHEN " + column + " IS NOT NULL THEN '[redacted]' END::" + family
	}
	return "encode(sha256(convert_to(" + column + "::text, 'UTF8')), 'hex')::" + family
}
