// Package proxy is the data plane: it accepts PostgreSQL clients, finds their
// project, authenticates them, logs in upstream and relays.
//
// Every client has an upstream connection of its own for as long as it stays,
// whatever pool_mode its database asks for: session semantics are a superset
// of what transaction and statement mode promise.
//
// A session is two pumps, one per direction, each the only reader of its
// source. One goroutine for both directions would save a switch per round
// trip, but it cannot see a client leave, or a notification arrive, while it
// waits for the other side; and a pipeline that fills both directions would
// stop it for good. The pumps share a ledger of what is outstanding, which
// tells a running statement from an idle session.
package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/catalog"
	"github.com/pgbeam/pulumi-pgbeam/server/domain"
	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/meter"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// Config is what a Server needs. Zero limits have the defaults named.
type Config struct {
	Store    store.Store
	Endpoint domain.Endpoint
	// TLS has the certificates, as Certificates or GetCertificate. Versions,
	// ALPN and tickets are set by the proxy.
	TLS *tls.Config
	Log *slog.Logger
	// Instance names this process among the proxies of the deployment.
	Instance string
	// Region is told to clients as the parameter pgbeam.region; "" is not told.
	Region string

	LoginTimeout   time.Duration // 15 s: from accept to the end of authentication, and again for the upstream
	MaxConnections int           // 10000 client connections in this process
	FailuresPerMin int           // 20 failed logins a minute per client address and user
	// FrameMemory is how many bytes all sessions together may hold of frames
	// that policies need whole and that do not fit into a session's buffer of
	// 32 KiB: 1 GiB. What finds no room is refused.
	FrameMemory int64
	// MockSeed makes the challenge for a user name that does not exist; all
	// proxies of a deployment share it. Random when absent.
	MockSeed []byte
	// UpstreamRoots verify the certificates of upstreams; nil is the system's.
	UpstreamRoots  *x509.CertPool
	UpstreamMinTLS uint16 // 0 is TLS 1.2
}

// Server is a proxy. Make it with New.
type Server struct {
	cfg      Config
	log      *slog.Logger
	registry *registry
	limiter  *limiter
	dialer   *pool.Dialer
	catalogs catalog.Cache
	reports  *reporter
	meter    *meter.Meter // of budgets
	frames   memory       // for those that are held whole

	stop    context.CancelFunc // ends the watcher and the reporter
	base    context.Context
	logins  context.Context // of base, done when no login will succeed any more
	close   context.CancelFunc
	workers sync.WaitGroup

	mu        sync.Mutex
	draining  bool
	listeners []net.Listener
	greeting  map[net.Conn]struct{} // connections that are not yet sessions
	sessions  map[wire.CancelKey]*session
	clients   sync.WaitGroup // one per accepted connection
	accepted  int
}

// New starts what a proxy does in the background. Shutdown ends it.
func New(cfg Config) *Server {
	if cfg.LoginTimeout == 0 {
		cfg.LoginTimeout = 15 * time.Second
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 10000
	}
	if cfg.FailuresPerMin == 0 {
		cfg.FailuresPerMin = 20
	}
	if cfg.FrameMemory == 0 {
		cfg.FrameMemory = 1 << 30
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.MockSeed) == 0 {
		cfg.MockSeed = make([]byte, 32)
		rand.Read(cfg.MockSeed)
	}
	if cfg.TLS == nil {
		cfg.TLS = &tls.Config{}
	}
	cfg.TLS = serverTLS(cfg.TLS)
	s := &Server{
		cfg:      cfg,
		log:      cfg.Log,
		limiter:  newLimiter(cfg.FailuresPerMin),
		dialer:   pool.NewDialer(),
		greeting: map[net.Conn]struct{}{},
		sessions: map[wire.CancelKey]*session{},
	}
	s.frames.left.Store(cfg.FrameMemory)
	s.base, s.stop = context.WithCancel(context.Background())
	s.logins, s.close = context.WithCancel(s.base)
	s.registry = newRegistry(cfg.Store, cfg.Log)
	s.reports = newReporter(cfg.Store, cfg.Log, cfg.Instance)
	s.meter = meter.New(cfg.Store, cfg.Log)
	// Subscribed before the first login: no change of a held project is missed.
	changes := cfg.Store.Watch(s.base)
	stop := cfg.Store.OnChange(s.registry.announced)
	s.workers.Go(func() {
		defer stop()
		s.registry.watch(s.base, changes)
	})
	s.workers.Go(func() { s.reports.run(s.base) })
	return s
}

// Serve accepts clients on ln until Shutdown, and then returns nil. When ctx
// ends first, all sessions are ended at once, and Serve returns when they
// are. It closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	if !s.listen(ln) {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for wait := time.Duration(0); ; {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			wait = 0
			s.admit(conn)
			continue
		case s.isDraining():
			return nil
		case ctx.Err() != nil:
			_ = s.Shutdown(ctx)
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept clients: %w", err)
		}
		// Out of file descriptors, for example: clients leave and it passes.
		wait = min(max(2*wait, 5*time.Millisecond), time.Second)
		s.log.Warn("accept client failed, trying again", "error", err, "wait", wait)
		select {
		case <-time.After(wait):
		case <-s.base.Done():
		}
	}
}

// listen makes ln one of those that Shutdown closes.
func (s *Server) listen(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.listeners = append(s.listeners, ln)
	return true
}

func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// reserve is how many connections beyond MaxConnections may still say what
// they want, so that cancel requests get through when all places are taken.
const reserve = 64

// admit starts serving a connection, or closes it when there are too many.
func (s *Server) admit(conn net.Conn) {
	s.mu.Lock()
	if s.draining || s.accepted >= s.cfg.MaxConnections+reserve {
		s.mu.Unlock()
		conn.Close()
		return
	}
	s.accepted++
	s.greeting[conn] = struct{}{}
	s.clients.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.clients.Done()
		defer func() {
			conn.Close()
			s.mu.Lock()
			s.accepted--
			delete(s.greeting, conn)
			s.mu.Unlock()
		}()
		s.failed(func() { s.serve(conn) })
	}()
}

// full reports whether another session would be one too many.
func (s *Server) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted > s.cfg.MaxConnections
}

// Shutdown drains: no new client, idle sessions end now, busy ones with their
// statement or transaction. When ctx ends, the rest is ended with its
// statements cancelled. It returns when nothing is left, with ctx's error if
// sessions had to be cut short.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	for _, ln := range s.listeners {
		ln.Close()
	}
	for conn := range s.greeting {
		conn.Close()
	}
	s.close()
	open := s.list()
	s.mu.Unlock()
	for _, ss := range open {
		ss.drain()
	}
	done := make(chan struct{})
	go func() {
		s.clients.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		default:
			err = fmt.Errorf("drain sessions: %w", ctx.Err())
		}
		s.mu.Lock()
		open = s.list()
		s.mu.Unlock()
		for _, ss := range open {
			ss.end(shuttingDown())
		}
		<-done
	}
	s.stop()
	s.workers.Wait()
	s.meter.Close()
	return err
}

// list returns the open sessions. s.mu must be held.
func (s *Server) list() []*session {
	all := make([]*session, 0, len(s.sessions))
	for _, ss := range s.sessions {
		all = append(all, ss)
	}
	return all
}

// register gives a session its cancel key and makes it one of those that
// Shutdown ends. It fails when the proxy is shutting down.
func (s *Server) register(ss *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return shuttingDown()
	}
	for {
		ss.key = newCancelKey()
		if _, taken := s.sessions[ss.key]; !taken {
			break
		}
	}
	s.sessions[ss.key] = ss
	delete(s.greeting, ss.raw)
	return nil
}

func (s *Server) unregister(ss *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ss.key)
}

// cancel serves a cancel request. Nothing tells the sender whether it hit.
func (s *Server) cancel(key wire.CancelKey) {
	s.mu.Lock()
	ss := s.sessions[key]
	s.mu.Unlock()
	if ss != nil {
		ss.cancel(s.base)
	}
}
