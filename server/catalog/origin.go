package catalog

import (
	"strconv"
	"strings"
)

// origin is a column of a relation.
type origin struct {
	relation uint32
	number   int16
}

// viewColumn is where the value of a view's column comes from.
type viewColumn struct {
	from []origin
	// plain: it is the one column that it comes from, unchanged.
	plain bool
}

// reader follows the tree of a view's rewrite rule (pg_rewrite.ev_action): a
// text of nested braces, {QUERY :field value …}, in which a backslash keeps
// the next character. Entries of the outermost query's lists stand at the
// second level.
type reader struct {
	kinds []string // of the open nodes
	field string   // of the innermost node, whose value comes next
	list  string   // field of the outermost query that was named last

	simple  bool // neither set operation nor groups, aggregates, windows or DISTINCT
	setOps  bool
	tables  []uint32 // of the range table, in order; 0 for what is no relation
	entry   target
	columns map[int16]target
}

// target is an entry of the select list.
type target struct {
	number  int64
	copied  origin     // what PostgreSQL says it is a plain copy of
	vars    []variable // what it mentions
	opaque  bool       // it mentions more than that
	current variable
}

// variable is a column of an entry of the range table.
type variable struct{ table, number, level int64 }

const queryLevel, entryLevel = 1, 2

// origins reads where a view's columns come from, by number. A column that is
// left out may come from all that the view mentions; ok is false when the tree
// is not understood.
func origins(tree string) (byNumber map[int16]viewColumn, ok bool) {
	r := reader{simple: true, columns: map[int16]target{}}
	for i := 0; i < len(tree); {
		switch c := tree[i]; c {
		case ' ', '\n', '\t', '(', ')':
			i++
		case '{':
			end := i + 1
			for end < len(tree) && tree[end] >= 'A' && tree[end] <= 'Z' {
				end++
			}
			if !r.open(tree[i+1 : end]) {
				return nil, false
			}
			i = end
		case '}':
			if !r.close() {
				return nil, false
			}
			i++
		default:
			end := i
			for end < len(tree) && !strings.ContainsRune(" \n\t(){}", rune(tree[end])) {
				if tree[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end, len(tree))
			if !r.word(tree[i:end]) {
				return nil, false
			}
			i = end
		}
	}
	if len(r.kinds) > 0 || r.setOps {
		return nil, false
	}
	return r.resolve(), true
}

func (r *reader) open(kind string) bool {
	r.kinds, r.field = append(r.kinds, kind), ""
	switch len(r.kinds) {
	case queryLevel:
		return kind == "QUERY"
	case entryLevel:
		r.entry = target{}
		switch {
		case rangeTable(kind):
			r.tables = append(r.tables, 0)
		case r.list == ":groupClause", r.list == ":groupingSets", r.list == ":distinctClause", r.list == ":windowClause":
			r.simple = false
		case r.list == ":setOperations":
			r.setOps = true
		}
	default:
		switch kind {
		case "VAR":
			r.entry.current = variable{}
		case "QUERY", "SUBLINK", "AGGREF", "WINDOWFUNC", "GROUPINGFUNC", "PARAM", "CURRENTOFEXPR":
			r.entry.opaque = true
		}
	}
	return true
}

// rangeTable is an entry of the range table, which has another name since
// PostgreSQL 16.
func rangeTable(kind string) bool { return kind == "RTE" || kind == "RANGETBLENTRY" }

func (r *reader) close() bool {
	if len(r.kinds) == 0 {
		return false
	}
	top := r.kinds[len(r.kinds)-1]
	if top == "VAR" {
		r.entry.vars = append(r.entry.vars, r.entry.current)
	}
	if len(r.kinds) == entryLevel && top == "TARGETENTRY" && r.entry.number > 0 {
		r.columns[int16(r.entry.number)] = r.entry
	}
	r.kinds, r.field = r.kinds[:len(r.kinds)-1], ""
	return true
}

func (r *reader) word(word string) bool {
	if strings.HasPrefix(word, ":") {
		r.field = word
		if len(r.kinds) == queryLevel {
			r.list = word
		}
		return true
	}
	field := r.field
	r.field = ""
	if len(r.kinds) == 0 {
		return true
	}
	number := func(into *int64) bool {
		n, err := strconv.ParseInt(word, 10, 64)
		*into = n
		return err == nil
	}
	var n int64
	switch top, level := r.kinds[len(r.kinds)-1], len(r.kinds); {
	case level == queryLevel && (field == ":hasAggs" || field == ":hasWindowFuncs"):
		r.simple = r.simple && word == "false"
	case level == entryLevel && rangeTable(top) && field == ":relid":
		ok := number(&n)
		r.tables[len(r.tables)-1] = uint32(n)
		return ok
	case level == entryLevel && top == "TARGETENTRY" && field == ":resno":
		return number(&r.entry.number)
	case level == entryLevel && top == "TARGETENTRY" && field == ":resorigtbl":
		ok := number(&n)
		r.entry.copied.relation = uint32(n)
		return ok
	case level == entryLevel && top == "TARGETENTRY" && field == ":resorigcol":
		ok := number(&n)
		r.entry.copied.number = int16(n)
		return ok
	case top == "VAR" && field == ":varno":
		return number(&r.entry.current.table)
	case top == "VAR" && field == ":varattno":
		return number(&r.entry.current.number)
	case top == "VAR" && field == ":varlevelsup":
		return number(&r.entry.current.level)
	}
	return true
}

func (r *reader) resolve() map[int16]viewColumn {
	out := map[int16]viewColumn{}
	for number, e := range r.columns {
		if e.copied.relation != 0 && e.copied.number != 0 {
			out[number] = viewColumn{from: []origin{e.copied}, plain: true}
			continue
		}
		known := r.simple && !e.opaque
		var from []origin
		for _, v := range e.vars {
			if v.level != 0 || v.number == 0 || v.table < 1 || int(v.table) > len(r.tables) || r.tables[v.table-1] == 0 {
				known = false
				break
			}
			from = append(from, origin{r.tables[v.table-1], int16(v.number)})
		}
		if known {
			out[number] = viewColumn{from: from}
		}
	}
	return out
}
