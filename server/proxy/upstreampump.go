package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// upstreamPump is the state of toClient.
type upstreamPump struct {
	*session
	scan  wire.Scanner
	buf   buffer
	fatal bool // the upstream has said why it closes
	edits []edit

	whole     []byte // a frame that is too long for the buffer and was needed whole
	wholeType byte
	held      int  // bytes of bodies of frames that room was taken for
	cutting   bool // the frame that scan is in is not for the client
	severed   bool // the client is at a boundary, and gets nothing more of the upstream's
}

// edit says what the client gets in place of some bytes of the buffer.
type edit struct {
	from, to int
	with     []byte
}

// toClient relays what the upstream sends until the session ends, says why
// it does, and stops the other pump.
func (p *upstreamPump) toClient() {
	s := p.session
	why := p.relayAll()
	s.mu.Lock()
	s.over = true
	silent := s.silent
	s.settled.Broadcast()
	s.mu.Unlock()
	past := time.Unix(1, 0)
	_ = s.raw.SetReadDeadline(past)
	_ = s.upstream.SetWriteDeadline(past)

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
	done, err := p.account()
	if err != nil {
		var why *refusal
		if !errors.As(err, &why) {
			why = fatal(codeConnectionFailure, "", "upstream broke the protocol: %s", err)
		}
		if _, err := p.client.Write(p.edited(done)); err == nil { // what comes before is the client's
			p.buf.consume(done)
		}
		p.end(why)
		return false
	}
	if done == 0 {
		return true
	}
	if _, err := p.client.Write(p.edited(done)); err != nil {
		p.end(fatal(codeConnectionFailure, "", "client connection lost"))
		return false
	}
	p.buf.consume(done)
	p.giveBack(cap(p.whole))
	return true
}

// giveBack gives back the room for frames that are done with: all but for keep
// bytes.
func (p *upstreamPump) giveBack(keep int) {
	if p.held > keep {
		p.srv.frames.giveBack(p.held - keep)
		p.held = keep
	}
}

// edited is the start of the buffer as the client gets it.
func (p *upstreamPump) edited(done int) []byte {
	data := p.buf.bytes()[:done]
	if len(p.edits) == 0 {
		return data
	}
	size, at := done, 0
	for _, e := range p.edits {
		size += len(e.with)
	}
	out := make([]byte, 0, size)
	for _, e := range p.edits {
		out = append(append(out, data[at:e.from]...), e.with...)
		at = e.to
	}
	p.forgetEdits()
	return append(out, data[at:]...)
}

func (p *upstreamPump) forgetEdits() {
	clear(p.edits) // what they put in may be long
	p.edits = p.edits[:0]
}

// account enters the frames in the buffer in the ledger and returns how much
// of the buffer they are.
func (p *upstreamPump) account() (done int, err error) {
	data := p.buf.bytes()
	p.mu.Lock()
	defer p.mu.Unlock()
	for done < len(data) {
		if !p.scan.AtBoundary() {
			n := p.scan.Skip(data[done:])
			if p.cutting {
				p.cut(done, done+n)
				p.cutting = !p.scan.AtBoundary()
			} else if p.whole != nil {
				if err := p.gather(data[done:done+n], edit{from: done, to: done + n}); err != nil {
					return done + n, err
				}
			}
			done += n
			continue
		}
		h, ok, err := wire.ParseHeader(data[done:])
		if err != nil {
			return done, err
		}
		if !ok {
			break
		}
		if h.Type == wire.ReadyForQuery && h.Body != 1 {
			return done, fmt.Errorf("message type %q of %d bytes", h.Type, h.Body)
		}
		hidden := p.enforcer != nil && p.enforcer.replies.hides(h.Type)
		wanted := p.enforcer != nil && !hidden && p.enforcer.wants(h.Type)
		if len(data)-done < wire.HeaderSize+h.Body &&
			(h.Type == wire.ReadyForQuery || wanted && wire.HeaderSize+h.Body <= bufferSize) {
			break // it is needed whole, and the rest has room
		}
		p.scan.Enter(h)
		from := done
		done += wire.HeaderSize
		body := data[done:min(len(data), done+h.Body)]
		switch {
		case hidden, h.Type == wire.DataRow && p.enforcer != nil && !wanted && !p.enforcer.given():
			p.cut(from, done)
			p.cutting = h.Body > 0
		case wanted && len(body) == h.Body:
			if err := p.replace(h.Type, body, edit{from: from, to: done + h.Body}); err != nil {
				return done, p.sever(edit{from: from, to: done}, err)
			}
		case wanted && h.Body > maxWhole:
			return done, p.sever(edit{from: from, to: done}, fmt.Errorf("message type %q of %d bytes", h.Type, h.Body))
		case wanted && !p.srv.frames.take(h.Body):
			return done, p.sever(edit{from: from, to: done}, fatal(codeOutOfMemory, noRoomHint, noRoom))
		case wanted:
			p.held += h.Body
			p.wholeType, p.whole = h.Type, make([]byte, 0, h.Body)
			p.edits = append(p.edits, edit{from: from, to: done})
			continue // entered when it is whole
		}
		p.enter(h.Type, body)
	}
	return done, nil
}

// settle sees to it that nothing goes on running upstream for a client that
// is gone: PostgreSQL would not notice before it has something to send. A
// cancel request that comes before the statement has begun is lost, so it is
// repeated until the upstream has answered all it was asked. In the middle of
// a COPY from the client the end of the connection does the same. A server that
// does not answer at all is not waited for longer than for those answers.
func (p *upstreamPump) settle() {
	if !p.outstanding() {
		return
	}
	within, stop := context.WithTimeout(p.srv.base, settling)
	defer stop()
	wait := 20 * time.Millisecond
	for range 7 { // 2.5 s: a batch without Sync has no answer that could come
		if !p.outstanding() || within.Err() != nil {
			return
		}
		p.cancel(within)
		_ = p.upstream.SetReadDeadline(time.Now().Add(wait))
		wait *= 2
		for p.outstanding() {
			err := p.buf.fill(p.upstream, &p.scan)
			done, bad := p.account()
			p.forgetEdits()
			p.buf.consume(done)
			p.giveBack(cap(p.whole))
			if bad != nil || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			if err != nil {
				break // ask again
			}
		}
	}
}

// outstanding reports whether something may be running upstream: also for a
// client that said Terminate behind it, when the session ends before it is done.
func (p *upstreamPump) outstanding() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.lost && !p.ledger.empty() && !p.ledger.copying
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
	if _, err := p.client.Write(b); err != nil {
		p.end(fatal(codeConnectionFailure, "", "client connection lost"))
		return false
	}
	return true
}

// finishFrame brings the client's stream to a frame boundary, so that it can
// be told something, as far as that works within the time of a farewell.
func (p *upstreamPump) finishFrame() bool {
	if p.scan.AtBoundary() || p.severed || p.cutting || p.whole != nil {
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

// enter notes a frame in the ledger. body is what has come of it.
func (p *upstreamPump) enter(typ byte, body []byte) {
	if p.enforcer != nil {
		p.follow(typ, body)
	}
	switch typ {
	case wire.ReadyForQuery:
		var status byte
		if len(body) > 0 {
			status = body[0]
		}
		p.ledger.received(typ, status)
		if p.enforcer != nil {
			p.enforcer.ready(status)
		}
		p.settled.Broadcast()
	case wire.ErrorResponse:
		p.ledger.received(typ, 0)
		severity := wire.ParseReport(body).Severity
		p.fatal = severity == wire.SeverityFatal || severity == "PANIC"
	case wire.DataRow, wire.CopyData: // by far the most
	default:
		p.ledger.received(typ, 0)
	}
}

// follow has the enforcer note a frame.
func (p *upstreamPump) follow(typ byte, body []byte) {
	r := &p.enforcer.replies
	first := r.first()
	if first == nil {
		return
	}
	if typ == wire.ReadyForQuery && first.ends && (len(body) == 0 || body[0] != 'I') {
		// A request to cancel came in between. What the client asked must not
		// go on in a transaction that it does not know of.
		p.mu.Unlock()
		p.end(fatal(codeShutdown, "Connect again.", "terminating connection because a transaction of the policy could not be ended"))
		p.mu.Lock()
	}
	counted := first.changes != nil || typ == wire.ErrorResponse
	r.received(typ)
	if counted {
		p.settled.Broadcast()
	}
}

// maxWhole bounds a frame that is read whole and does not fit into the buffer.
const maxWhole = 256 << 20

// gather collects more of a frame that does not fit into the buffer.
func (p *upstreamPump) gather(more []byte, cut edit) error {
	p.whole = append(p.whole, more...)
	if !p.scan.AtBoundary() {
		p.edits = append(p.edits, cut)
		return nil
	}
	body := p.whole
	p.whole = nil
	with, err := p.enforcer.examine(p.wholeType, body)
	if err != nil {
		return p.sever(cut, err)
	}
	if with == nil {
		with = wire.AppendBody(nil, p.wholeType, body)
	}
	cut.with = with
	p.edits = append(p.edits, cut)
	p.enter(p.wholeType, body)
	return nil
}

// cut keeps bytes of the buffer from the client.
func (p *upstreamPump) cut(from, to int) {
	if last := len(p.edits) - 1; last >= 0 && p.edits[last].to == from && p.edits[last].with == nil {
		p.edits[last].to = to
		return
	}
	p.edits = append(p.edits, edit{from: from, to: to})
}

// sever ends what the client gets where a frame begins that it must not see.
func (p *upstreamPump) sever(cut edit, why error) error {
	p.edits = append(p.edits, cut)
	p.severed = true
	return why
}

// replace has the enforcer look at a frame.
func (p *upstreamPump) replace(typ byte, body []byte, place edit) error {
	with, err := p.enforcer.examine(typ, body)
	if with != nil {
		place.with = with
		p.edits = append(p.edits, place)
	}
	return err
}
