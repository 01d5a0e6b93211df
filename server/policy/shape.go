package policy

import (
	"reflect"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// Programs that write values into their statements send texts that differ in
// nothing else. What was decided about one of them holds for all, where it can
// be shown that the values do not matter: then those are not parsed.

const (
	maxShaped    = 8 << 10 // bytes of a text
	maxOpen      = 256     // constants of it
	openNumber   = 1       // stands for digits
	openString   = 2       // stands for a string in plain quotes
	firstAllowed = '\t'    // texts with bytes below it have no shape: they could pass for open constants
)

// AppendShape appends to b a text with its plain constants left open: those
// of digits alone, and strings without quotes and backslashes, with a space,
// a bracket, a comma or a comparison around them. ok is false for a text that
// has none, or has what makes it hard to tell a constant: comments, dollar
// quotes, escapes.
//
// Two texts of one shape fall into the same tokens, if each open constant of
// one of them is a token.
func AppendShape[Text string | []byte](b []byte, text Text) (shape []byte, ok bool) {
	if len(text) > maxShaped {
		return nil, false
	}
	open := 0
	opens := true // a constant may begin here
	for i := 0; i < len(text); {
		c := text[i]
		end := 0 // of a constant
		switch {
		case c >= '0' && c <= '9' && opens:
			for end = i + 1; end < len(text) && text[end] >= '0' && text[end] <= '9'; end++ {
			}
			if closes(text, end) {
				b = append(b, openNumber)
			} else {
				b, end = append(b, c), 0
			}
		case c == '\'':
			for end = i + 1; end < len(text) && text[end] != '\'' && text[end] != '\\'; end++ {
			}
			if !opens || end == len(text) || text[end] == '\\' || !closes(text, end+1) {
				return nil, false
			}
			b = append(b, openString)
			end++
		case c == '"':
			from := i
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] < firstAllowed {
					return nil, false
				}
			}
			if i == len(text) {
				return nil, false
			}
			b = append(b, text[from:i]...)
			b, c = append(b, '"'), '"'
		case c == '$' && (i+1 == len(text) || text[i+1] < '0' || text[i+1] > '9'),
			c == '-' && i+1 < len(text) && text[i+1] == '-',
			c == '/' && i+1 < len(text) && text[i+1] == '*',
			c < firstAllowed:
			return nil, false
		default:
			b = append(b, c)
		}
		if end > 0 {
			if open++; open > maxOpen {
				return nil, false
			}
			i, opens = end, false
			continue
		}
		i++
		switch c {
		case ' ', '\t', '\n', '\r', '(', ',', '=', '<', '>':
			opens = true
		default:
			opens = false
		}
	}
	return b, open > 0
}

// closes reports whether a constant may end before text[i].
func closes[Text string | []byte](text Text, i int) bool {
	if i == len(text) {
		return true
	}
	switch text[i] {
	case ' ', '\t', '\n', '\r', ')', ',', ';':
		return true
	}
	return false
}

// Template decides about the texts of one shape.
type Template struct {
	decision      *Decision
	before, after int // bytes of a text around its statement
}

// Template returns how to decide about texts of the shape of sql, about which
// e decided d; nil when their constants may matter.
func (e *Engine) Template(sql string, d *Decision) (t *Template) {
	defer func() {
		if recover() != nil {
			t = nil
		}
	}()
	if d.Verdict != Allow || d.SQL != sql || len(d.Statements) != 1 || len(d.Findings) > 0 || len(d.MaskedColumns) > 0 || d.Predicate != "" {
		return nil
	}
	s := d.Statements[0]
	switch s.Tag {
	case "SELECT", "INSERT", "UPDATE", "DELETE":
	default:
		return nil
	}
	shape, ok := AppendShape(nil, sql)
	if !ok || s.Outputs != nil {
		return nil
	}
	tree, err := parse(sql)
	if err != nil || len(tree.Stmts) != 1 {
		return nil
	}
	values := map[int]bool{}
	valuesIn(tree.Stmts[0].Stmt, values)
	before := int(tree.Stmts[0].StmtLocation)
	for before < len(sql) && sql[before] <= ' ' {
		before++
	}
	after := len(sql) - before - len(s.SQL)
	if after < 0 || sql[before:len(sql)-after] != s.SQL {
		return nil
	}
	// Every open constant has to be a value, and one with another value in
	// each of them has to be decided about in the same way.
	var other []byte
	from := 0
	for _, c := range shape {
		switch c {
		case openNumber, openString:
			if !values[from] {
				return nil
			}
			from = afterConstant(sql, from)
			if c == openNumber {
				other = append(other, "90210"...)
			} else {
				other = append(other, "'elsewhere'"...)
			}
		default:
			other = append(other, c)
			from++
		}
	}
	t = &Template{decision: d, before: before, after: after}
	if !reflect.DeepEqual(e.Evaluate(string(other)), t.Decide(string(other))) {
		return nil
	}
	return t
}

// afterConstant is where a constant that AppendShape leaves open ends.
func afterConstant(sql string, at int) int {
	end := at + 1
	if sql[at] == '\'' {
		for sql[end] != '\'' {
			end++
		}
		return end + 1
	}
	for end < len(sql) && sql[end] >= '0' && sql[end] <= '9' {
		end++
	}
	return end
}

// Decide is what Evaluate would say about a text of the template's shape, nil
// when that has to be asked.
func (t *Template) Decide(sql string) *Decision {
	if len(sql) < t.before+t.after || !utf8.ValidString(sql) {
		return nil
	}
	made := &struct {
		Decision
		statements [1]Statement
	}{Decision: *t.decision, statements: [1]Statement{t.decision.Statements[0]}}
	made.statements[0].SQL = sql[t.before : len(sql)-t.after]
	made.SQL, made.Statements = sql, made.statements[:]
	return &made.Decision
}

// valuesIn collects where the constants stand that are values and nothing
// else: compared or reckoned with, set, inserted, or counts of LIMIT. No
// check asks what they are.
func valuesIn(m proto.Message, at map[int]bool) {
	value := func(n *pg.Node) {
		if c := n.GetAConst(); c != nil && !c.Isnull {
			at[int(c.Location)] = true
		}
	}
	values := func(list []*pg.Node) {
		for _, n := range list {
			value(n)
		}
	}
	switch n := m.(type) {
	case *pg.A_Expr:
		switch n.Kind {
		case pg.A_Expr_Kind_AEXPR_OP:
			if len(n.Name) == 1 && plainOperators[n.Name[0].GetString_().GetSval()] {
				value(n.Lexpr)
				value(n.Rexpr)
			}
		case pg.A_Expr_Kind_AEXPR_IN, pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
			values(n.Rexpr.GetList().GetItems())
		}
	case *pg.SelectStmt:
		for _, row := range n.ValuesLists {
			values(row.GetList().GetItems())
		}
		value(n.LimitCount)
		value(n.LimitOffset)
	case *pg.UpdateStmt:
		for _, target := range n.TargetList {
			value(target.GetResTarget().GetVal())
		}
	}
	eachChild(m, func(_ string, child proto.Message) { valuesIn(child, at) })
}

var plainOperators = nameSet("= <> < > <= >= + - *")
