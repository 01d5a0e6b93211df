package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// fromClient are the frame types that may come once a session is open.
const fromClient = "BCDEFHPQSXcdf"

// clientPump is the state of toUpstream.
type clientPump struct {
	*session
	scan wire.Scanner
	buf  buffer
	torn bool // part of a frame may have gone upstream without its end
}

// toUpstream relays what the client sends until it leaves or the session
// ends, and reports whether the upstream is at a frame boundary.
func (s *session) toUpstream() (whole bool) {
	p := &clientPump{session: s}
	defer p.buf.release()
	relay, from := p.relay, io.Reader(s.client)
	if s.enforcer != nil {
		e := &enforcePump{clientPump: p, enforcer: s.enforcer, ahead: lookahead{session: s}}
		defer e.giveBack()
		relay, from = e.relay, &e.ahead
	}
	for {
		err := p.buf.fill(from, &p.scan)
		n, more := relay(p.buf.bytes())
		p.buf.consume(n)
		if !more {
			break
		}
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !s.stopping() {
			continue
		}
		s.clientLeft(err)
		break
	}
	return !p.torn && p.scan.AtBoundary()
}

// stopping reports whether the pumps are to stop.
func (s *session) stopping() bool {
	if s.ending.Load() != nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// relay sends upstream what may go of data, and returns how much of it is
// done with. more is false when nothing further is to be read.
func (p *clientPump) relay(data []byte) (done int, more bool) {
	for done < len(data) {
		if !p.scan.AtBoundary() {
			done += p.scan.Skip(data[done:])
			continue
		}
		h, ok, err := p.scan.Next(data[done:])
		if err == nil && ok && strings.IndexByte(fromClient, h.Type) < 0 {
			err = fmt.Errorf("invalid frontend message type %d", h.Type)
		}
		if err != nil {
			p.end(protocolViolation(err))
			return done, false
		}
		if !ok {
			break
		}
		if runs(h.Type) {
			if !p.permitted() || executes(h.Type) && !p.paced() {
				return done, false
			}
		}
		p.note(h.Type)
		done += wire.HeaderSize
		if h.Type == wire.Terminate {
			p.send(data[:done])
			return done, false
		}
	}
	return done, p.send(data[:done])
}

// runs reports whether a frame of this type can make the upstream run
// something: the boundaries of statements.
func runs(typ byte) bool {
	switch typ {
	case wire.Query, wire.Parse, wire.Bind, wire.Execute, wire.FunctionCall:
		return true
	}
	return false
}

// executes reports whether a frame counts as a statement: once per
// execution, not for its preparation.
func executes(typ byte) bool {
	return typ == wire.Query || typ == wire.Execute || typ == wire.FunctionCall
}

// note enters a frame in the ledger. One that could run something waits for
// cancel requests that are under way.
func (s *session) note(typ byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked(typ)
}

func (s *session) noteLocked(typ byte) {
	for s.cancelling && runs(typ) && !s.over && s.ending.Load() == nil {
		s.settled.Wait()
	}
	s.ledger.sent(typ)
	if typ == wire.Terminate {
		s.silent = true
	}
}

func (p *clientPump) send(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if _, err := p.upstream.Write(b); err != nil {
		// toClient reads why, or that the session has been ended.
		p.torn = true
		return false
	}
	return true
}

// clientLeft ends the session after the client's last byte. A client that
// closed its half in good order may still read the answers to what it asked,
// as long as its connection stands; one that is gone has its statement
// cancelled.
func (s *session) clientLeft(err error) {
	if s.stopping() {
		return
	}
	if errors.Is(err, io.EOF) {
		s.mu.Lock()
		s.leaving = true
		idle := s.ledger.done()
		s.mu.Unlock()
		if idle {
			_ = s.upstream.SetReadDeadline(time.Unix(1, 0)) // wakes toClient
			return
		}
		_ = s.untilClosed()
		if s.stopping() {
			return
		}
	}
	s.end(clientLost())
}

// untilClosed waits until a connection whose client has closed its half ends
// itself.
func (s *session) untilClosed() (err error) {
	var b [1]byte
	for err == nil {
		_, err = s.raw.Read(b[:])
	}
	return err
}

func clientLost() *refusal { return fatal(codeConnectionFailure, "", "client connection lost") }
