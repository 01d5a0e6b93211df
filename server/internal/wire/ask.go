package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Frame types of the answer to a simple query, besides those of a relay.
const (
	CommandComplete      = 'C'
	DataRow              = 'D'
	RowDescription       = 'T'
	EmptyQuery           = 'I'
	ParseComplete        = '1'
	BindComplete         = '2'
	CloseComplete        = '3'
	NoData               = 'n'
	ParameterDescription = 't'
	PortalSuspended      = 's'
)

// AppendQuery appends a simple query.
func AppendQuery(b []byte, sql string) []byte {
	b, at := begin(b, Query)
	return end(appendText(b, sql), at)
}

// ServerError is an ErrorResponse that answered a question of ours.
type ServerError struct{ Report }

func (e *ServerError) Error() string {
	return fmt.Sprintf("%s: %s (SQLSTATE %s)", e.Severity, e.Message, e.Code)
}

// Ask sends sql, which may be several statements, over a connection on which
// nothing is outstanding, and reads the whole answer. row gets the values of
// every row in text form, nil for NULL, valid until it returns; statement
// counts from 0. Frames that belong to the session and not to the answer
// (ParameterStatus, NoticeResponse) are returned as they came. limit bounds
// one frame. After an error that is no *ServerError the connection is unusable.
func Ask(conn io.ReadWriter, sql string, limit uint32, row func(statement int, values [][]byte) error) (asides []byte, err error) {
	if _, err := conn.Write(AppendQuery(nil, sql)); err != nil {
		return nil, fmt.Errorf("send query: %w", err)
	}
	return readAnswer(conn, limit, row)
}

// Analyze has the server parse and analyse sql, which it does not run, over a
// connection on which nothing is outstanding. More than one statement is
// refused by the protocol. limit bounds one frame. After an error that is no
// *ServerError the connection is unusable.
func Analyze(conn io.ReadWriter, sql string, limit uint32) error {
	b, at := begin(nil, Parse)
	b = appendText(appendText(b, ""), sql) // the statement has no name
	b = end(append(b, 0, 0), at)           // and no parameter a type
	b, at = begin(b, Sync)
	if _, err := conn.Write(end(b, at)); err != nil {
		return fmt.Errorf("send statement: %w", err)
	}
	_, err := readAnswer(conn, limit, nil)
	return err
}

// readAnswer reads up to ReadyForQuery. row may be nil where no row is due.
func readAnswer(conn io.Reader, limit uint32, row func(statement int, values [][]byte) error) (asides []byte, err error) {
	var failed error
	var buf []byte
	var values [][]byte
	for statement := 0; ; {
		typ, body, err := ReadFrame(conn, buf, limit)
		if err != nil {
			return asides, fmt.Errorf("read answer: %w", err)
		}
		if cap(body) > cap(buf) {
			buf = body
		}
		switch typ {
		case DataRow:
			if failed != nil || row == nil {
				continue
			}
			if values, err = parseRow(body, values[:0]); err != nil {
				return asides, err
			}
			failed = row(statement, values)
		case CommandComplete, EmptyQuery:
			statement++
		case ErrorResponse:
			failed = &ServerError{ParseReport(body)}
		case ParameterStatus, NoticeResponse:
			asides = AppendBody(asides, typ, body)
		case ReadyForQuery:
			return asides, failed
		case CopyInResponse, CopyBothResp:
			return asides, fmt.Errorf("read answer: unexpected message type %q", typ)
		}
	}
}

// parseRow splits the body of a DataRow.
func parseRow(body []byte, values [][]byte) ([][]byte, error) {
	if len(body) < 2 {
		return nil, errShort
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	for range n {
		if len(body) < 4 {
			return nil, errShort
		}
		size := int32(binary.BigEndian.Uint32(body))
		body = body[4:]
		if size == -1 {
			values = append(values, nil)
			continue
		}
		if size < 0 || int(size) > len(body) {
			return nil, errShort
		}
		values = append(values, body[:size:size])
		body = body[size:]
	}
	return values, nil
}
