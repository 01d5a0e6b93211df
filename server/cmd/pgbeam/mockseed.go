package main

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

// mockSeed is what the proxy invents salts for unknown users from. It comes
// from the encryption keys, so that all proxies of a deployment, and this one
// after a restart, tell a guesser the same.
func mockSeed(keys *secret.Keyring) ([]byte, error) {
	text, err := keys.Encode()
	if err != nil {
		return nil, err
	}
	seed, err := hkdf.Key(sha256.New, []byte(text.Reveal()), nil, "pgbeam mock salts", 32)
	if err != nil {
		return nil, fmt.Errorf("derive seed: %w", err)
	}
	return seed, nil
}
