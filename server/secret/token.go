package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// NewPassword makes a password of 32 letters and digits, 190 bits, which
// stands in a URL, a shell and a connection string without quoting.
func NewPassword() Text { return NewText(random(32)) }

// NewToken makes a bearer token: the prefix, for example "pgb_", and 40
// random letters and digits.
func NewToken(prefix string) Text { return NewText(prefix + random(40)) }

// HashToken is what is kept of a token: SHA-256 in hex. A token is random
// enough that neither salt nor stretching would add anything, and a plain
// hash can be looked up by index.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// random draws n characters of alphabet, each equally likely.
func random(n int) string {
	const fair = 256 - 256%len(alphabet) // bytes from here on would favour the first characters
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		rand.Read(buf[:]) // never fails: crypto/rand ends the program instead
		for _, b := range buf {
			if int(b) < fair && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}
