package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// What a text may cost before PostgreSQL's parser sees it. The parser and its
// serializer recurse on the C stack, where overflow ends the process, so depth
// is bounded by scanning the text first.
const (
	// MaxBytes is the longest text that is examined.
	MaxBytes      = 1 << 20
	maxDepth      = 400
	maxStatements = 500
	maxCopied     = 2 << 20
	// maxTokens bounds the time that a text takes: some 0.2 s with the parser in
	// C, and a second without.
	maxTokens = 250_000
)

// unexamined is why a text is not shown to the parser, or what it holds not
// looked at.
type unexamined struct{ why, hint string }

const textHint = "Send text, in UTF-8."

func (u *unexamined) Error() string { return u.why }

// parse turns a text into statements. The error is for the principal.
func parse(sql string) (*pg.ParseResult, error) { return parseUpTo(sql, maxStatements) }

// parseUpTo is parse for texts of so many statements.
func parseUpTo(sql string, statements int) (*pg.ParseResult, error) {
	if strings.IndexByte(sql, 0) >= 0 {
		return nil, &unexamined{"it contains a zero byte", textHint}
	}
	if !utf8.ValidString(sql) {
		return nil, &unexamined{"it is not valid UTF-8", textHint}
	}
	if len(sql) > MaxBytes {
		return nil, &unexamined{fmt.Sprintf("it is %d bytes long; at most %d are examined", len(sql), MaxBytes), "Send it in parts, and long values as parameters."}
	}
	deepest, copied, tokens := nesting(sql)
	if tokens > maxTokens {
		return nil, &unexamined{fmt.Sprintf("it holds more than %d words and signs", maxTokens), "Send it in parts, or long lists of values as one array in a parameter."}
	}
	if deepest > maxDepth {
		return nil, &unexamined{fmt.Sprintf("it is nested more than %d levels deep", maxDepth), "Nest it less deeply, or send it in parts."}
	}
	if copied > maxCopied {
		return nil, &unexamined{"it assigns too much to too many columns at once, in SET (…) = …", "Assign to each column by itself, and long values as parameters."}
	}
	tree, err := parseTree(sql)
	if err != nil {
		return nil, err
	}
	if n := len(tree.Stmts); n > statements {
		return nil, &unexamined{fmt.Sprintf("it holds %d statements; at most %d are examined", n, statements), "Send fewer statements at a time."}
	}
	return tree, nil
}

// sourceOf is the part of sql that a statement was parsed from.
func sourceOf(sql string, raw *pg.RawStmt) string {
	from, length := int(raw.StmtLocation), int(raw.StmtLen)
	if from < 0 || from > len(sql) {
		return sql
	}
	if length <= 0 || from+length > len(sql) {
		return strings.TrimSpace(sql[from:])
	}
	return strings.TrimSpace(sql[from : from+length])
}

// Text is the text of several statements. A comment at the end of one ends
// before the next.
func Text(statements []string) string {
	separator := ";\n"
	if slices.ContainsFunc(statements, func(sql string) bool { return strings.Contains(sql, "--") }) {
		separator = "\n;\n"
	}
	return strings.Join(statements, separator)
}
