package catalog

import (
	"strconv"
	"strings"
)

// origin says where the value of a view's column comes from unchanged.
type origin struct {
	relation uint32 // 0 when it is computed
	number   int16
}

// origins reads the origins of a view's columns, by number, from the tree of
// its rewrite rule (pg_rewrite.ev_action). ok is false when the tree is not
// understood, or is a set operation, whose columns come from several places.
//
// The tree is nested braces, {QUERY :field value …}, in which a backslash
// keeps the next character. Target entries of the outermost query stand at
// the second level.
func origins(tree string) (byNumber map[int16]origin, ok bool) {
	const query, entry = 1, 2
	byNumber = map[int16]origin{}
	var (
		depth   int
		kind    [3]string // of the node that is open at a level
		field   string    // of the innermost node
		number  int64
		current origin
		single  bool // there is no set operation
	)
	for i := 0; i < len(tree); {
		switch c := tree[i]; c {
		case ' ', '\n', '\t', '(', ')':
			i++
		case '{':
			depth++
			end := i + 1
			for end < len(tree) && tree[end] >= 'A' && tree[end] <= 'Z' {
				end++
			}
			if depth < len(kind) {
				kind[depth] = tree[i+1 : end]
			}
			if depth == query && kind[query] != "QUERY" {
				return nil, false
			}
			if depth == entry {
				number, current = 0, origin{}
			}
			i, field = end, ""
		case '}':
			if depth == 0 {
				return nil, false
			}
			if depth == entry && kind[entry] == "TARGETENTRY" && number > 0 {
				byNumber[int16(number)] = current
			}
			depth--
			field = ""
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
			word := tree[i:end]
			i = end
			if strings.HasPrefix(word, ":") {
				field = word
				continue
			}
			switch {
			case depth == query && field == ":setOperations":
				single = word == "<>"
			case depth == entry && kind[entry] == "TARGETENTRY":
				n, err := strconv.ParseInt(word, 10, 64)
				switch field {
				case ":resno":
					number = n
				case ":resorigtbl":
					current.relation = uint32(n)
				case ":resorigcol":
					current.number = int16(n)
				default:
					err = nil
				}
				if err != nil {
					return nil, false
				}
			}
			field = ""
		}
	}
	return byNumber, single && depth == 0
}
