package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

const (
	childURL  = "PGBEAM_STORE_TEST_CHILD"
	childKeys = "PGBEAM_STORE_TEST_KEYS"
)

// writeUntilKilled is the child process of TestAcknowledgedWritesSurviveKill:
// it writes down every webhook that Update has acknowledged.
func writeUntilKilled(url string) {
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
			for i := w; ; i += 4 {
				err := s.Update(context.Background(), func(tx Tx) error {
					// The two belong together: the effect and its kept response.
					return first(tx.Webhooks().Insert(aWebhook(prj1, 100+i)), tx.KeepResponse(IdempotentResponse{
						OrgID: org1, Key: strconv.Itoa(i), ResourceID: "r", Status: 201, Body: []byte(strconv.Itoa(i)), CreatedAt: epoch.AddDate(100, 0, 0),
					}))
				})
				if err != nil {
					panic(err)
				}
				fmt.Println(i) // one write system call: whole lines
			}
		}()
	}
	select {}
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		keys, err := db.keys.Encode()
		if err != nil {
			t.Fatal(err)
		}
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(program)
		child.Env = append(os.Environ(), childURL+"="+db.url, childKeys+"="+keys.Reveal())
		var stderr strings.Builder
		child.Stderr = &stderr
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		var acknowledged []int
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			i, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Errorf("child wrote %q", lines.Text())
				break
			}
			acknowledged = append(acknowledged, i)
			if len(acknowledged) == 60 {
				if err := child.Process.Kill(); err != nil { // SIGKILL, in the middle of four writers
					t.Fatal(err)
				}
			}
		}
		_ = child.Wait()
		if len(acknowledged) < 60 {
			t.Fatalf("child ended after %d writes: %s", len(acknowledged), stderr.String())
		}
		again := db.open(t)
		view(t, again, func(tx Tx) error {
			for _, i := range acknowledged {
				w, err1 := tx.Webhooks().Get(prj1, aWebhook(prj1, 100+i).ID)
				same(t, "acknowledged webhook", w, aWebhook(prj1, 100+i))
				r, err2 := tx.Idempotent(org1, strconv.Itoa(i))
				if string(r.Body) != strconv.Itoa(i) {
					t.Errorf("response %d is %q", i, r.Body)
				}
				if err := first(err1, err2); err != nil {
					return fmt.Errorf("write %d was acknowledged and is lost: %w", i, err)
				}
			}
			// Halves of a transaction never stay.
			_, _, webhooks, err := tx.Webhooks().List(prj1, Page{Size: 1})
			var responses int
			if err := db.raw(t).QueryRow("SELECT count(*) FROM idempotent_responses").Scan(&responses); err != nil {
				return err
			}
			if webhooks-1 != responses {
				t.Errorf("%d webhooks and %d responses", webhooks-1, responses)
			}
			return err
		})
		update(t, again, func(tx Tx) error { return tx.Policies().Insert(aPolicy(prj1, 2)) })
	})
}
