package pool

import (
	"fmt"
	"io"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

const (
	// maxLoginFrame is the longest message that an upstream may send during
	// the login: no nonce of megabytes.
	maxLoginFrame = wire.MaxAuth
	// maxGreeting bounds all that it sends between accepting the login and
	// its first ReadyForQuery.
	maxGreeting = 256 << 10
)

// loginReader stands between the upstream and pgconn's decoder. It hands over
// one frame at most per read, so that nothing behind the first ReadyForQuery
// is taken from the connection; it checks every length before the decoder
// sees it; and it keeps the frames that a client must see as they are.
type loginReader struct {
	r io.Reader

	head     [wire.HeaderSize]byte
	have     int // bytes of head that were read
	given    int // bytes of head that were handed over
	left     int // bytes of the body still to come
	frame    []byte
	greeting []byte
	failure  []byte // body of the ErrorResponse that ended the login
}

func (l *loginReader) Read(p []byte) (int, error) {
	if l.left == 0 && l.have == l.given {
		l.finish()
		for l.have = 0; l.have < wire.HeaderSize; {
			n, err := l.r.Read(l.head[l.have:])
			l.have += n
			if err != nil && l.have < wire.HeaderSize {
				l.given = l.have
				return 0, err
			}
		}
		h, _, err := wire.ParseHeader(l.head[:])
		if err != nil {
			return 0, fmt.Errorf("read login answer of upstream: %w", err)
		}
		if h.Body > maxLoginFrame {
			return 0, fmt.Errorf("read login answer of upstream: message type %q of %d bytes, at most %d expected", h.Type, h.Body, maxLoginFrame)
		}
		l.given, l.left = 0, h.Body
		switch h.Type {
		case wire.ParameterStatus, wire.NoticeResponse, wire.ErrorResponse:
			if len(l.greeting)+h.Body > maxGreeting {
				return 0, fmt.Errorf("read login answer of upstream: more than %d bytes of settings and notices", maxGreeting)
			}
			l.frame = append(l.frame, l.head[:]...)
		}
	}
	if l.given < l.have {
		n := copy(p, l.head[l.given:l.have])
		l.given += n
		if l.left == 0 && l.given == l.have {
			l.finish()
		}
		return n, nil
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	if len(l.frame) > 0 {
		l.frame = append(l.frame, p[:n]...)
	}
	if l.left == 0 {
		l.finish()
	}
	return n, err
}

// finish files a kept frame once it is whole.
func (l *loginReader) finish() {
	if len(l.frame) == 0 {
		return
	}
	if l.frame[0] == wire.ErrorResponse {
		l.failure = l.frame[wire.HeaderSize:]
	} else {
		l.greeting = append(l.greeting, l.frame...)
	}
	l.frame = nil
}
