package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/atomicfile"
	"github.com/pgbeam/pulumi-pgbeam/server/internal/filelock"
)

// lockFolder keeps a second service out of a data folder until unlock, or
// until this process ends, however it ends.
func lockFolder(dir string) (unlock func(), err error) {
	unlock, err = filelock.Try(filepath.Join(dir, "lock"))
	if errors.Is(err, filelock.ErrHeld) {
		return nil, fmt.Errorf("another \"pgbeam dev\" is running on %s: stop it, or choose another folder with --data", dir)
	}
	return unlock, err
}

// readJSON reads what writeJSON wrote.
func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeJSON writes a file that only its owner may read.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, 0o600, append(text, '\n'))
}
