// Package wire knows the frames of the PostgreSQL protocol, version 3: where
// one ends and the next begins, and how to build the few that the service
// composes itself.
//
// It decodes as little as it can. A session relays bytes; only boundaries,
// types and a handful of short bodies matter to it. Every length is checked
// here, before anything is allocated or sliced by it.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Frame types that a client sends.
const (
	Bind         = 'B'
	Close        = 'C'
	CopyData     = 'd' // both directions
	CopyDone     = 'c' // both directions
	CopyFail     = 'f'
	Describe     = 'D'
	Execute      = 'E'
	Flush        = 'H'
	FunctionCall = 'F'
	Parse        = 'P'
	Password     = 'p' // and every other answer of an authentication exchange
	Query        = 'Q'
	Sync         = 'S'
	Terminate    = 'X'
)

// Frame types that a server sends and that matter to a relay.
const (
	Authentication       = 'R'
	BackendKeyData       = 'K'
	CopyInResponse       = 'G'
	CopyBothResp         = 'W'
	ErrorResponse        = 'E'
	NoticeResponse       = 'N'
	NotificationResponse = 'A'
	ParameterStatus      = 'S'
	ReadyForQuery        = 'Z'
)

const (
	// HeaderSize is the type byte and the length word of a frame.
	HeaderSize = 5
	// MaxFrame is the longest frame that is relayed; PostgreSQL itself
	// accepts no more.
	MaxFrame = 1 << 30
	// MaxAuth is the longest message of an authentication exchange.
	MaxAuth = 64 << 10
	// MaxStartup is the longest startup packet, as in PostgreSQL.
	MaxStartup = 10000
)

// LengthError says that a length word cannot be true.
type LengthError struct {
	Type   byte // 0 for a startup packet
	Length uint32
	Max    uint32
}

func (e *LengthError) Error() string {
	if e.Type == 0 {
		return fmt.Sprintf("invalid length of startup packet: %d (at most %d)", e.Length, e.Max)
	}
	return fmt.Sprintf("invalid length of message type %q: %d (at least 4, at most %d)", e.Type, e.Length, e.Max)
}

// errShort says that a body ended before its fields did.
var errShort = errors.New("message ends in the middle of a field")

// Header is the start of a frame.
type Header struct {
	Type byte
	Body int // length of what follows the header
}

// ParseHeader reads a header from the start of b. ok is false when b is too
// short to tell.
func ParseHeader(b []byte) (h Header, ok bool, err error) {
	if len(b) < HeaderSize {
		return Header{}, false, nil
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n < 4 || n > MaxFrame {
		return Header{}, false, &LengthError{b[0], n, MaxFrame}
	}
	return Header{b[0], int(n) - 4}, true, nil
}

// ReadFrame reads one frame whose length word is at most limit: for the
// exchange before a session only, where messages are short. buf is used when
// it is large enough.
func ReadFrame(r io.Reader, buf []byte, limit uint32) (typ byte, body []byte, err error) {
	var head [HeaderSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > limit {
		return 0, nil, &LengthError{head[0], n, limit}
	}
	size := int(n) - 4
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if _, err := io.ReadFull(r, buf); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return head[0], buf, nil
}
