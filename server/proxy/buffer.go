package proxy

import (
	"io"
	"sync"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
)

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// buffer is what one pump reads into. Between messages it is a few bytes:
// waiting for the first of them costs no more, and a real buffer is borrowed
// while there is something to put in it.
type buffer struct {
	first [wire.HeaderSize]byte
	big   *[bufferSize]byte
	n     int // bytes in big that are not consumed
}

// fill reads more from r. scan tells where in a message the bytes before
// ended.
func (b *buffer) fill(r io.Reader, scan *wire.Scanner) error {
	if b.n > 0 || !scan.AtBoundary() {
		n, err := r.Read(b.big[b.n:])
		b.n += n
		return err
	}
	b.release()
	up, _ := r.(*pool.Upstream)
	if up != nil {
		n, ok, err := up.ReadWith(b)
		if ok {
			b.n = n
			return err
		}
	}
	n, err := r.Read(b.first[:])
	if n == 0 {
		return err
	}
	b.n = copy(b.Borrow(), b.first[:n])
	if err != nil {
		return err
	}
	if up != nil {
		n, err = up.ReadMore(b.big[b.n:])
	} else if h, ok, bad := wire.ParseHeader(b.first[:n]); ok && bad == nil && h.Body > 0 {
		n, err = r.Read(b.big[b.n:]) // the rest of the message is on its way, or here, with more behind it
	} else {
		n = 0
	}
	b.n += n
	return err
}

// Borrow takes a buffer if there is none.
func (b *buffer) Borrow() []byte {
	if b.big == nil {
		b.big = buffers.Get().(*[bufferSize]byte)
	}
	return b.big[:]
}

func (b *buffer) bytes() []byte {
	if b.big == nil {
		return nil
	}
	return b.big[:b.n]
}

// consume drops the first n bytes.
func (b *buffer) consume(n int) {
	if n > 0 {
		b.n = copy(b.big[:], b.big[n:b.n])
	}
}

// GiveBack is release, for pool.Upstream.
func (b *buffer) GiveBack() { b.release() }

// release gives the buffer back.
func (b *buffer) release() {
	if b.big != nil {
		buffers.Put(b.big)
		b.big, b.n = nil, 0
	}
}
