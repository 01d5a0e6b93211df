package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
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
	for {
		err := p.buf.fill(s.client, &p.scan)
		n, more := p.relay(p.buf.bytes())
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
			if !p.permitted() {
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

// upstreamPump is the state of toClient.
type upstreamPump struct {
	*session
	scan  wire.Scanner
	buf   buffer
	fatal bool // the upstream has said why it closes
}

// toClient relays what the upstream sends until the session ends, says why
// it does, and stops the other pump.
func (s *session) toClient() {
	p := &upstreamPump{session: s}
	defer p.buf.release()
	why := p.relayAll()
	s.mu.Lock()
	s.over = true
	silent := s.silent
	s.settled.Broadcast()
	s.mu.Unlock()
	past := time.Unix(1, 0)
	_ = s.raw.SetReadDeadline(past)
	_ = s.upstream.SetWriteDeadline(past)

	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.raw.SetWriteDeadline(time.Now().Add(farewell))
	if why != nil && !silent && p.finishFrame() {
		if _, err := s.client.Write(why.appendTo(nil)); err != nil {
			return
		}
	}
	_ = s.client.CloseWrite()
}

// relayAll relays, and returns what the client is to be told in the end, nil
// when nothing.
func (p *upstreamPump) relayAll() *refusal {
	if why := p.ending.Load(); why != nil {
		return why
	}
	if !p.write(p.hello) {
		return p.ending.Load()
	}
	p.hello = nil
	for {
		err := p.buf.fill(p.upstream, &p.scan)
		if why := p.ending.Load(); why != nil {
			return why
		}
		more := p.relay()
		if why := p.ending.Load(); why != nil {
			return why
		}
		if !more || p.finished() {
			return nil
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		p.mu.Lock()
		p.lost = true
		p.mu.Unlock()
		if p.fatal {
			return nil
		}
		return fatal(codeConnectionFailure, "Connect again.", "upstream connection lost: %s", lostReason(err))
	}
}

// relay sends on what is in the buffer, except the start of a frame whose
// kind cannot be told yet.
func (p *upstreamPump) relay() bool {
	data, done := p.buf.bytes(), 0
	p.writing.Lock()
	defer p.writing.Unlock()
	p.mu.Lock()
	for done < len(data) {
		if !p.scan.AtBoundary() {
			done += p.scan.Skip(data[done:])
			continue
		}
		if h, ok, _ := wire.ParseHeader(data[done:]); ok && h.Type == wire.ReadyForQuery && len(data)-done < wire.HeaderSize+1 {
			break // its one byte counts
		}
		h, ok, err := p.scan.Next(data[done:])
		if err != nil {
			p.mu.Unlock()
			p.end(fatal(codeConnectionFailure, "", "upstream broke the protocol: %s", err))
			return false
		}
		if !ok {
			break
		}
		done += wire.HeaderSize
		body := data[done:min(len(data), done+h.Body)]
		switch h.Type {
		case wire.ReadyForQuery:
			var status byte
			if len(body) > 0 {
				status = body[0]
			}
			p.ledger.received(h.Type, status)
			p.settled.Broadcast()
		case wire.ErrorResponse:
			p.ledger.received(h.Type, 0)
			severity := wire.ParseReport(body).Severity
			p.fatal = severity == wire.SeverityFatal || severity == "PANIC"
		case wire.CopyInResponse, wire.CopyBothResp:
			p.ledger.received(h.Type, 0)
		}
	}
	p.partial = !p.scan.AtBoundary()
	p.mu.Unlock()
	if done == 0 {
		return true
	}
	if _, err := p.client.Write(data[:done]); err != nil {
		p.end(fatal(codeConnectionFailure, "", "client connection lost"))
		return false
	}
	p.buf.consume(done)
	return true
}

// finished reports whether the session has reached the end that somebody
// waits for.
func (p *upstreamPump) finished() bool {
	p.mu.Lock()
	leaving, drained := p.leaving && p.ledger.done(), p.draining && p.ledger.idle()
	p.mu.Unlock()
	if drained {
		p.end(shuttingDown())
	}
	return leaving
}

func (p *upstreamPump) write(b []byte) bool {
	p.writing.Lock()
	defer p.writing.Unlock()
	if _, err := p.client.Write(b); err != nil {
		p.end(fatal(codeConnectionFailure, "", "client connection lost"))
		return false
	}
	return true
}

// finishFrame brings the client's stream to a frame boundary, so that it can
// be told something, as far as that works within the time of a farewell.
// writing must be held.
func (p *upstreamPump) finishFrame() bool {
	if p.scan.AtBoundary() {
		return true
	}
	_ = p.upstream.SetReadDeadline(time.Now().Add(farewell / 2))
	for !p.scan.AtBoundary() {
		if p.buf.n == 0 {
			if err := p.buf.fill(p.upstream, &p.scan); err != nil && p.buf.n == 0 {
				return false
			}
		}
		n := p.scan.Skip(p.buf.bytes())
		if _, err := p.client.Write(p.buf.bytes()[:n]); err != nil {
			return false
		}
		p.buf.consume(n)
	}
	return true
}

func lostReason(err error) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the server closed the connection"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}
