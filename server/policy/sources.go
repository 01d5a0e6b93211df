package policy

import (
	"errors"
	"strings"
)

// Source is one statement of a text.
type Source struct {
	SQL  string // without the comments before it
	Line int    // where it begins, from 1
}

// Sources splits a text into its statements. The error says on which line the
// parser gave up.
func Sources(sql string) ([]Source, error) {
	tree, err := parseUpTo(sql, maxBytes)
	if err != nil {
		return nil, errors.New(explainParse(sql, err))
	}
	var all []Source
	line, at := 1, 0
	for _, raw := range tree.GetStmts() {
		text := sourceOf(sql, raw)
		statement := trimComments(text)
		// sourceOf is trimmed, so what it found begins at or after the location.
		begin := int(raw.GetStmtLocation())
		begin += strings.Index(sql[begin:], text) + len(text) - len(statement)
		line += strings.Count(sql[at:begin], "\n")
		at = begin
		all = append(all, Source{statement, line})
	}
	return all, nil
}
