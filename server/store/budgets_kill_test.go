package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

const (
	childLeases = "PGBEAM_STORE_TEST_LEASES"
	killLimit   = 100_000
)

// leaseUntilKilled is the child process of TestKilledProcessDoublesNoBudget: it
// writes down units that it may use, and units before it gives them back.
func leaseUntilKilled(url string) {
	keys, err := secret.ParseKeyring(os.Getenv(childKeys))
	if err != nil {
		panic(err)
	}
	s, err := Open(context.Background(), url, keys, nil)
	if err != nil {
		panic(err)
	}
	for w := range 4 {
		go func() {
			for {
				l, err := s.LeaseBudget(context.Background(), BudgetRequest{Subject: agt1, PerDay: killLimit, Need: 5 + w, Want: 50})
				if err != nil {
					panic(err)
				}
				fmt.Println(l.Units) // one write system call: whole lines
				l.Units /= 2
				fmt.Println(-l.Units)
				if err := s.ReturnBudget(context.Background(), l); err != nil {
					panic(err)
				}
			}
		}()
	}
	select {}
}

func TestKilledProcessDoublesNoBudget(t *testing.T) {
	awayFromHourEnd(t)
	eachEngine(t, func(t *testing.T, db testDB) {
		keys, err := db.keys.Encode()
		if err != nil {
			t.Fatal(err)
		}
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(program)
		child.Env = append(os.Environ(), childLeases+"="+db.url, childKeys+"="+keys.Reveal())
		var stderr strings.Builder
		child.Stderr = &stderr
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		granted, events := 0, 0
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Errorf("child wrote %q", lines.Text())
				break
			}
			granted += n
			if events++; events == 100 {
				if err := child.Process.Kill(); err != nil { // SIGKILL, in the middle of four
					t.Fatal(err)
				}
			}
		}
		_ = child.Wait()
		if events < 100 {
			t.Fatalf("child ended after %d leases and returns: %s", events, stderr.String())
		}
		s := db.open(t)
		if hour, day := used(t, db, agt1); hour != day || day < granted {
			t.Errorf("%d and %d count as used, the killed process had %d", hour, day, granted)
		}
		for need := killLimit; need > 0; {
			l, err := s.LeaseBudget(t.Context(), BudgetRequest{Subject: agt1, PerDay: killLimit, Need: need})
			var e *BudgetExhaustedError
			switch {
			case errors.As(err, &e):
				need /= 2
			case err != nil:
				t.Fatal(err)
			default:
				granted += l.Units
			}
		}
		if granted > killLimit {
			t.Errorf("%d of %d were granted", granted, killLimit)
		}
	})
}
