// Package queryhash gives a query the name that cache rules and insights know
// it by. The server and the plugin compute it from the same code, so that a
// rule can be declared before its query was ever seen.
//
// The text is normalized with PostgreSQL's own parser, compiled to WebAssembly
// so that no C compiler is needed to build this: constants become parameters,
// comments go, keywords and unquoted names become lower case, white space
// follows one rule, a list of constants after IN becomes one parameter, and
// parameters are numbered in the order they stand. The hash is xxhash64 of
// that text in 16 hexadecimal digits.
package queryhash

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	pganalyze "github.com/pganalyze/pg_query_go/v6"
	pgquery "github.com/wasilibs/go-pgquery"
)

// Query is a normalized query.
type Query struct {
	Hash string // 16 lower-case hexadecimal digits
	Text string // what was hashed
}

// Of normalizes and hashes a query. A text that PostgreSQL cannot parse has no
// hash; the error says where the parser gave up.
func Of(sql string) (Query, error) {
	text, err := Normalize(sql)
	if err != nil {
		return Query{}, err
	}
	return Query{Hash: fmt.Sprintf("%016x", xxhash.Sum64String(text)), Text: text}, nil
}

// Normalize writes a query in the form that all queries share which differ
// only in constants, comments, letter case and white space.
func Normalize(sql string) (string, error) {
	if strings.ContainsRune(sql, 0) {
		return "", fmt.Errorf("not valid SQL: it holds a zero byte")
	}
	text, err := pgquery.Normalize(sql)
	if err != nil {
		return "", fmt.Errorf("not valid SQL: %w", err)
	}
	scanned, err := pgquery.Scan(text)
	if err != nil {
		return "", fmt.Errorf("not valid SQL: %w", err)
	}
	tokens := make([]token, 0, len(scanned.GetTokens()))
	for _, t := range scanned.GetTokens() {
		if t.GetToken() == pganalyze.Token_SQL_COMMENT || t.GetToken() == pganalyze.Token_C_COMMENT {
			continue
		}
		word := token{kind: t.GetToken(), keyword: t.GetKeywordKind(), text: text[t.GetStart():t.GetEnd()]}
		if word.kind == pganalyze.Token_NOT_EQUALS {
			word.text = "<>" // "!=" is the same operator
		}
		tokens = append(tokens, word)
	}
	for len(tokens) > 0 && tokens[len(tokens)-1].text == ";" {
		tokens = tokens[:len(tokens)-1]
	}
	if len(tokens) == 0 {
		return "", fmt.Errorf("not valid SQL: it holds no statement")
	}
	return write(number(foldLists(tokens))), nil
}

// token is a word of a query.
type token struct {
	kind    pganalyze.Token
	keyword pganalyze.KeywordKind
	text    string
}

func (t token) parameter() bool { return t.kind == pganalyze.Token_PARAM }

// foldLists makes one parameter of every list after IN that holds nothing but
// parameters.
func foldLists(tokens []token) []token {
	var out []token
	for i := 0; i < len(tokens); i++ {
		out = append(out, tokens[i])
		if tokens[i].kind != pganalyze.Token_IN_P || i+2 >= len(tokens) || tokens[i+1].text != "(" {
			continue
		}
		end := i + 2
		for end+1 < len(tokens) && tokens[end].parameter() && tokens[end+1].text == "," {
			end += 2
		}
		if end+1 < len(tokens) && tokens[end].parameter() && tokens[end+1].text == ")" {
			out = append(out, tokens[i+1], tokens[i+2])
			i = end
		}
	}
	return out
}

// number gives parameters the numbers of their first appearance.
func number(tokens []token) []token {
	numbers := map[string]string{}
	for i, t := range tokens {
		if !t.parameter() {
			continue
		}
		if numbers[t.text] == "" {
			numbers[t.text] = "$" + strconv.Itoa(len(numbers)+1)
		}
		tokens[i].text = numbers[t.text]
	}
	return tokens
}

// write joins the words: one space between any two, none beside dots, casts
// and brackets, inside parentheses, before commas, and between a function and
// its arguments.
func write(tokens []token) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 && spaced(tokens[i-1], t) {
			b.WriteByte(' ')
		}
		if t.keyword != pganalyze.KeywordKind_NO_KEYWORD || t.kind == pganalyze.Token_IDENT && !strings.HasPrefix(t.text, `"`) {
			t.text = strings.ToLower(t.text)
		}
		b.WriteString(t.text)
	}
	return b.String()
}

func spaced(left, right token) bool {
	switch left.text {
	case "(", "[", ".", "::":
		return false
	}
	switch right.text {
	case ")", "]", "[", ".", ",", ";", "::":
		return false
	case "(":
		named := left.kind == pganalyze.Token_IDENT || left.keyword == pganalyze.KeywordKind_COL_NAME_KEYWORD ||
			left.keyword == pganalyze.KeywordKind_TYPE_FUNC_NAME_KEYWORD
		return !named
	}
	return true
}
