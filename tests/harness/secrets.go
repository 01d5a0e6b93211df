package harness

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// Secrets are texts that must not be found in clear, by what they are.
type Secrets map[string]string

// forms are the ways in which a program writes a secret without meaning to
// hide it.
func forms(secret string) [][]byte {
	quoted, _ := json.Marshal(secret)
	out := [][]byte{[]byte(secret), quoted[1 : len(quoted)-1], []byte(url.QueryEscape(secret)), []byte(url.PathEscape(secret)), []byte(hex.EncodeToString([]byte(secret)))}
	// In the middle of something longer, base64 has three forms; the characters
	// at their ends depend on what stands beside.
	for pad := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, pad), secret...))
		first, last := (pad*8+5)/6, (pad+len(secret))*8/6
		out = append(out, []byte(text[first:last]))
	}
	return out
}

// NotIn fails for every secret that a text holds.
func (s Secrets) NotIn(t testing.TB, where string, text []byte) {
	t.Helper()
	for what, secret := range s {
		if len(secret) < 8 {
			t.Fatalf("the %s is too short to be searched for: %d characters", what, len(secret))
		}
		for _, form := range forms(secret) {
			if i := bytes.Index(text, form); i >= 0 {
				t.Errorf("%s holds the %s in clear, after %q", where, what, text[max(0, i-60):i])
				break
			}
		}
	}
}

// NotBelow fails for every secret that a file below dir holds. At least one
// file must be there: an empty folder proves nothing.
func (s Secrets) NotBelow(t testing.TB, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		s.NotIn(t, path, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatalf("nothing was written below %s", dir)
	}
}
