package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
)

const (
	// cancelTimeout bounds how long a cancel request upstream may take, and
	// with it how long the client's next statement may wait for it.
	cancelTimeout = 5 * time.Second
	// settling bounds how long the end of a session waits for what still runs
	// upstream.
	settling = 3 * time.Second
	// farewell bounds the last writes to either side.
	farewell = time.Second
)

// session is a client and its upstream.
//
// toUpstream is the only reader of the client and the only writer upstream;
// toClient is the only reader of the upstream. Whoever wants the session to
// end calls end, which stops both pumps; toClient then says why, at the next
// frame boundary.
type session struct {
	srv  *Server
	proj *project
	id   identity
	key  wire.CancelKey

	raw      net.Conn
	client   *tls.Conn
	upstream *pool.Upstream
	hello    []byte // what the client gets first

	ctx  context.Context // done when the session ends: for what a statement waits for here
	done context.CancelFunc

	posture  posture   // what the upstream was told of its policy
	wanted   posture   // what it is to be told
	enforcer *enforcer // nil without a policy

	seen    *view     // toUpstream's: the view that was asked last
	expires time.Time // of seen; zero is never
	ending  atomic.Pointer[refusal]

	mu         sync.Mutex
	settled    sync.Cond // a cancel request is done, or a ReadyForQuery came
	ledger     ledger
	cancelling bool        // a cancel request is on its way upstream
	draining   bool        // end when idle
	leaving    bool        // the client will send no more: end when nothing is outstanding
	silent     bool        // the client said Terminate: it reads no more
	over       bool        // toClient has stopped
	lost       bool        // the upstream is gone
	expiry     *time.Timer // ends the session when its credential expires
}

func newSession(s *Server, c *client, p *project, up *pool.Upstream, id identity) *session {
	ss := &session{srv: s, proj: p, id: id, raw: c.raw, client: c.conn, upstream: up, ledger: newLedger()}
	ss.ctx, ss.done = context.WithCancel(s.base)
	ss.settled.L = &ss.mu
	return ss
}

func newCancelKey() wire.CancelKey {
	var b [8]byte
	rand.Read(b[:])
	// Clients print the process id as a positive number.
	return wire.CancelKey{PID: binary.BigEndian.Uint32(b[:])&0x7fffffff | 1, Secret: binary.BigEndian.Uint32(b[4:])}
}

// contained runs a pump. A mistake of ours that it meets ends this session, and
// no other.
func (s *session) contained(pump func()) {
	if s.srv.failed(pump, "project", s.proj.id) {
		s.end(fatal(codeInternal, "Connect again, and tell the operator when it happens again.", "internal error of PgBeam"))
	}
}

// failed runs what serves one client, and reports a mistake of ours that it
// meets: it must not end the process, which serves others.
func (s *Server) failed(run func(), about ...any) (failed bool) {
	defer func() {
		why := recover()
		if why == nil {
			return
		}
		failed = true
		// What else a panic may say could quote a statement.
		reason, _ := why.(runtime.Error)
		s.log.Error("session failed, please report it", append(about, "reason", reason, "stack", string(debug.Stack()))...)
	}()
	run()
	return false
}

// join enters the session with its project and asks the newest view.
func (s *session) join() *refusal {
	v := s.proj.join(s)
	if refused := v.refuse(s.id); refused != nil {
		s.proj.leave(s)
		return refused
	}
	s.recheck()
	return nil
}

// run relays until one side ends, and gives back all that the session holds.
func (s *session) run() {
	_ = s.raw.SetDeadline(time.Time{})
	if s.ending.Load() != nil { // ended between join and here
		s.end(s.ending.Load())
	}
	log := s.srv.log.With("project", s.proj.id, "credential", s.id.credentialID, "client", s.id.addr.String())
	log.Debug("session opened")
	began := time.Now()
	down := &upstreamPump{session: s}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.contained(down.toClient)
	}()
	whole := false
	s.contained(func() { whole = s.toUpstream() })
	<-done
	down.settle()
	down.giveBack(0)
	down.buf.release()
	s.closeUpstream(whole)

	s.mu.Lock()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.mu.Unlock()
	s.proj.leave(s)
	s.srv.unregister(s)
	s.proj.giveBack()
	s.srv.reports.connections(s.proj.id, -1)
	reason := "client left"
	if why := s.ending.Load(); why != nil {
		reason = why.Message
	}
	log.Debug("session closed", "reason", reason, "lasted", time.Since(began))
}

// recheck asks the view in force whether the session may go on, now and until
// its credential expires.
func (s *session) recheck() {
	v := s.proj.view.Load()
	if refused := v.refuse(s.id); refused != nil {
		s.end(refused)
		return
	}
	at, ok := v.expiry(s.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expiry != nil {
		s.expiry.Stop()
		s.expiry = nil
	}
	if ok && !s.over {
		s.expiry = time.AfterFunc(untilRecheck(at, time.Now()), s.recheck)
	}
}

// untilRecheck is how long to wait before the end of a credential is looked at
// again: not longer than a minute, because timers do not follow a clock that is
// set, or that went on while the machine slept.
func untilRecheck(ends, now time.Time) time.Duration { return min(ends.Sub(now), time.Minute) }

// permitted is asked before a statement goes upstream: two atomic loads while
// nothing has changed.
func (s *session) permitted() bool {
	v := s.srv.registry.current(s.ctx, s.proj)
	if v != s.seen {
		if refused := v.refuse(s.id); refused != nil {
			s.end(refused)
			return false
		}
		s.wanted = v.posture(s.id)
		if s.wanted.enforced != s.posture.enforced {
			s.end(policyChanged())
			return false
		}
		s.seen = v
		s.expires, _ = v.expiry(s.id)
	}
	if !s.expires.IsZero() && !time.Now().Before(s.expires) {
		s.end(expired(s.expires))
		return false
	}
	return s.ending.Load() == nil
}

// paced takes one statement from the project's rate.
func (s *session) paced() bool {
	if l := s.proj.queries.Load(); l != nil && !l.Allow() {
		s.end(fatal(codeRateExceeded, "Send fewer queries a second, or raise the project's limit.", "query rate limit exceeded"))
		return false
	}
	return true
}

// end stops the session for a reason that the client is told. What runs
// upstream is cancelled: nothing of a session outlives it.
func (s *session) end(why *refusal) {
	s.ending.CompareAndSwap(nil, why)
	s.done()
	// Wake both pumps; a client that does not read does not hold us up.
	past := time.Unix(1, 0)
	_ = s.raw.SetReadDeadline(past)
	_ = s.raw.SetWriteDeadline(time.Now().Add(farewell))
	_ = s.upstream.SetReadDeadline(past)
	_ = s.upstream.SetWriteDeadline(past)
	s.mu.Lock()
	s.settled.Broadcast()
	s.mu.Unlock()
}

// drain ends the session now if it is idle, else when it becomes so.
func (s *session) drain() {
	s.mu.Lock()
	s.draining = true
	idle := s.ledger.idle()
	s.mu.Unlock()
	if idle {
		s.end(shuttingDown())
	}
}

// cancel cancels what runs upstream for the client, if anything does. The
// client's next statement waits until the upstream has acted, so that a
// request never hits a statement that was sent after it.
func (s *session) cancel(ctx context.Context) {
	s.mu.Lock()
	if s.ledger.empty() || s.lost || s.cancelling {
		s.mu.Unlock()
		return
	}
	s.cancelling = true
	s.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, cancelTimeout)
	defer stop()
	if err := s.upstream.Cancel(ctx); err != nil && s.srv.base.Err() == nil {
		s.srv.log.Warn("cancel upstream statement failed", "project", s.proj.id, "error", err)
	}
	s.mu.Lock()
	s.cancelling = false
	s.settled.Broadcast()
	s.mu.Unlock()
}

// closeUpstream says goodbye upstream and closes. whole tells that the
// upstream is not in the middle of a frame, where a Terminate could complete
// what must not be completed.
func (s *session) closeUpstream(whole bool) {
	s.done()
	s.mu.Lock()
	silent, lost := s.silent, s.lost
	s.mu.Unlock()
	if !whole || lost {
		s.upstream.Abort()
		return
	}
	if !silent {
		_ = s.upstream.SetWriteDeadline(time.Now().Add(farewell))
		_, _ = s.upstream.Write(wire.AppendTerminate(nil))
	}
	s.upstream.Close()
}
