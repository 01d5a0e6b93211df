package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestTextNeverPrints(t *testing.T) {
	s := struct {
		Password Text
		At       *Text
		inside   Text // fmt calls no methods here
	}{Password: NewText("canary")}
	s.At, s.inside = &s.Password, s.Password
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb, s.Password)
		fmt.Fprintf(&out, verb, s)
	}
	_ = json.NewEncoder(&out).Encode(s)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "password", s.Password, "all", s)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "password", s.Password, "all", s)
	if strings.Contains(out.String(), "canary") || strings.Contains(out.String(), "63616e617279") {
		t.Fatalf("secret printed: %s", out.String())
	}
	if s.Password.Reveal() != "canary" || s.Password.IsZero() || !s.Password.Equal(NewText("canary")) || s.Password.Equal(NewText("other")) {
		t.Fatal("value is not kept")
	}
}
