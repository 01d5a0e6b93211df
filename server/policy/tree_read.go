package policy

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// readTree reads a tree from the JSON that the parser writes. What is not known
// to the last field and word is an error.
//
// The parser can write protobuf as well, but tries each of 268 types for every
// node of it, twice, which takes several times as long as parsing.
func readTree(text string) (*pg.ParseResult, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("it holds a string that is not valid UTF-8")
	}
	r, tree := treeReader{text: text, nodes: nodeTypes()}, new(pg.ParseResult)
	r.message(reflect.ValueOf(tree).Elem(), layoutOf(tree))
	if r.at < len(r.text) {
		r.fail("the end")
	}
	if r.err != nil {
		return nil, r.err
	}
	return tree, nil
}

type treeReader struct {
	text  string
	at    int
	err   error
	nodes map[string]*slot // by the types of nodes
}

// fail notes the first error and ends the text.
func (r *treeReader) fail(wanted string) {
	if r.err == nil {
		r.err = fmt.Errorf("its parse tree is not of a known form: %s is missing at byte %d", wanted, r.at)
	}
	r.at, r.text = 0, ""
}

func (r *treeReader) expect(c byte) {
	if r.at >= len(r.text) || r.text[r.at] != c {
		r.fail(string(c))
		return
	}
	r.at++
}

// more steps over a comma and says whether anything comes before end, over
// which it steps otherwise.
func (r *treeReader) more(end byte) bool {
	if r.at < len(r.text) && r.text[r.at] == ',' {
		r.at++
	}
	if r.at < len(r.text) && r.text[r.at] != end {
		return true
	}
	r.expect(end)
	return false
}

// message reads an object into the fields of m, which come in their order.
func (r *treeReader) message(m reflect.Value, l *layout) {
	r.expect('{')
	rest := l.fields
	for r.more('}') {
		key := r.quoted()
		r.expect(':')
		for len(rest) > 0 && rest[0].json != key {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			r.fail("a known field")
			return
		}
		r.field(m.Field(rest[0].index), rest[0])
		rest = rest[1:]
	}
}

// node reads what one of PostgreSQL's lists or fields for any node holds:
// nothing, or an object whose only field names the type of node.
func (r *treeReader) node() *pg.Node {
	n := new(pg.Node)
	r.expect('{')
	if r.more('}') {
		f := r.nodes[r.quoted()]
		if f == nil {
			r.fail("a known type of node")
			return n
		}
		r.expect(':')
		assign(&n.Node, r.alternative(f))
		r.expect('}')
	}
	return n
}

func (r *treeReader) alternative(f *slot) any {
	w, m := reflect.New(f.wrapper), reflect.New(f.message.of)
	r.message(m.Elem(), f.message)
	w.Elem().Field(0).Set(m)
	return w.Interface()
}

func assign[T any](to *T, value any) { *to = value.(T) }

func (r *treeReader) field(v reflect.Value, f *slot) {
	if f.list {
		r.expect('[')
	}
	switch to := v.Addr().Interface().(type) {
	case **pg.Node:
		*to = r.node()
	case *[]*pg.Node:
		for r.more(']') {
			*to = append(*to, r.node())
		}
	case *[]*pg.RawStmt:
		for r.more(']') {
			statement := new(pg.RawStmt)
			r.message(reflect.ValueOf(statement).Elem(), f.message)
			*to = append(*to, statement)
		}
	case *string:
		if !r.skip("null") {
			*to = strings.Clone(r.quoted())
		}
	case *bool:
		*to = r.skip("true")
		if !*to && !r.skip("false") {
			r.fail("true or false")
		}
	case *int32:
		*to = int32(r.number(math.MinInt32, math.MaxInt32))
	case *uint32:
		*to = uint32(r.number(0, math.MaxUint32))
	case *int64:
		*to = r.number(math.MinInt64, math.MaxInt64)
	default:
		switch {
		case f.words != nil:
			word, ok := f.words[r.quoted()]
			if !ok {
				r.fail("a known word")
			}
			v.SetInt(int64(word))
		case f.wrapper != nil:
			v.Set(reflect.ValueOf(r.alternative(f)))
		case f.message != nil && !f.list:
			m := reflect.New(f.message.of)
			r.message(m.Elem(), f.message)
			v.Set(m)
		default: // only the analyzed tree holds it
			r.fail("a field of a raw tree")
		}
	}
}

func (r *treeReader) skip(word string) bool {
	found := strings.HasPrefix(r.text[r.at:], word)
	if found {
		r.at += len(word)
	}
	return found
}

func (r *treeReader) number(least, most int64) int64 {
	from := r.at
	for r.at < len(r.text) && (r.text[r.at] == '-' || r.text[r.at] >= '0' && r.text[r.at] <= '9') {
		r.at++
	}
	n, err := strconv.ParseInt(r.text[from:r.at], 10, 64)
	if err != nil || n < least || n > most {
		r.fail("a number in range")
	}
	return n
}

// quoted reads a string, which is part of the text if nothing in it is escaped.
func (r *treeReader) quoted() string {
	r.expect('"')
	rest := r.text[r.at:]
	end := strings.IndexByte(rest, '"')
	if end >= 0 && strings.IndexByte(rest[:end], '\\') < 0 {
		r.at += end + 1
		return rest[:end]
	}
	for end = 0; end < len(rest) && rest[end] != '"'; end++ {
		if rest[end] == '\\' {
			end++
		}
	}
	if end >= len(rest) {
		r.fail("the end of a string")
		return ""
	}
	s, err := strconv.Unquote(r.text[r.at-1 : r.at+end+1])
	if err != nil {
		r.fail("a string")
	}
	r.at += end + 1
	return s
}
