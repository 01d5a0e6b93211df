package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// KeysEnv is the environment variable that may carry the keyring: the JSON
// keyset itself, or the same in base64.
const KeysEnv = "PGBEAM_ENCRYPTION_KEYS"

// ErrOpen says that a sealed value was altered, moved to another place, or
// sealed under a key that this keyring does not hold.
var ErrOpen = errors.New("cannot open sealed value: it was altered or moved, or its encryption key is not in the keyring")

// Keyring seals values at rest with AES-256-GCM. New values are sealed under
// the primary key; older keys only open. Safe for concurrent use.
//
// A keyring loaded from a file follows that file, so that a rotation by
// another process reaches a running server without a restart.
type Keyring struct {
	mu     sync.RWMutex
	handle *keyset.Handle
	aead   tink.AEAD
	path   string      // "" is in memory only
	seen   os.FileInfo // of path when it was read or written last
	held   bool        // nobody else changes path
}

// NewKeyring makes a keyring in memory with one fresh key.
func NewKeyring() (*Keyring, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make encryption key: %w", err)
	}
	k := &Keyring{}
	return k, k.adopt(handle)
}

// ParseKeyring reads a keyring from the text of KeysEnv.
func ParseKeyring(text string) (*Keyring, error) {
	raw := []byte(strings.TrimSpace(text))
	if len(raw) == 0 {
		return nil, errors.New("encryption keyring is empty: give a JSON keyset or its base64 form")
	}
	if raw[0] != '{' {
		decoded, err := base64.StdEncoding.DecodeString(string(raw))
		if err != nil {
			// The decoder's own error would quote nothing secret, but says no more either.
			return nil, errors.New("encryption keyring is neither a JSON keyset nor base64 of one")
		}
		raw = decoded
	}
	// The keyset is in clear text on purpose. Tink's other way wraps it with a
	// key of a cloud KMS, which a self-run server need not have; here the file
	// mode or the secret manager behind the environment is what guards it.
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(raw)))
	if err != nil {
		// Not wrapped: a parse error may quote its input, which is key material.
		return nil, errors.New("encryption keyring is not a valid keyset")
	}
	k := &Keyring{}
	return k, k.adopt(handle)
}

// Encode gives the keyring in the form that ParseKeyring reads.
func (k *Keyring) Encode() (Text, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	raw, err := encode(k.handle)
	if err != nil {
		return Text{}, err
	}
	return NewText(base64.StdEncoding.EncodeToString(raw)), nil
}

func encode(handle *keyset.Handle) ([]byte, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, fmt.Errorf("write encryption keyset: %w", err)
	}
	return out.Bytes(), nil
}

// Seal encrypts plain and binds it to associatedData, which says where the
// value belongs; Open needs the same.
func (k *Keyring) Seal(plain, associatedData []byte) ([]byte, error) {
	// A value sealed under a key that its file no longer has would be lost with
	// this process, so a file that went away or broke stops sealing.
	if err := k.follow(); err != nil {
		return nil, err
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	sealed, err := k.aead.Encrypt(plain, associatedData)
	if err != nil {
		return nil, fmt.Errorf("seal value: %w", err)
	}
	return sealed, nil
}

// Open decrypts what Seal made. The error is ErrOpen, or says why the
// keyring's file cannot be read.
func (k *Keyring) Open(sealed, associatedData []byte) ([]byte, error) {
	plain, err := k.open(sealed, associatedData)
	if err == nil || k.holds(sealed) {
		return plain, err
	}
	if err := k.follow(); err != nil {
		return nil, err
	}
	return k.open(sealed, associatedData)
}

func (k *Keyring) open(sealed, associatedData []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	plain, err := k.aead.Decrypt(sealed, associatedData)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// IsPrimary reports whether a value is sealed under the primary key, so that
// resealing it would change nothing.
func (k *Keyring) IsPrimary(sealed []byte) bool {
	id, ok := sealedKeyID(sealed)
	k.mu.RLock()
	defer k.mu.RUnlock()
	return ok && id == k.handle.KeysetInfo().GetPrimaryKeyId()
}

func (k *Keyring) holds(sealed []byte) bool {
	id, ok := sealedKeyID(sealed)
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, info := range k.handle.KeysetInfo().GetKeyInfo() {
		if ok && info.GetKeyId() == id {
			return true
		}
	}
	return false
}

// sealedKeyID reads the key id from Tink's output prefix: one byte of
// version, four bytes of key id, big endian.
func sealedKeyID(sealed []byte) (uint32, bool) {
	if len(sealed) < 5 || sealed[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:5]), true
}

// Len is the number of keys.
func (k *Keyring) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.handle.Len()
}

// Rotate adds a fresh primary key; the older ones keep opening. A keyring
// from a file must be held, and is written back before the new key seals
// anything.
func (k *Keyring) Rotate() error {
	return k.change(func(m *keyset.Manager, _ uint32) error {
		id, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return err
		}
		return m.SetPrimary(id)
	})
}

// DropOld removes all keys but the primary one. What is still sealed under
// another key can never be opened again: reseal first. A keyring from a file
// must be held, and have been held since before that.
func (k *Keyring) DropOld() error {
	return k.change(func(m *keyset.Manager, primary uint32) error {
		for _, info := range k.handle.KeysetInfo().GetKeyInfo() {
			if info.GetKeyId() == primary {
				continue
			}
			if err := m.Delete(info.GetKeyId()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k *Keyring) change(edit func(m *keyset.Manager, primary uint32) error) error {
	if err := k.follow(); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path != "" && !k.held {
		return fmt.Errorf("change encryption keyring %s: it is not held, so another process might change it too", k.path)
	}
	m := keyset.NewManagerFromHandle(k.handle)
	if err := edit(m, k.handle.KeysetInfo().GetPrimaryKeyId()); err != nil {
		return fmt.Errorf("change encryption keyset: %w", err)
	}
	handle, err := m.Handle()
	if err != nil {
		return fmt.Errorf("change encryption keyset: %w", err)
	}
	if k.path != "" {
		if k.seen, err = writeKeyset(k.path, handle, true); err != nil {
			return err
		}
	}
	return k.adopt(handle)
}

// adopt makes handle the keyring's keys; the caller holds mu or owns k.
func (k *Keyring) adopt(handle *keyset.Handle) error {
	primitive, err := aead.New(handle)
	if err != nil {
		return fmt.Errorf("use encryption keyset: it must hold AEAD keys such as AES256_GCM: %w", err)
	}
	k.handle, k.aead = handle, primitive
	return nil
}
