package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

func (q *quickstart) file() string { return filepath.Join(q.dir, "quickstart.json") }

func (q *quickstart) read() error {
	text, err := os.ReadFile(q.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &q.kept); err != nil {
		return fmt.Errorf("%s: %w", q.file(), err)
	}
	return nil
}

// claim makes .pgbeam ours. A person may keep a "pgbeam dev" of their own there:
// it is the folder that the command takes by default.
func (q *quickstart) claim() error {
	if err := q.foreign(); err != nil {
		return err
	}
	if err := os.MkdirAll(q.dir, 0o711); err != nil {
		return err
	}
	return q.save()
}

// foreign is an error when .pgbeam holds something that up did not make.
func (q *quickstart) foreign() error {
	entries, err := os.ReadDir(q.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := os.Stat(q.file()); errors.Is(err, fs.ErrNotExist) && len(entries) > 0 {
		return fmt.Errorf("%s was not made by make up (a \"pgbeam dev\" of yours?): move it away first", q.dir)
	}
	return nil
}

// save writes what is kept in one step; only the owner may read it.
func (q *quickstart) save() error {
	text, err := json.MarshalIndent(q.kept, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(q.file(), text)
}

func writePrivate(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// made remembers a path outside .pgbeam that is about to be made, unless it is
// there already and belongs to somebody else.
func (q *quickstart) made(path string) error {
	rel, err := filepath.Rel(q.root, path)
	if err != nil {
		return err
	}
	if slices.Contains(q.kept.Made, rel) {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	q.kept.Made = append(q.kept.Made, rel)
	return q.save()
}

func (q *quickstart) relative(path string) string {
	if rel, err := filepath.Rel(q.root, path); err == nil {
		return rel
	}
	return path
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
