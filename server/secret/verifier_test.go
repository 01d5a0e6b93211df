package secret

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// The verifier PostgreSQL 15 stores for password "pencil" with this salt.
const pencil = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

func TestVerifierOfTheRFCExample(t *testing.T) {
	// RFC 7677 section 3: password "pencil", this salt and 4096 iterations.
	v := must(ParseVerifier(pencil))(t)
	if !v.Matches("pencil") || v.Matches("Pencil") || v.Matches("") {
		t.Fatal("verifier of RFC 7677 matches the wrong passwords")
	}
	if got := v.encode(); got != pencil {
		t.Fatalf("encodes as %s", got)
	}
}

func TestVerifierServesSCRAM(t *testing.T) {
	// Each is what a client may send for the password that was set: SASLprep
	// maps the first two, refuses the third, which is then used as it is.
	for set, sent := range map[string]string{
		"I\u00adX":              "IX",
		"\u2168":                "IX",
		"emoji \U0001f99c":      "emoji \U0001f99c",
		NewPassword().Reveal():  "",
		"tab\tis not permitted": "tab\tis not permitted",
	} {
		if sent == "" {
			sent = set
		}
		text := must(NewVerifier(NewText(set)))(t)
		v := must(ParseVerifier(text))(t)
		if strings.Contains(text, set) || strings.Contains(fmt.Sprintf("%v %+v %#v", v, v, v), "==") {
			t.Errorf("%q: verifier or its print shows too much", set)
		}
		if !v.Matches(sent) || v.Matches(sent+"x") {
			t.Errorf("%q: cleartext %q does not decide it", set, sent)
		}
		if err := exchange(v, sent); err != nil {
			t.Errorf("%q: SCRAM with %q: %v", set, sent, err)
		}
		if err := exchange(v, sent+"x"); err == nil {
			t.Errorf("%q: SCRAM accepts a wrong password", set)
		}
	}
	if _, err := NewVerifier(Text{}); err == nil {
		t.Error("verifier of an empty password")
	}
}

func exchange(v Verifier, password string) error {
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return v.Credentials(), nil })
	if err != nil {
		return err
	}
	client, err := scram.SHA256.NewClient("u", password, "")
	if err != nil {
		if client, err = scram.SHA256.NewClientUnprepped("u", password, ""); err != nil {
			return err
		}
	}
	c, s := client.NewConversation(), server.NewConversation()
	msg := ""
	for !c.Done() {
		if msg, err = c.Step(msg); err != nil {
			return err
		}
		if c.Done() {
			break
		}
		if msg, err = s.Step(msg); err != nil {
			return err
		}
	}
	return nil
}

func TestParseVerifierRefuses(t *testing.T) {
	for _, in := range []string{
		"", "md5abc", "SCRAM-SHA-256", "SCRAM-SHA-256$4096:AA==",
		strings.Replace(pencil, "4096", "0", 1), strings.Replace(pencil, "4096", "99999999", 1), strings.Replace(pencil, "4096", "x", 1),
		strings.Replace(pencil, "W22", "!", 1), strings.TrimSuffix(pencil, "2dU="), strings.Replace(pencil, "SHA-256", "SHA-1", 1),
	} {
		if _, err := ParseVerifier(in); err == nil {
			t.Errorf("accepted %q", in)
		} else if len(in) > 40 && strings.Contains(err.Error(), "WG5d8oPm") {
			t.Errorf("error quotes the verifier: %v", err)
		}
	}
}

func TestMockVerifierIsSteadyAndMatchesNothing(t *testing.T) {
	a, again := MockVerifier([]byte("seed"), "agent_1"), MockVerifier([]byte("seed"), "agent_1")
	if a.encode() != again.encode() {
		t.Fatal("an unknown user's salt changes between tries, which tells it from a real one")
	}
	if a.stored.Salt == MockVerifier([]byte("seed"), "agent_2").stored.Salt || a.stored.Salt == MockVerifier([]byte("other"), "agent_1").stored.Salt {
		t.Fatal("salt does not depend on user and seed")
	}
	real := must(ParseVerifier(must(NewVerifier(NewText("p")))(t)))(t)
	if len(a.stored.Salt) != len(real.stored.Salt) || a.stored.Iters != real.stored.Iters {
		t.Fatal("an unknown user looks different from a real one")
	}
	if a.Matches("") || a.Matches("agent_1") {
		t.Fatal("mock verifier matches")
	}
}

func TestPasswordsAndTokensNeedNoQuoting(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		p, tok := NewPassword().Reveal(), NewToken("pgb_").Reveal()
		if !regexp.MustCompile(`^[0-9A-Za-z]{32}$`).MatchString(p) || !regexp.MustCompile(`^pgb_[0-9A-Za-z]{40}$`).MatchString(tok) {
			t.Fatalf("unexpected shape: %d and %d characters", len(p), len(tok))
		}
		if seen[p] || seen[tok] {
			t.Fatal("drawn twice")
		}
		seen[p], seen[tok] = true, true
	}
	if got := HashToken("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Fatalf("hash of abc is %s", got)
	}
}
