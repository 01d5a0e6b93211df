package policy

import (
	"errors"
	"strings"
	"unicode"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Source is one statement of a text.
type Source struct {
	SQL  string // without the comments before it
	Line int    // where it begins, from 1
}

// Sources splits a text into its statements. Where PostgreSQL's parser rejects
// one of them, or would not be shown it, it is a source like the others, and
// the text may be longer than a statement. The error is about what is no text.
func Sources(sql string) ([]Source, error) {
	tree, err := parseUpTo(sql, MaxBytes)
	var foreign *unexamined
	if errors.As(err, &foreign) && foreign.hint == textHint {
		return nil, err
	}
	if err != nil {
		return split(sql), nil
	}
	var all []Source
	at := lines{sql: sql, line: 1}
	for _, raw := range tree.GetStmts() {
		all = append(all, at.source(raw))
	}
	return all, nil
}

// lines counts those of a text up to the statement that was asked for last.
type lines struct {
	sql      string
	line, at int
}

// source is a statement as it was written; statements are asked for in order.
func (l *lines) source(raw *pg.RawStmt) Source {
	text := sourceOf(l.sql, raw)
	statement := trimComments(text)
	// sourceOf is trimmed, so what it found begins at or after the location.
	begin := int(raw.GetStmtLocation())
	begin += strings.Index(l.sql[begin:], text) + len(text) - len(statement)
	return l.from(begin, statement)
}

func (l *lines) from(begin int, statement string) Source {
	l.line += strings.Count(l.sql[l.at:begin], "\n")
	l.at = begin
	return Source{statement, l.line}
}

// split cuts a text at the semicolons outside of brackets, literals and
// comments.
func split(sql string) []Source {
	var all []Source
	at := lines{sql: sql, line: 1}
	begin, open := 0, 0
	cut := func(end int) {
		piece := sql[begin:end]
		if text := trimComments(piece); text != "" {
			all = append(all, at.from(begin+len(strings.TrimRightFunc(piece, unicode.IsSpace))-len(text), text))
		}
	}
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '\'' || c == '"':
			escapes := i > 0 && sql[i-1]|0x20 == 'e' && (i == 1 || !isIdentPart(sql[i-2]))
			i = skipQuoted(sql, i, escapes && c == '\'')
			continue
		case c == '$' && (i == 0 || !isIdentPart(sql[i-1])):
			i = skipDollar(sql, i)
			continue
		case strings.HasPrefix(sql[i:], "--"):
			i = skipLine(sql, i)
			continue
		case strings.HasPrefix(sql[i:], "/*"):
			i = skipComment(sql, i)
			continue
		case c == '(' || c == '[':
			open++
		case c == ')' || c == ']':
			open = max(0, open-1)
		case c == ';' && open == 0:
			cut(i)
			begin = i + 1
		}
		i++
	}
	cut(len(sql))
	return all
}
