package secret

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/filelock"
)

// LoadKeyring reads a keyring from a file that only its owner may read.
func LoadKeyring(path string) (*Keyring, error) {
	handle, seen, err := readKeyset(path)
	if err != nil {
		return nil, err
	}
	k := &Keyring{path: path, seen: seen}
	return k, k.adopt(handle)
}

// LoadOrCreateKeyring is LoadKeyring, but makes the file, with mode 0600 and
// one fresh key, when there is none. Processes that start together agree on
// one keyring.
func LoadOrCreateKeyring(path string) (k *Keyring, created bool, err error) {
	k, err = LoadKeyring(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, false, err
	}
	fresh, err := NewKeyring()
	if err != nil {
		return nil, false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, false, fmt.Errorf("make folder of encryption keyring: %w", err)
	}
	_, err = writeKeyset(path, fresh.handle, false)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, err
	}
	created = err == nil
	k, err = LoadKeyring(path)
	return k, created, err
}

// follow reads the keyring's file again when it changed.
func (k *Keyring) follow() error {
	if k.path == "" {
		return nil
	}
	now, err := os.Stat(k.path)
	if err != nil {
		return fmt.Errorf("read encryption keyring: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if os.SameFile(now, k.seen) && now.ModTime().Equal(k.seen.ModTime()) && now.Size() == k.seen.Size() {
		return nil
	}
	handle, seen, err := readKeyset(k.path)
	if err != nil {
		return err
	}
	k.seen = seen
	return k.adopt(handle)
}

// Hold keeps every other process from changing the keyring's file until it is
// released, and waits for one that does. A rotation holds it from the new key
// to the removal of the old ones: another rotation in between would have its
// values sealed under a key that this one removes. What only reads does not
// wait.
func (k *Keyring) Hold(ctx context.Context) (release func(), err error) {
	if k.path == "" {
		return func() {}, nil
	}
	unlock, err := filelock.Wait(ctx, k.path+".lock")
	if err != nil {
		return nil, fmt.Errorf("change encryption keyring: %w", err)
	}
	k.hold(true)
	return func() {
		k.hold(false)
		unlock()
	}, nil
}

func (k *Keyring) hold(held bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held = held
}

func readKeyset(path string) (*keyset.Handle, os.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read encryption keyring: %w", err)
	}
	defer f.Close()
	seen, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read encryption keyring: %w", err)
	}
	if mode := seen.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" { // which has no such modes
		return nil, nil, fmt.Errorf("encryption keyring %s can be read or changed by others (mode %04o): run chmod 600 %s, and rotate the keys if somebody may have read it", path, mode, path)
	}
	raw := make([]byte, seen.Size())
	if _, err := f.ReadAt(raw, 0); err != nil {
		return nil, nil, fmt.Errorf("read encryption keyring %s: %w", path, err)
	}
	k, err := ParseKeyring(string(raw))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return k.handle, seen, nil
}

// writeKeyset puts a keyset in place in one step, so that no reader and no
// crash ever meets half of it. Without replace an existing file is
// fs.ErrExist.
func writeKeyset(path string, handle *keyset.Handle, replace bool) (os.FileInfo, error) {
	raw, err := encode(handle)
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".keyring-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("write encryption keyring: %w", err)
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if _, err := tmp.Write(raw); err != nil {
		return nil, fmt.Errorf("write encryption keyring: %w", err)
	}
	if err := tmp.Sync(); err != nil {
		return nil, fmt.Errorf("write encryption keyring: %w", err)
	}
	if err := tmp.Close(); err != nil { // Windows moves no open file
		return nil, fmt.Errorf("write encryption keyring: %w", err)
	}
	place := os.Link // fails when path exists
	if replace {
		place = os.Rename
	}
	if err := place(tmp.Name(), path); err != nil {
		return nil, fmt.Errorf("write encryption keyring: %w", err)
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync() // not every file system can; the rename itself has happened
		dir.Close()
	}
	return os.Stat(path)
}
