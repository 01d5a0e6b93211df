package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// frame is one message as it stood on the wire, without its length.
type frame struct {
	kind byte
	body []byte
}

func (f frame) String() string {
	const most = 240
	text := strconv.QuoteToASCII(string(f.body[:min(len(f.body), most)]))
	if len(f.body) > most {
		text += fmt.Sprintf("… (%d bytes)", len(f.body))
	}
	return fmt.Sprintf("%c %s", f.kind, text)
}

// replyTimeout is long enough for a loaded machine: it is met only when an
// answer never comes.
const replyTimeout = 30 * time.Second

// errClosed says that the peer closed the connection between two frames.
var errClosed = errors.New("connection closed")

// wireConn is a session past its startup, taken down to its bytes.
type wireConn struct {
	net.Conn
	in *bufio.Reader
}

func (c *wireConn) read() (frame, error) {
	if err := c.SetReadDeadline(time.Now().Add(replyTimeout)); err != nil {
		return frame{}, err
	}
	var header [5]byte
	if _, err := io.ReadFull(c.in, header[:]); err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return frame{}, fmt.Errorf("no frame within %s", replyTimeout)
		}
		return frame{}, errClosed
	}
	n := int(binary.BigEndian.Uint32(header[1:])) - 4
	if n < 0 || n > 1<<30 {
		return frame{}, fmt.Errorf("frame %c says it has %d bytes", header[0], n)
	}
	f := frame{kind: header[0], body: make([]byte, n)}
	_, err := io.ReadFull(c.in, f.body)
	return f, err
}

// encode puts messages one behind the other, as a pipelining client does.
func encode(messages ...pgproto3.FrontendMessage) []byte {
	var out []byte
	for _, m := range messages {
		var err error
		if out, err = m.Encode(out); err != nil {
			panic(fmt.Sprintf("encode %T: %v", m, err))
		}
	}
	return out
}

// mask blanks what two sessions of the same server may tell differently: the
// process that notified, and the object numbers of tables made by the script.
func mask(f frame, fixed map[uint32]bool) frame {
	switch f.kind {
	case 'A':
		if len(f.body) >= 4 {
			f.body = append([]byte("\x00\x00\x00\x00"), f.body[4:]...)
		}
	case 'T':
		f.body = maskTables(f.body, fixed)
	}
	return f
}

func maskTables(body []byte, fixed map[uint32]bool) []byte {
	const firstUserOID, fieldTail = 16384, 18
	out := append([]byte(nil), body...)
	rest := out[2:]
	for len(rest) > 0 {
		name := strings.IndexByte(string(rest), 0)
		if name < 0 || len(rest) < name+1+fieldTail {
			return out
		}
		table := rest[name+1:]
		if oid := binary.BigEndian.Uint32(table); oid >= firstUserOID && !fixed[oid] {
			binary.BigEndian.PutUint32(table, firstUserOID)
		}
		rest = table[fieldTail:]
	}
	return out
}

// withoutSource drops the fields of an ErrorResponse that name a place in the
// source of whoever wrote it.
func withoutSource(body []byte) []byte {
	var out []byte
	for field := range bytes.SplitSeq(body, []byte{0}) {
		if len(field) > 0 && !bytes.ContainsAny(field[:1], "FLR") {
			out = append(append(out, field...), 0)
		}
	}
	return append(out, 0)
}
