package filelock

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
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
	inside, most := 0, 0 // the lock guards them
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				release, err := Wait(t.Context(), path)
				if err != nil {
					t.Error(err)
					return
				}
				inside++
				most = max(most, inside)
				inside--
				release()
			}
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d were inside at once", most)
	}
}

func TestALockThatCannotBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "lock")
	if _, err := Wait(t.Context(), path); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("%v", err)
	}
}
