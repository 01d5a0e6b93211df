// Package secret keeps what must not be seen: it seals values at rest, makes
// the verifiers and hashes that stand in for passwords and tokens, and gives
// plain secrets a type that does not print.
package secret

import (
	"crypto/subtle"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret in memory. It prints, logs and marshals as "[redacted]";
// Reveal gives the value to the one caller that needs it.
type Text struct{ value string }

// NewText wraps a plain value.
func NewText(value string) Text { return Text{value} }

// Reveal returns the plain value.
func (t Text) Reveal() string { return t.value }

// IsZero reports whether there is no secret.
func (t Text) IsZero() bool { return t.value == "" }

// Equal compares in constant time.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.value), []byte(other.value)) == 1
}

func (t Text) String() string               { return redacted }
func (t Text) GoString() string             { return redacted }
func (t Text) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
