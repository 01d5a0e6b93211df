package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// idleLimit is for an idle session to end after the answer to the API call. It
// does within a second; nine more are for the tests of a busy machine.
const idleLimit = 10 * time.Second

// ending is one way for a credential to lose its access while it is in use.
type ending struct {
	name   string
	end    func(t *testing.T, c credential) // returns when the API has answered
	undo   func(t *testing.T, c credential)
	reason string // in every refusal
	// login is what a new login is told; the reason when empty.
	login string
}

func endings() []ending {
	return []ending{
		{name: "revoke", reason: "credential revoked",
			end: func(t *testing.T, c credential) { beam.Call(t, http.MethodDelete, c.path, nil) }},
		{name: "disable", reason: "credential disabled",
			end: func(t *testing.T, c credential) {
				beam.Call(t, http.MethodPatch, c.path, map[string]any{"status": "disabled"})
			},
			undo: func(t *testing.T, c credential) {
				beam.Call(t, http.MethodPatch, c.path, map[string]any{"status": "active"})
			}},
		{name: "rotate", reason: "rotated", login: "28P01",
			end: func(t *testing.T, c credential) { beam.Call(t, http.MethodPost, c.path+"/rotate", nil) }},
		{name: "kill-switch", reason: "agents are disabled for this project",
			end: func(t *testing.T, c credential) {
				beam.Call(t, http.MethodPatch, projectPath, map[string]any{"agents_disabled": true})
			},
			undo: func(t *testing.T, c credential) {
				beam.Call(t, http.MethodPatch, projectPath, map[string]any{"agents_disabled": false})
			}},
		{name: "expiry", reason: "credential expired at",
			end: func(t *testing.T, c credential) { time.Sleep(time.Until(c.expires)) }},
	}
}

// credential is one that a test issued for itself.
type credential struct {
	path, url string
	expires   time.Time
}

func issue(t *testing.T, principal string, life time.Duration) credential {
	t.Helper()
	body := map[string]any{"name": t.Name() + " " + principal, "policy_profile_id": policyID, "principal_type": principal}
	var expires time.Time
	if life > 0 {
		expires = time.Now().Add(life).Truncate(time.Second)
		body["expires_at"] = expires.Format(time.RFC3339)
	}
	answer := beam.Call(t, http.MethodPost, projectPath+"/agents", body)
	id := answer["credential"].(map[string]any)["id"].(string)
	return credential{projectPath + "/agents/" + id, beam.Verified(answer["connection_string"].(string)).String(), expires}
}

func TestLosingAccessEndsOpenSessions(t *testing.T) {
	for _, e := range endings() {
		t.Run(e.name, func(t *testing.T) {
			var life time.Duration
			if e.name == "expiry" {
				life = 10 * time.Second
			}
			c := issue(t, "agent", life)
			human := issue(t, "human", life)
			if e.undo != nil {
				defer e.undo(t, c)
			}
			at := target{name: e.name, url: c.url}
			busy, idle, inside := connect(t, at), connect(t, at), connect(t, at)
			app := connect(t, passthrough)
			if _, err := busy.Exec(t.Context(), "select 1"); err != nil {
				t.Fatal(err)
			}
			mark := "in " + e.name
			if _, err := inside.Exec(t.Context(), "begin; insert into item(name) values ('"+mark+"')", pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			closed := make(chan hangUp, 2)
			go watch(idle, closed)
			go watch(inside, closed)

			e.end(t, c)
			answered := time.Now()
			refused(t, "the next statement", e.reason, func() error {
				_, err := busy.Exec(t.Context(), "insert into item(name) values ('"+mark+"')")
				return err
			})
			for range 2 {
				h := <-closed
				if took := h.at.Sub(answered); took > idleLimit {
					t.Errorf("an idle session was closed %s after the API's answer", took)
				} else {
					t.Logf("an idle session was closed %s after the API's answer", took)
				}
				refused(t, "an idle session", e.reason, func() error { return h.err })
			}
			reason := e.reason
			if e.login != "" {
				reason = e.login
			}
			refused(t, "a new login", reason, func() error { return tryLogin(t, c.url) })
			if e.name == "kill-switch" {
				refused(t, "a person's login", reason, func() error { return tryLogin(t, human.url) })
			}
			// Nothing of the refused statement or the cut transaction is left.
			var n int
			if err := app.QueryRow(t.Context(), "select count(*) from item where name = $1", mark).Scan(&n); err != nil || n != 0 {
				t.Errorf("an application's session: %d rows of ended sessions, %v", n, err)
			}
		})
	}
}

func TestAccessComesBack(t *testing.T) {
	for _, e := range endings() {
		if e.undo == nil {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			c := issue(t, "agent", 0)
			e.end(t, c)
			e.undo(t, c)
			if err := tryLogin(t, c.url); err != nil {
				t.Errorf("login after it was undone: %v", err)
			}
		})
	}
	t.Run("rotate", func(t *testing.T) {
		c := issue(t, "agent", 0)
		answer := beam.Call(t, http.MethodPost, c.path+"/rotate", nil)
		if err := tryLogin(t, beam.Verified(answer["connection_string"].(string)).String()); err != nil {
			t.Errorf("login with the new secret: %v", err)
		}
	})
}

func TestACredentialOfAnotherKindKeepsItsSessions(t *testing.T) {
	c, other := issue(t, "agent", 0), issue(t, "human", 0)
	kept := connect(t, target{name: "other", url: other.url})
	beam.Call(t, http.MethodDelete, c.path, nil)
	for range 10 {
		if _, err := kept.Exec(t.Context(), "select pg_sleep(0.1)"); err != nil {
			t.Fatalf("revoking one credential touched another: %v", err)
		}
	}
}

type hangUp struct {
	at  time.Time
	err error
}

// watch reads from an idle session until it ends.
func watch(c *pgx.Conn, closed chan<- hangUp) {
	ctx, cancel := context.WithTimeout(context.Background(), replyTimeout)
	defer cancel()
	err := c.PgConn().WaitForNotification(ctx)
	closed <- hangUp{time.Now(), err}
}

func tryLogin(t *testing.T, url string) error {
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "select 1")
	return err
}

// refused checks that something was refused by the proxy, as fatal, for that
// reason: SQLSTATE 28000 with the words, or another SQLSTATE by its number.
func refused(t *testing.T, what, reason string, attempt func() error) {
	t.Helper()
	err := attempt()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		t.Errorf("%s: want a refusal with %q, got %v", what, reason, err)
		return
	}
	got := fmt.Sprintf("%s %s %s", pgErr.Severity, pgErr.Code, pgErr.Message)
	want := "FATAL 28000 "
	if reason == "28P01" {
		want = "FATAL 28P01 "
	}
	if !strings.HasPrefix(got, want) || want == "FATAL 28000 " && !strings.Contains(got, reason) {
		t.Errorf("%s was refused with %q, want %s… %s", what, got, want, reason)
	}
}
