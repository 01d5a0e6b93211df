package policy

import "strings"

// nesting is an upper estimate of how deep the parse tree of sql becomes.
// Brackets and CASE nest; so does each operator of a chain, since a+b+c is
// (a+b)+c, and each UNION or JOIN. A comma, AND, OR and the words between the
// arms of a CASE start a new chain: lists, boolean chains and arms are flat in
// the tree. The AND of a BETWEEN does not: a BETWEEN b AND NOT c is one chain.
//
// copied estimates how much of the text the tree holds more than once, in
// bytes: SET (a, b) = x gives each of its columns a copy of x, in which another
// SET may stand.
//
// tokens are its words and signs, without numbers: what the time to parse it
// goes by.
func nesting(sql string) (deepest, copied, tokens int) {
	d := depthGauge{levels: make([]level, 1, 16)}
	d.levels[0].copies, d.levels[0].around = 1, 1
	for i := 0; i < len(sql) && d.deepest <= maxDepth && copied <= maxCopied && d.tokens <= maxTokens; {
		c, from, copies := sql[i], i, d.levels[len(d.levels)-1].copies
		switch {
		case c == '\'' || c == '"':
			i = skipQuoted(sql, i, false)
			d.other()
		case c == '$':
			i = skipDollar(sql, i)
			d.other()
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
				d.other()
				break
			}
			d.word(sql[i:end])
			i = end
		default:
			d.symbol(c)
			i++
		}
		copied += (i - from) * (copies - 1)
	}
	return d.deepest, copied, d.tokens
}

// level is one open bracket: the operators of its current chain, and the set
// operations and joins since it was opened.
type level struct {
	chain, joins int
	betweens     int // of the chain, whose AND has not come
	isCase       bool

	assigned bool // it stands where the columns that a SET assigns to may
	columns  int  // how many those are
	copies   int  // in which the tree holds what comes next
	around   int  // the same of the level around it
}

type depthGauge struct {
	levels  []level
	depth   int // brackets open, plus chains and joins of all open levels
	deepest int
	tokens  int
	// dotted: what comes next is a name, whatever word it is, since t.end has a
	// column named end. A number may end in a dot, too (1. UNION …), so that such
	// a word may not lessen the estimate and may still add to it.
	dotted bool
	// set: what comes next may be what a SET assigns to. columns: how many of
	// those the bracket held that was closed right before, if it stood there.
	set     bool
	columns int
}

// other is a token that is neither a word nor a symbol.
func (d *depthGauge) other() {
	d.tokens++
	d.dotted, d.set, d.columns = false, false, 0
}

func (d *depthGauge) grow(n int) {
	d.depth += n
	d.deepest = max(d.deepest, d.depth)
}

func (d *depthGauge) open(isCase bool) {
	copies := d.levels[len(d.levels)-1].copies
	d.levels = append(d.levels, level{isCase: isCase, columns: 1, copies: copies, around: copies})
	d.grow(1)
}

func (d *depthGauge) close() {
	top := d.levels[len(d.levels)-1]
	if len(d.levels) == 1 {
		d.depth, d.levels[0] = 0, level{copies: 1, around: 1}
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
	top.chain, top.betweens = 0, 0
}

func (d *depthGauge) symbol(c byte) {
	if c == ' ' || c >= '\t' && c <= '\r' {
		return
	}
	set, columns := d.set, d.columns
	if d.other(); c >= '0' && c <= '9' {
		d.tokens-- // one of several digits, perhaps
		return
	}
	top := &d.levels[len(d.levels)-1]
	switch c {
	case '.':
		d.dotted = true
	case '(', '[':
		d.open(false)
		d.levels[len(d.levels)-1].assigned = set
	case ')', ']':
		if top.assigned {
			d.columns = top.columns
		}
		d.close()
	case ',':
		d.restart()
		d.set = true
		top.columns++
		top.copies = top.around
	case ';':
		if len(d.levels) == 1 {
			d.close()
		}
	case '=':
		if columns > 0 {
			top.copies = min(top.around*columns, maxCopied)
		}
		d.link()
	case '+', '-', '*', '/', '<', '>', '~', '!', '@', '#', '%', '^', '&', '|', '`', '?', ':':
		d.link()
	}
}

func (d *depthGauge) word(w string) {
	dotted := d.dotted
	d.other()
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
		switch top := &d.levels[len(d.levels)-1]; {
		case top.betweens > 0 && lower[0] == 'a':
			top.betweens--
		case !dotted:
			d.restart()
		}
	case "between":
		d.levels[len(d.levels)-1].betweens++
		d.link()
	case "set":
		d.set = true
	case "union", "intersect", "except", "join":
		d.join()
	case "not", "is", "isnull", "notnull", "collate", "at", "like", "ilike", "similar", "in", "escape", "operator":
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
