package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

func TestOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	release, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("a second one: %v", err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Wait(impatient, path); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting is not cancelled: %v", err)
	}
	release()
	var inside, together atomic.Int32 // the race detector does not know this lock
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				release, err := Wait(t.Context(), path)
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) > 1 {
					together.Add(1)
				}
				inside.Add(-1)
				release()
			}
		})
	}
	wg.Wait()
	if n := together.Load(); n > 0 {
		t.Errorf("%d times somebody was inside already", n)
	}
}

func TestALockThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "lock")
	if _, err := Wait(t.Context(), path); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("%v", err)
	}
}
