package harness

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// recorder takes failures instead of failing.
type recorder struct {
	testing.TB
	failed int
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed++ }

func TestSecretsAreFoundInEveryForm(t *testing.T) {
	const secret = "canary-ä/+ \"x\" and more"
	s := Secrets{"password": secret}
	texts := []string{"the " + secret + " itself", fmt.Sprintf("%q", secret), "p=canary-%C3%A4%2F%2B+%22x%22+and+more&", fmt.Sprintf("%x", secret)}
	for _, before := range []string{"", "a", "ab", "abc"} {
		texts = append(texts, base64.StdEncoding.EncodeToString([]byte(before+secret+"tail")))
	}
	for _, text := range texts {
		r := &recorder{TB: t}
		s.NotIn(r, "here", []byte(text))
		if r.failed != 1 {
			t.Errorf("not found in %s", text)
		}
	}
	r := &recorder{TB: t}
	s.NotIn(r, "here", []byte("canary-ä is not all of it"))
	if r.failed != 0 {
		t.Error("found where it is not")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "log"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	s.NotBelow(r, dir)
	if r.failed != 1 {
		t.Error("not found in a file")
	}
}
