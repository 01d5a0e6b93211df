package docs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// session runs statements as psql does and writes what psql with VERBOSITY
// verbose would show, less the places in PostgreSQL's source.
type session struct {
	conn    *pgconn.PgConn
	notices strings.Builder
}

func connect(ctx context.Context, url string) (*session, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	s := &session{}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		report(&s.notices, n.Severity, n.Code, n.Message, n.Detail, n.Hint)
	}
	s.conn, err = pgconn.ConnectConfig(ctx, config)
	return s, err
}

// prompt is psql's, which shows the state of the transaction.
func (s *session) prompt(more bool) string {
	state := map[byte]string{'I': "", 'T': "*", 'E': "!"}[s.conn.TxStatus()]
	if more {
		return "shop-" + state + "> "
	}
	return "shop=" + state + "> "
}

// run sends one text and returns all that comes back.
func (s *session) run(ctx context.Context, sql string) string {
	s.notices.Reset()
	var out strings.Builder
	replies := s.conn.Exec(ctx, sql)
	for replies.NextResult() {
		r := replies.ResultReader()
		columns := slices.Clone(r.FieldDescriptions())
		for i := range columns {
			columns[i].Name = strings.Clone(columns[i].Name)
		}
		var rows [][]string
		for r.NextRow() {
			var row []string
			for _, v := range r.Values() {
				row = append(row, string(v))
			}
			rows = append(rows, row)
		}
		tag, err := r.Close()
		if err != nil {
			break // comes once more from replies
		}
		out.WriteString(s.notices.String())
		s.notices.Reset()
		if len(columns) > 0 {
			aligned(&out, columns, rows)
		} else {
			fmt.Fprintln(&out, tag)
		}
	}
	err := replies.Close()
	out.WriteString(s.notices.String())
	s.notices.Reset()
	if e, ok := err.(*pgconn.PgError); ok {
		report(&out, e.Severity, e.Code, e.Message, e.Detail, e.Hint)
	} else if err != nil {
		fmt.Fprintln(&out, err)
	}
	return out.String()
}

func report(out *strings.Builder, severity, code, message, detail, hint string) {
	fmt.Fprintf(out, "%s:  %s: %s\n", severity, code, message)
	if detail != "" {
		fmt.Fprintf(out, "DETAIL:  %s\n", detail)
	}
	if hint != "" {
		fmt.Fprintf(out, "HINT:  %s\n", hint)
	}
}

// aligned prints rows as psql's aligned format does.
func aligned(out *strings.Builder, columns []pgconn.FieldDescription, rows [][]string) {
	width := make([]int, len(columns))
	for i, c := range columns {
		width[i] = utf8.RuneCountInString(c.Name)
		for _, r := range rows {
			width[i] = max(width[i], utf8.RuneCountInString(r[i]))
		}
	}
	var head, rule []string
	for i, c := range columns {
		room := width[i] - utf8.RuneCountInString(c.Name)
		head = append(head, strings.Repeat(" ", 1+room/2)+c.Name+strings.Repeat(" ", 1+room-room/2))
		rule = append(rule, strings.Repeat("-", width[i]+2))
	}
	fmt.Fprintln(out, strings.TrimRight(strings.Join(head, "|"), " "))
	fmt.Fprintln(out, strings.Join(rule, "+"))
	for _, r := range rows {
		var cells []string
		for i, v := range r {
			room := strings.Repeat(" ", width[i]-utf8.RuneCountInString(v))
			if numeric(columns[i].DataTypeOID) {
				cells = append(cells, " "+room+v+" ")
			} else {
				cells = append(cells, " "+v+room+" ")
			}
		}
		fmt.Fprintln(out, strings.TrimRight(strings.Join(cells, "|"), " "))
	}
	if len(rows) == 1 {
		fmt.Fprintln(out, "(1 row)")
	} else {
		fmt.Fprintf(out, "(%d rows)\n", len(rows))
	}
}

func numeric(oid uint32) bool {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID, pgtype.OIDOID:
		return true
	}
	return false
}
