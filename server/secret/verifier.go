package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

// The values PostgreSQL uses for verifiers of its own.
const (
	mechanism  = "SCRAM-SHA-256"
	iterations = 4096
	saltLength = 16
)

// maxIterations bounds the work that one login may cost.
const maxIterations = 1 << 20

// Verifier is what a server needs to check a password by SCRAM-SHA-256
// without knowing it.
type Verifier struct{ stored scram.StoredCredentials }

// NewVerifier makes a verifier in PostgreSQL's form
// "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>" with a fresh
// salt.
func NewVerifier(password Text) (string, error) {
	if password.IsZero() {
		return "", errors.New("make SCRAM verifier: the password is empty")
	}
	salt := make([]byte, saltLength)
	rand.Read(salt) // never fails
	stored, err := derive(password.Reveal(), scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return "", fmt.Errorf("make SCRAM verifier: %w", err)
	}
	return Verifier{stored}.encode(), nil
}

// ParseVerifier reads what NewVerifier made. Its errors quote nothing of it.
func ParseVerifier(text string) (Verifier, error) {
	var none Verifier
	name, rest, _ := strings.Cut(text, "$")
	factors, keys, ok := strings.Cut(rest, "$")
	if name != mechanism || !ok {
		return none, errors.New("parse verifier: not of the form SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>")
	}
	count, salt64, _ := strings.Cut(factors, ":")
	stored64, server64, _ := strings.Cut(keys, ":")
	iters, err := strconv.Atoi(count)
	if err != nil || iters < 1 || iters > maxIterations {
		return none, fmt.Errorf("parse verifier: iterations must be 1 to %d", maxIterations)
	}
	salt, err1 := base64.StdEncoding.DecodeString(salt64)
	stored, err2 := base64.StdEncoding.DecodeString(stored64)
	server, err3 := base64.StdEncoding.DecodeString(server64)
	if err1 != nil || err2 != nil || err3 != nil || len(salt) == 0 || len(stored) != sha256.Size || len(server) != sha256.Size {
		return none, errors.New("parse verifier: salt and keys must be base64, the keys of 32 bytes")
	}
	return Verifier{scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(salt), Iters: iters},
		StoredKey:  stored,
		ServerKey:  server,
	}}, nil
}

// MockVerifier is the verifier of a user that does not exist: no password
// matches, and the salt is the same at each try, so that a stranger cannot
// tell it from a real one. seed is secret and shared by all proxies of a
// deployment.
func MockVerifier(seed []byte, user string) Verifier {
	mac := func(use string) []byte {
		h := hmac.New(sha256.New, seed)
		h.Write([]byte(use + "\x00" + user))
		return h.Sum(nil)
	}
	return Verifier{scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(mac("salt")[:saltLength]), Iters: iterations},
		StoredKey:  mac("stored key"),
		ServerKey:  mac("server key"),
	}}
}

// Credentials is what xdg-go/scram's server looks up for the user.
func (v Verifier) Credentials() scram.StoredCredentials { return v.stored }

// Matches checks a password that came in clear text, in constant time.
func (v Verifier) Matches(password string) bool {
	got, err := derive(password, v.stored.KeyFactors)
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare(got.StoredKey, v.stored.StoredKey) == 1
}

// Format keeps the verifier out of logs: who has it can impersonate the
// server and try passwords offline.
func (v Verifier) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

func (v Verifier) encode() string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", mechanism, v.stored.Iters, b64([]byte(v.stored.Salt)), b64(v.stored.StoredKey), b64(v.stored.ServerKey))
}

// derive does as PostgreSQL's clients do: SASLprep, and the bytes as they
// are where SASLprep refuses them.
func derive(password string, factors scram.KeyFactors) (scram.StoredCredentials, error) {
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		if client, err = scram.SHA256.NewClientUnprepped("", password, ""); err != nil {
			return scram.StoredCredentials{}, err
		}
	}
	return client.GetStoredCredentialsWithError(factors)
}
