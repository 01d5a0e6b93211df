package policy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// replyTimeout is long enough for a loaded machine: it is met only when an
// answer never comes.
const replyTimeout = 30 * time.Second

// recorder is a connection past TLS that keeps every byte it received.
type recorder struct {
	net.Conn
	mu       sync.Mutex
	received []byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = append(r.received, b[:n]...)
	return n, err
}

// session is a login of a credential, taken down to its messages.
type session struct {
	*pgproto3.Frontend
	conn   *recorder
	secret *pgconn.HijackedConn
}

// connect logs in with a connection string. What is received is recorded from
// the first byte after the TLS handshake.
func connect(ctx context.Context, connectionString string) (*session, error) {
	config, err := pgconn.ParseConfig(connectionString)
	if err != nil {
		return nil, err
	}
	trust, err := trusted()
	if err != nil {
		return nil, err
	}
	// TLS is done here, below the driver, which then finds a plain connection.
	secure := &tls.Config{RootCAs: trust, ServerName: config.Host}
	config.TLSConfig, config.Fallbacks = nil, nil
	s := &session{}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		encrypted, err := handshake(ctx, raw, secure)
		if err != nil {
			raw.Close()
			return nil, err
		}
		s.conn = &recorder{Conn: encrypted}
		return s.conn, nil
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return s, err
	}
	if s.secret, err = conn.Hijack(); err != nil {
		return nil, err
	}
	s.Frontend = s.secret.Frontend
	return s, nil
}

func handshake(ctx context.Context, raw net.Conn, secure *tls.Config) (net.Conn, error) {
	request, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		return nil, err
	}
	if _, err := raw.Write(request); err != nil {
		return nil, err
	}
	var answer [1]byte
	if _, err := io.ReadFull(raw, answer[:]); err != nil || answer[0] != 'S' {
		return nil, fmt.Errorf("the proxy offers no TLS: %q, %v", answer, err)
	}
	encrypted := tls.Client(raw, secure)
	return encrypted, encrypted.HandshakeContext(ctx)
}

var trusted = sync.OnceValues(func() (*x509.CertPool, error) {
	pem, err := os.ReadFile(beam.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", beam.CA)
	}
	return pool, nil
})

// login opens a session with a profile's credential.
func (p *profile) connect(t testing.TB) *session {
	t.Helper()
	return open(t, p.login(t))
}

func open(t testing.TB, connectionString string) *session {
	t.Helper()
	s, err := connect(t.Context(), connectionString)
	if err != nil {
		t.Fatalf("log in: %v", err)
	}
	return s
}

// withOptions adds to the options of a connection string.
func withOptions(connectionString, options string) string {
	u, err := url.Parse(connectionString)
	if err != nil {
		panic(fmt.Sprintf("the API gave a connection string that is no URL: %v", err))
	}
	q := u.Query()
	q.Set("options", strings.TrimSpace(q.Get("options")+" "+options))
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // as libpq reads it
	return u.String()
}

// take returns what was received since it was called last.
func (s *session) take() []byte {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	b := s.conn.received
	s.conn.received = nil
	return b
}

func (s *session) close() { _ = s.conn.Close() }

// send writes messages in one go, as a pipelining client does.
func (s *session) send(messages ...pgproto3.FrontendMessage) error {
	for _, m := range messages {
		s.Send(m)
	}
	_ = s.conn.SetDeadline(time.Now().Add(replyTimeout))
	return s.Flush()
}

// column is a field of a row description.
type column struct {
	name   string
	oid    uint32 // of its type
	table  uint32
	number uint16 // of the column in table
	binary bool
}

// result is what came of one statement.
type result struct {
	columns []column
	rows    [][][]byte
	tag     string // empty when it did not complete
	paused  bool   // its portal has more
	empty   bool   // there was no statement
}

// outcome is everything that came up to a ReadyForQuery.
type outcome struct {
	results   []result
	described [][]column // by Describe, in order; nil for one without rows
	notices   []pgproto3.NoticeResponse
	failure   *pgproto3.ErrorResponse
	status    byte // of the transaction
	order     []byte
}

// ended is the error of a session that the proxy has closed.
type ended struct{ last *pgproto3.ErrorResponse }

func (e *ended) Error() string {
	if e.last == nil {
		return "the connection was closed without a word"
	}
	return fmt.Sprintf("%s: %s (SQLSTATE %s)", e.last.Severity, e.last.Message, e.last.Code)
}

// await reads up to the next ReadyForQuery. Every row must fit the description
// that was sent for it.
func (s *session) await() (*outcome, error) {
	o := &outcome{}
	current := result{}
	for {
		m, err := s.Receive()
		if err != nil {
			return o, &ended{o.failure}
		}
		switch m := m.(type) {
		case *pgproto3.RowDescription:
			current.columns = columnsOf(m)
			o.described = append(o.described, current.columns)
			o.order = append(o.order, 'T')
		case *pgproto3.NoData:
			o.described = append(o.described, nil)
			o.order = append(o.order, 'n')
		case *pgproto3.DataRow:
			if current.columns != nil && len(m.Values) != len(current.columns) {
				return o, fmt.Errorf("a row of %d values where %d columns were described", len(m.Values), len(current.columns))
			}
			row := make([][]byte, len(m.Values))
			for i, v := range m.Values {
				row[i] = bytes.Clone(v)
			}
			current.rows = append(current.rows, row)
			o.order = append(o.order, 'D')
		case *pgproto3.CommandComplete:
			current.tag = string(m.CommandTag)
			o.results, current = append(o.results, current), result{}
			o.order = append(o.order, 'C')
		case *pgproto3.EmptyQueryResponse:
			o.results, current = append(o.results, result{empty: true}), result{}
			o.order = append(o.order, 'I')
		case *pgproto3.PortalSuspended:
			current.paused = true
			o.results, current = append(o.results, current), result{columns: current.columns}
			o.order = append(o.order, 's')
		case *pgproto3.NoticeResponse:
			o.notices = append(o.notices, *m)
			o.order = append(o.order, 'N')
		case *pgproto3.ErrorResponse:
			failure := *m
			o.failure, current = &failure, result{}
			o.order = append(o.order, 'E')
		case *pgproto3.ParseComplete, *pgproto3.BindComplete, *pgproto3.CloseComplete, *pgproto3.ParameterDescription, *pgproto3.ParameterStatus:
		case *pgproto3.ReadyForQuery:
			o.status = m.TxStatus
			return o, nil
		default:
			return o, fmt.Errorf("unexpected message %T", m)
		}
	}
}

func columnsOf(m *pgproto3.RowDescription) []column {
	columns := make([]column, len(m.Fields))
	for i, f := range m.Fields {
		columns[i] = column{name: string(f.Name), oid: f.DataTypeOID, table: f.TableOID, number: f.TableAttributeNumber, binary: f.Format == 1}
	}
	return columns
}

// query runs a text by the simple protocol.
func (s *session) query(sql string) (*outcome, error) {
	if err := s.send(&pgproto3.Query{String: sql}); err != nil {
		return nil, err
	}
	return s.await()
}

// extended runs one statement by the extended protocol, with parameters as
// text and rows in one format.
func (s *session) extended(sql string, format int16, args ...string) (*outcome, error) {
	values := make([][]byte, len(args))
	for i, a := range args {
		values[i] = []byte(a)
	}
	err := s.send(&pgproto3.Parse{Query: sql}, &pgproto3.Describe{ObjectType: 'S'},
		&pgproto3.Bind{Parameters: values, ResultFormatCodes: []int16{format}}, &pgproto3.Describe{ObjectType: 'P'},
		&pgproto3.Execute{}, &pgproto3.Sync{})
	if err != nil {
		return nil, err
	}
	return s.await()
}

// int4 is the parameter of a function call message.
func int4(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
