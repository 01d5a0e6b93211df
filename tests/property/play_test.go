package property

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// way is how a client sends a statement.
type way string

const (
	simply    way = "simple query"
	textual   way = "extended, text"
	binary    way = "extended, binary"
	prepared  way = "prepared and described"
	portions  way = "portal in portions"
	cursor    way = "cursor"
	batch     way = "batch"
	executed  way = "PREPARE and EXECUTE"
	reset     way = "behind RESET ALL"
	discarded way = "behind DISCARD ALL"
)

// statement is a generated one.
type statement struct {
	sql     string // with the marks of scope_test.go
	columns []column
	way     way
	sorted  bool // ORDER BY decides the whole order
	// refused are what a refusal may say; nil for what the policy permits.
	refused *regexp.Regexp
	mayFail bool // a row in sight may make it fail, on both sides alike
	planned bool // it is an EXPLAIN, whose answers differ
	write   *write
}

var (
	values  = regexp.MustCompile(valueFrom + "([^" + valueTo + "]*)" + valueTo)
	differs = regexp.MustCompile(storedFrom + "([^" + or + "]*)" + or + "([^" + storedEnd + "]*)" + storedEnd)
)

func (s *statement) extended() bool {
	return s.way == textual || s.way == binary || s.way == prepared || s.way == portions || s.way == discarded
}

// text is the SQL for one of the databases and the values of its parameters.
func (s *statement) text(byHand bool) (sql string, parameters [][]byte) {
	sql = strings.NewReplacer(nulledFrom, "", nulledTo, "").Replace(s.sql)
	side := "$1"
	if byHand {
		sql = strings.NewReplacer(nulledFrom, "CASE WHEN false THEN ", nulledTo, " END").Replace(s.sql)
		side = "$2"
	}
	sql = differs.ReplaceAllString(sql, side)
	sql = values.ReplaceAllStringFunc(sql, func(m string) string {
		literal := values.FindStringSubmatch(m)[1]
		if !s.extended() {
			return literal
		}
		value := literal
		if strings.HasPrefix(literal, "'") {
			value = strings.ReplaceAll(literal[1:len(literal)-1], "''", "'")
		}
		parameters = append(parameters, []byte(value))
		return fmt.Sprintf("$%d", len(parameters))
	})
	return sql, parameters
}

func (s *statement) GoString() string { return s.String() }
func (s *statement) String() string {
	sql, parameters := s.text(false)
	out := string(s.way) + ": " + sql
	for i, p := range parameters {
		out += fmt.Sprintf("\n  $%d = %q", i+1, p)
	}
	if s.refused != nil {
		out += "\n  (not permitted: " + s.refused.String() + ")"
	}
	return out
}

// play sends s and collects the answer. The database masked by hand is asked
// in the simplest way that gives the same.
func (s *statement) play(c *client, byHand bool) (answer, error) {
	sql, parameters := s.text(byHand)
	w := s.way
	if byHand {
		switch w {
		case portions:
			w = textual
		case cursor, reset:
			w = simply
		case discarded:
			w = textual
		}
	}
	formats := []int16(nil)
	if w == binary {
		formats = []int16{1}
	}
	parse := &pgproto3.Parse{Query: sql}
	bind := &pgproto3.Bind{Parameters: parameters, ResultFormatCodes: formats}
	var a answer
	var err error
	switch w {
	case simply:
		a, err = c.simple(sql)
	case textual, binary:
		a, err = c.ask(1, parse, bind, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
	case prepared:
		parse.Name, bind.PreparedStatement = "s", "s"
		a, err = c.ask(2, parse, &pgproto3.Describe{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{}, bind, &pgproto3.Execute{}, &pgproto3.Sync{})
		if err == nil {
			_, err = c.ask(1, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
		}
	case portions:
		a, err = c.ask(1, parse, bind, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{MaxRows: 2}, &pgproto3.Execute{MaxRows: 3}, &pgproto3.Execute{}, &pgproto3.Sync{})
	case batch:
		a, err = c.simple("SELECT 7 AS before; " + sql)
		if err == nil && len(a.rows) > 0 && a.code == "" {
			a.rows = a.rows[1:]
		}
	case reset:
		a, err = c.simple("RESET ALL; " + sql)
	case discarded:
		a, err = c.ask(2, &pgproto3.Query{String: "DISCARD ALL"}, parse, bind, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
	case executed:
		a, err = c.ask(5, &pgproto3.Query{String: "BEGIN"}, &pgproto3.Query{String: "PREPARE p AS " + sql}, &pgproto3.Query{String: "EXECUTE p"},
			&pgproto3.Query{String: "ROLLBACK"}, &pgproto3.Query{String: "DEALLOCATE p"})
	case cursor:
		a, err = c.ask(5, &pgproto3.Query{String: "BEGIN"}, &pgproto3.Query{String: "DECLARE c CURSOR FOR " + sql}, &pgproto3.Query{String: "FETCH 2 FROM c"},
			&pgproto3.Query{String: "FETCH ALL FROM c"}, &pgproto3.Query{String: "ROLLBACK"})
	}
	a.sent = sql + string(bytes.Join(parameters, []byte(" ")))
	return a, err
}
