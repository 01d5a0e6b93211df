package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// storeFlags say where the service keeps what it remembers.
type storeFlags struct {
	Data    string `default:".pgbeam" env:"PGBEAM_DATA" placeholder:"DIR" help:"Folder of the service's own files (${default})."`
	Store   string `env:"PGBEAM_STORE" placeholder:"URL" help:"sqlite:PATH or postgres://... By default a SQLite file in the data folder."`
	KeyFile string `env:"PGBEAM_KEY_FILE" placeholder:"FILE" help:"Keys that encrypt secrets at rest, unless PGBEAM_ENCRYPTION_KEYS has them. By default a file in the data folder."`
}

// Validate is called before a command runs.
func (f storeFlags) Validate() error { return folderNamed(f.Data) }

// folderNamed refuses "", which comes from a variable that is not set: it would
// strew keys over the working directory.
func folderNamed(data string) error {
	if data == "" {
		return errors.New("--data is empty: name a folder, or leave it out")
	}
	return nil
}

func (f storeFlags) url() string {
	if f.Store != "" {
		return f.Store
	}
	return "sqlite:" + filepath.Join(f.Data, "pgbeam.db")
}

func (f storeFlags) keyFile() string {
	if f.KeyFile != "" {
		return f.KeyFile
	}
	return filepath.Join(f.Data, "encryption.json")
}

// keyring loads the encryption keys. Where there are none it makes them only
// for a store that is new as well: another process on another machine may use
// a shared store already, with keys that must come from there.
func (f storeFlags) keyring() (*secret.Keyring, error) {
	if text := os.Getenv(secret.KeysEnv); text != "" {
		keys, err := secret.ParseKeyring(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", secret.KeysEnv, err)
		}
		return keys, nil
	}
	path := f.keyFile()
	keys, err := secret.LoadKeyring(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	file, isFile := strings.CutPrefix(f.url(), "sqlite:")
	if !isFile {
		return nil, fmt.Errorf("there are no encryption keys at %s, and the store is shared: copy the file that the other processes use, or, for the first process of a deployment, make one with \"pgbeam secrets rotate --key-file %s\"", path, path)
	}
	if st, err := os.Stat(file); err == nil && st.Size() > 0 {
		return nil, fmt.Errorf("the store %s exists but its encryption keys at %s do not: bring them back, without them its secrets cannot be read", file, path)
	}
	keys, _, err = secret.LoadOrCreateKeyring(path)
	return keys, err
}

// open opens the store of a service, making what is missing.
func (f storeFlags) open(ctx context.Context, log *slog.Logger) (store.Store, *secret.Keyring, error) {
	keys, err := f.keyring()
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(ctx, f.url(), keys, log)
	if err != nil {
		return nil, nil, err
	}
	return s, keys, nil
}

// configured is existing, unless a configuration names the service: that one
// may be tended before its first start.
func (f storeFlags) configured(ctx context.Context, config configFlag) (store.Store, *secret.Keyring, error) {
	if config.Config != "" {
		return f.open(ctx, nil)
	}
	return f.existing(ctx)
}

// existing is open for commands that look after a service: a data folder that
// is not there is more likely another working directory than a wish for one.
func (f storeFlags) existing(ctx context.Context) (store.Store, *secret.Keyring, error) {
	if f.Store == "" {
		if _, err := os.Stat(filepath.Join(f.Data, "pgbeam.db")); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no store in %s: name the folder with --data, or the store with --store", f.Data)
		}
	}
	return f.open(ctx, slog.New(slog.DiscardHandler))
}
