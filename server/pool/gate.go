package pool

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// gate is the socket under an upstream connection, below TLS if there is any.
// Its one reader can ask for what has arrived without waiting for more: that
// is how a relay forwards a reply in one piece and still holds no buffer
// while it waits for the next.
type gate struct {
	net.Conn
	raw    syscall.RawConn // nil: cannot be asked without waiting
	nowait bool            // the reader's own
}

func dialGate(ctx context.Context, network, addr string) (net.Conn, error) {
	if network != "tcp" { // pgconn takes a host that is a path for one
		return nil, errors.New("the host is a path, not a name or an address")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	g := &gate{Conn: conn}
	if sc, ok := conn.(syscall.Conn); ok && canReadNow {
		g.raw, _ = sc.SyscallConn()
	}
	return g, nil
}

func (g *gate) Read(p []byte) (int, error) {
	if !g.nowait {
		return g.Conn.Read(p)
	}
	if g.raw == nil {
		return 0, errNothing
	}
	var n int
	var err error
	if failed := g.raw.Read(func(fd uintptr) bool { n, err = readNow(fd, p); return true }); failed != nil {
		return 0, failed
	}
	return n, err
}

// nothing is the error of a read that would have had to wait. crypto/tls goes
// on after an error that is temporary.
type nothing struct{}

var errNothing net.Error = nothing{}

func (nothing) Error() string   { return "nothing has arrived" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// ReadMore reads what has arrived already. It is 0, nil when that is nothing,
// or when it cannot be told.
func (u *Upstream) ReadMore(p []byte) (int, error) {
	if u.gate == nil {
		return 0, nil
	}
	u.gate.nowait = true
	n, err := u.Read(p)
	u.gate.nowait = false
	if err == errNothing {
		err = nil
	}
	return n, err
}

// Lender lends a buffer for one read.
type Lender interface {
	Borrow() []byte
	GiveBack() // nothing was read into it
}

// ReadWith waits for bytes and reads them into what from lends, without
// holding it while it waits. ok is false where that cannot be done; then
// nothing was read.
func (u *Upstream) ReadWith(from Lender) (n int, ok bool, err error) {
	if u.gate == nil || u.gate.raw == nil || u.tls != nil || len(u.left) > 0 {
		return 0, false, nil
	}
	w := &u.waiting
	if w.try == nil {
		w.try = w.read
	}
	w.from, w.n, w.err = from, 0, nil
	if err := u.gate.raw.Read(w.try); err != nil {
		return 0, true, err
	}
	return w.n, true, w.err
}

// waiting is the state of a ReadWith, kept so that a read allocates nothing.
type waiting struct {
	from Lender
	n    int
	err  error
	try  func(fd uintptr) bool // read, made once
}

// read is called whenever the socket may have something, and reports whether
// it had.
func (w *waiting) read(fd uintptr) bool {
	w.n, w.err = readNow(fd, w.from.Borrow())
	if w.err == errNothing {
		w.from.GiveBack()
		return false
	}
	return true
}
