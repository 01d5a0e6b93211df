// Package secret keeps what must not be seen: it seals values at rest, makes
// the verifiers and hashes that stand in for passwords and tokens, and gives
// plain secrets a type that does not print.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret in memory. It prints, logs and marshals as "[redacted]"
// under every verb; Reveal gives the value to the one caller that needs it.
//
// The value is behind a pointer because fmt does not call methods of
// unexported fields: a Text inside a struct prints as an address then.
type Text struct{ value *string }

// NewText wraps a plain value.
func NewText(value string) Text {
	if value == "" {
		return Text{}
	}
	return Text{&value}
}

// Reveal returns the plain value.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// IsZero reports whether there is no secret.
func (t Text) IsZero() bool { return t.value == nil }

// Equal compares in constant time.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

func (t Text) String() string               { return redacted }
func (t Text) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (t Text) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
