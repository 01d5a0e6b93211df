package property

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// client speaks to a database and keeps every byte that it is sent.
type client struct {
	*pgconn.PgConn
	tap   *tap
	types map[uint32]string // of user-defined types, whose numbers differ
}

// tap is a connection that remembers what came, behind TLS.
type tap struct {
	net.Conn
	received bytes.Buffer
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.received.Write(b[:n])
	return n, err
}

func connect(ctx context.Context, url string) (*client, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	c := &client{types: map[uint32]string{}}
	config.AfterNetConnect = func(_ context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
		c.tap = &tap{Conn: conn}
		return c.tap, nil
	}
	c.PgConn, err = pgconn.ConnectConfig(ctx, config)
	return c, err
}

// field describes a column of an answer.
type field struct {
	name string
	kind string // of type: its number, or the name of one that is not built in
	size int32  // the type's modifier
}

// answer is what a server sent for one statement.
type answer struct {
	fields   []field
	rows     [][][]byte
	tag      string
	code     string // SQLSTATE of the error that ended it
	message  string
	hint     string
	notices  []string
	received []byte
	sent     string
}

// patience is how long an answer may take; longer is a hang.
const patience = time.Minute

// ask sends messages that end with as many ReadyForQuery as syncs says, and
// puts all that comes into one answer.
func (c *client) ask(syncs int, messages ...pgproto3.FrontendMessage) (answer, error) {
	if err := c.tap.SetDeadline(time.Now().Add(patience)); err != nil {
		return answer{}, err
	}
	c.tap.received.Reset()
	front := c.Frontend()
	for _, m := range messages {
		front.Send(m)
	}
	if err := front.Flush(); err != nil {
		return answer{}, fmt.Errorf("send statement: %w", err)
	}
	var a answer
	for syncs > 0 {
		message, err := front.Receive()
		if err != nil {
			return a, fmt.Errorf("receive answer: %w", err)
		}
		switch m := message.(type) {
		case *pgproto3.RowDescription:
			a.fields = nil
			for _, f := range m.Fields {
				a.fields = append(a.fields, field{string(f.Name), c.typeName(f.DataTypeOID), f.TypeModifier})
			}
		case *pgproto3.DataRow:
			row := make([][]byte, len(m.Values))
			for i, v := range m.Values {
				row[i] = slices.Clone(v)
			}
			a.rows = append(a.rows, row)
		case *pgproto3.CommandComplete:
			a.tag = string(m.CommandTag)
		case *pgproto3.ErrorResponse:
			if a.code == "" {
				a.code, a.message, a.hint = m.Code, m.Message, m.Hint
			}
		case *pgproto3.NoticeResponse:
			a.notices = append(a.notices, m.Message)
		case *pgproto3.ReadyForQuery:
			syncs--
		}
	}
	a.received = slices.Clone(c.tap.received.Bytes())
	return a, nil
}

// typeName is the same for one type in both databases.
func (c *client) typeName(oid uint32) string {
	if name := c.types[oid]; name != "" {
		return name
	}
	return fmt.Sprint(oid)
}

// simple runs a text as a simple Query.
func (c *client) simple(sql string) (answer, error) {
	return c.ask(1, &pgproto3.Query{String: sql})
}

// must runs what cannot fail.
func (c *client) must(sql string) (answer, error) {
	a, err := c.simple(sql)
	if err == nil && a.code != "" {
		err = fmt.Errorf("%s (SQLSTATE %s): %.300s", a.message, a.code, sql)
	}
	return a, err
}

// learnTypes reads the names of user-defined types. Row types count as record,
// which a filtered table's rows are.
func (c *client) learnTypes() error {
	a, err := c.must("SELECT oid, CASE typtype WHEN 'c' THEN '2249' ELSE typname END FROM pg_type WHERE oid >= 16384")
	for _, row := range a.rows {
		var oid uint32
		if _, err := fmt.Sscan(string(row[0]), &oid); err != nil {
			return err
		}
		c.types[oid] = string(row[1])
	}
	return err
}
