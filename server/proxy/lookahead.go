package proxy

import (
	"errors"
	"io"
	"os"
	"time"
)

// unwatched is how long the client is not looked at while its next frames wait
// for an answer of the upstream's. Most answers come sooner.
const unwatched = 100 * time.Millisecond

// lookahead reads what a client sends. While nobody can take it, it reads
// ahead, to learn that the client has gone.
type lookahead struct {
	*session
	data []byte // read ahead
	err  error  // what came after data
}

func (l *lookahead) Read(b []byte) (int, error) {
	if len(l.data) > 0 {
		n := copy(b, l.data)
		l.data = l.data[n:]
		return n, nil
	}
	if err := l.err; err != nil {
		l.err = nil
		return 0, err
	}
	return l.client.Read(b)
}

// during calls wait, and ends the session, which ends the wait, when the client
// goes away meanwhile.
func (l *lookahead) during(wait func()) {
	watched := make(chan struct{})
	timer := time.AfterFunc(unwatched, func() {
		defer close(watched)
		l.contained(l.watch)
	})
	wait()
	if timer.Stop() {
		return
	}
	_ = l.raw.SetReadDeadline(time.Unix(1, 0))
	<-watched
	_ = l.raw.SetReadDeadline(time.Time{})
	if l.stopping() { // its deadline may have been taken away
		_ = l.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// watch reads ahead until it is interrupted, or has read enough.
func (l *lookahead) watch() {
	b := make([]byte, bufferSize)
	for l.err == nil && len(l.data) < bufferSize {
		n, err := l.client.Read(b)
		l.data = append(l.data, b[:n]...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		l.err = err
	}
	err := l.err
	if err == nil {
		return
	}
	if errors.Is(err, io.EOF) {
		err = l.untilClosed()
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		l.end(clientLost())
	}
}
