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
	scan     wire.Scanner
	buf      buffer
	dropping bool // the frame that scan is in was refused
	torn     bool // part of a frame may have gone upstream without its end
}

// toUpstream relays what the client sends until it leaves or the session
// ends, and reports whether the upstream is at a frame boundary.
func (s *session) toUpstream() (whole bool) {
	p := &clientPump{session: s}
	defer p.buf.release()
	relay := p.relay
	if s.enforcer != nil {
		relay = (&enforcePump{clientPump: p, enforcer: s.enforcer}).relay
	}
	for {
		err := p.buf.fill(s.client, &p.scan)
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
	start := 0 // of what is not sent yet
	for done < len(data) {
		if !p.scan.AtBoundary() {
			done += p.scan.Skip(data[done:])
			if p.dropping {
				start = done
				p.dropping = !p.scan.AtBoundary()
			}
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
			if h.Type == wire.FunctionCall && p.id.credentialID != "" {
				if !p.send(data[start:done]) || !p.refuseFunctionCall() {
					return done, false
				}
				done += wire.HeaderSize
				start = done
				p.dropping = h.Body > 0
				continue
			}
		}
		p.note(h.Type)
		done += wire.HeaderSize
		if h.Type == wire.Terminate {
			p.send(data[start:done])
			return done, false
		}
	}
	return done, p.send(data[start:done])
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

// refuseFunctionCall answers a FunctionCall in its place: after everything
// that was asked before it, so that a pipeline stays in step.
func (s *session) refuseFunctionCall() bool {
	for {
		s.mu.Lock()
		for !s.ledger.empty() || s.partial {
			if s.over || s.ending.Load() != nil {
				s.mu.Unlock()
				return false
			}
			if s.ledger.open() {
				s.mu.Unlock()
				s.end(fatal(codeNotSupported, "", "function call inside an extended-query batch is not supported"))
				return false
			}
			s.settled.Wait()
		}
		s.mu.Unlock()

		s.writing.Lock()
		s.mu.Lock()
		status, still := s.ledger.status, s.ledger.empty() && !s.partial
		s.mu.Unlock()
		if !still {
			s.writing.Unlock()
			continue
		}
		answer := wire.AppendReport(nil, wire.Report{
			Severity: wire.SeverityError, Code: codeNotSupported,
			Message: "function call message is not supported for issued credentials",
			Hint:    "Call the function in a SELECT.",
		})
		_, err := s.client.Write(wire.AppendReadyForQuery(answer, status))
		s.writing.Unlock()
		return err == nil
	}
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
		var b [1]byte
		for err = nil; err == nil; { // until the connection itself ends
			_, err = s.raw.Read(b[:])
		}
		if s.stopping() {
			return
		}
	}
	s.end(fatal(codeConnectionFailure, "", "client connection lost"))
}
