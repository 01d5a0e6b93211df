package policy

import "strings"

// nesting is an upper estimate of how deep the parse tree of sql becomes.
// Brackets and CASE nest; so does each operator of a chain, since a+b+c is
// (a+b)+c, and each UNION or JOIN. A comma, AND, OR and the words between the
// arms of a CASE start a new chain: lists, boolean chains and arms are flat in
// the tree.
func nesting(sql string) int {
	d := depthGauge{levels: make([]level, 1, 16)}
	for i := 0; i < len(sql) && d.deepest <= maxDepth; {
		c := sql[i]
		switch {
		case c == '\'' || c == '"':
			i, d.dotted = skipQuoted(sql, i, false), false
		case c == '$':
			i, d.dotted = skipDollar(sql, i), false
		case c == '-' && strings.HasPrefix(sql[i:], "--"):
			i = skipLine(sql, i)
		case c == '/' && strings.HasPrefix(sql[i:], "/*"):
			i = skipComment(sql, i)
		case isIdentStart(c):
			end := i + 1
			for end < len(sql) && isIdentPart(sql[end]) {
				end++
			}
			if end < len(sql) && sql[end] == '\'' && end == i+1 && (c == 'e' || c == 'E') {
				i = skipQuoted(sql, end, true)
				continue
			}
			d.word(sql[i:end])
			i = end
		default:
			d.symbol(c)
			i++
		}
	}
	return d.deepest
}

// level is one open bracket: the operators of its current chain, and the set
// operations and joins since it was opened.
type level struct {
	chain, joins int
	isCase       bool
}

type depthGauge struct {
	levels  []level
	depth   int // brackets open, plus chains and joins of all open levels
	deepest int
	// dotted: what comes next is a name, whatever word it is, since t.end has a
	// column named end. A number may end in a dot, too (1. UNION …), so that such
	// a word may not lessen the estimate and may still add to it.
	dotted bool
}

func (d *depthGauge) grow(n int) {
	d.depth += n
	d.deepest = max(d.deepest, d.depth)
}

func (d *depthGauge) open(isCase bool) {
	d.levels = append(d.levels, level{isCase: isCase})
	d.grow(1)
}

func (d *depthGauge) close() {
	top := d.levels[len(d.levels)-1]
	if len(d.levels) == 1 {
		d.depth, d.levels[0] = 0, level{}
		return
	}
	d.levels = d.levels[:len(d.levels)-1]
	d.depth -= 1 + top.chain + top.joins
}

func (d *depthGauge) link() {
	d.levels[len(d.levels)-1].chain++
	d.grow(1)
}

func (d *depthGauge) join() {
	d.levels[len(d.levels)-1].joins++
	d.grow(1)
}

func (d *depthGauge) restart() {
	top := &d.levels[len(d.levels)-1]
	d.depth -= top.chain
	top.chain = 0
}

func (d *depthGauge) symbol(c byte) {
	if c == ' ' || c >= '\t' && c <= '\r' {
		return
	}
	d.dotted = c == '.'
	switch c {
	case '(', '[':
		d.open(false)
	case ')', ']':
		d.close()
	case ',':
		d.restart()
	case ';':
		if len(d.levels) == 1 {
			d.close()
		}
	case '+', '-', '*', '/', '<', '>', '=', '~', '!', '@', '#', '%', '^', '&', '|', '`', '?', ':':
		d.link()
	}
}

func (d *depthGauge) word(w string) {
	dotted := d.dotted
	d.dotted = false
	var lower [9]byte
	if len(w) > len(lower) {
		return
	}
	for i := range len(w) {
		lower[i] = w[i] | 0x20 // letters to lower case; what else changes matches no keyword
	}
	switch string(lower[:len(w)]) {
	case "case":
		if !dotted {
			d.open(true)
		}
	case "end":
		if !dotted && d.levels[len(d.levels)-1].isCase {
			d.close()
		}
	case "and", "or", "when", "then", "else":
		if !dotted {
			d.restart()
		}
	case "union", "intersect", "except", "join":
		d.join()
	case "not", "is", "isnull", "notnull", "collate", "at", "like", "ilike", "similar", "in", "between", "escape", "operator":
		d.link()
	}
}

func isIdentStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isIdentPart(c byte) bool { return isIdentStart(c) || c >= '0' && c <= '9' || c == '$' }

// skipQuoted is the position after the literal or identifier that starts at i.
// A doubled quote reads as two literals in a row, which ends at the same place.
func skipQuoted(sql string, i int, backslash bool) int {
	quote := sql[i]
	for i++; i < len(sql); i++ {
		if backslash && sql[i] == '\\' {
			i++
			continue
		}
		if sql[i] != quote {
			continue
		}
		if i+1 < len(sql) && sql[i+1] == quote {
			i++
			continue
		}
		return i + 1
	}
	return len(sql)
}

func skipDollar(sql string, i int) int {
	end := i + 1
	for end < len(sql) && isIdentPart(sql[end]) && sql[end] != '$' {
		end++
	}
	if end >= len(sql) || sql[end] != '$' || end > i+1 && !isIdentStart(sql[i+1]) {
		return i + 1 // a parameter
	}
	tag := sql[i : end+1]
	if n := strings.Index(sql[end+1:], tag); n >= 0 {
		return end + 1 + n + len(tag)
	}
	return len(sql)
}

func skipLine(sql string, i int) int {
	if n := strings.IndexAny(sql[i:], "\r\n"); n >= 0 {
		return i + n + 1
	}
	return len(sql)
}

func skipComment(sql string, i int) int {
	open := 0
	for i < len(sql) {
		switch {
		case strings.HasPrefix(sql[i:], "/*"):
			open++
			i += 2
		case strings.HasPrefix(sql[i:], "*/"):
			open--
			i += 2
			if open == 0 {
				return i
			}
		default:
			i++
		}
	}
	return len(sql)
}
