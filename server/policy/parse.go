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
	maxBytes      = 1 << 20
	maxDepth      = 400
	maxStatements = 500
)

// parse turns a text into statements. The error is for the principal.
func parse(sql string) (*pg.ParseResult, error) { return parseUpTo(sql, maxStatements) }

// parseUpTo is parse for texts of so many statements.
func parseUpTo(sql string, statements int) (*pg.ParseResult, error) {
	if len(sql) > maxBytes {
		return nil, fmt.Errorf("it is %d bytes long; at most %d are examined", len(sql), maxBytes)
	}
	if strings.IndexByte(sql, 0) >= 0 {
		return nil, fmt.Errorf("it contains a zero byte")
	}
	if !utf8.ValidString(sql) {
		return nil, fmt.Errorf("it is not valid UTF-8")
	}
	if depth := nesting(sql); depth > maxDepth {
		return nil, fmt.Errorf("it is nested more than %d levels deep", maxDepth)
	}
	tree, err := parseTree(sql)
	if err != nil {
		return nil, err
	}
	if n := len(tree.Stmts); n > statements {
		return nil, fmt.Errorf("it holds %d statements; at most %d are examined", n, statements)
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
