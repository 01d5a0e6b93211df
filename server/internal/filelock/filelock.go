// Package filelock keeps processes of one machine out of each other's way by
// the lock that the operating system has for files. The lock of a process that
// ends, however it ends, is gone with it; the file stays, because whoever
// removed it could remove another's.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// ErrHeld says that somebody else has the lock, in this process or another.
var ErrHeld = errors.New("the lock is held by another")

// Try takes the lock of a file, which is made if there is none, or fails with
// ErrHeld.
func Try(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := lock(f); err != nil {
		f.Close()
		if errors.Is(err, ErrHeld) {
			return nil, err
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// Wait is Try that waits for its turn. There is no order among those who wait.
func Wait(ctx context.Context, path string) (release func(), err error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		release, err = Try(path)
		if !errors.Is(err, ErrHeld) {
			return release, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock of %s: %w", path, context.Cause(ctx))
		}
	}
}
