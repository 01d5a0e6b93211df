package policy

import (
	"strings"
	"unicode"
)

// The parser here reads UTF-8, and so does PostgreSQL in a database of that
// encoding. In another one PostgreSQL reads names as the database encodes them:
// it keeps 63 bytes of those, which may be more letters than 63 bytes of UTF-8
// are, and it may fold letters that the parser here leaves as they are. The same
// name would be another there.

// longestName is how many bytes of a name PostgreSQL keeps.
const longestName = 63

// checkNames refuses a text with such a name, where rules know relations by
// theirs.
func (e *Engine) checkNames(sql string) *refusal {
	if !e.ruled || e.catalog == nil || e.catalog.UTF8 {
		return nil
	}
	var r *refusal
	eachName(sql, func(name string, quoted, escaped bool) {
		plain := !strings.ContainsFunc(name, func(c rune) bool { return c > unicode.MaxASCII })
		switch {
		case r != nil || plain && !escaped:
		case len(name) > longestName:
			r = refuse("parse_error", "Use a shorter name.",
				"a name is longer than %d bytes, and this database, which is not in UTF8, would cut it elsewhere than it is examined", longestName)
		case !quoted && strings.ContainsFunc(name, unicode.IsUpper):
			r = refuse("parse_error", "Write it in quotes, or in small letters.",
				"a name has capital letters which this database, that is not in UTF8, may read as small ones")
		}
	})
	return r
}

// eachName calls f with what may be a name in sql: words, keywords among them,
// and what stands in double quotes, as it is written. That of U&"…" is escaped.
func eachName(sql string, f func(name string, quoted, escaped bool)) {
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '"':
			end := skipQuoted(sql, i, false)
			escaped := i > 1 && sql[i-1] == '&' && sql[i-2]|0x20 == 'u'
			f(strings.TrimSuffix(sql[i+1:end], `"`), true, escaped)
			i = end
		case c == '\'':
			i = skipQuoted(sql, i, false)
		case c == '$':
			i = skipDollar(sql, i)
		case strings.HasPrefix(sql[i:], "--"):
			i = skipLine(sql, i)
		case strings.HasPrefix(sql[i:], "/*"):
			i = skipComment(sql, i)
		case isIdentStart(c):
			end := i + 1
			for end < len(sql) && isIdentPart(sql[end]) {
				end++
			}
			if end == i+1 && c|0x20 == 'e' && end < len(sql) && sql[end] == '\'' {
				i = skipQuoted(sql, end, true)
				break
			}
			f(sql[i:end], false, false)
			i = end
		default:
			i++
		}
	}
}
