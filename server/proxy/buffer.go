package proxy

import (
	"io"
	"sync"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
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

// upstreamReader is what a buffer can use to read all there is at once.
type upstreamReader interface {
	ReadMore([]byte) (int, error)
	ReadWith(borrow func() []byte, giveBack func()) (n int, ok bool, err error)
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
	up, _ := r.(upstreamReader)
	if up != nil {
		n, ok, err := up.ReadWith(b.borrow, b.release)
		if ok {
			b.n = n
			return err
		}
	}
	n, err := r.Read(b.first[:])
	if n == 0 {
		return err
	}
	b.n = copy(b.borrow(), b.first[:n])
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

// borrow takes a buffer if there is none.
func (b *buffer) borrow() []byte {
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

// release gives the buffer back.
func (b *buffer) release() {
	if b.big != nil {
		buffers.Put(b.big)
		b.big, b.n = nil, 0
	}
}
