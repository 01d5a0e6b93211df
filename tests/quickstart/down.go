package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/tests/toolchain"
)

// down stops what runs and removes what up made. The service goes as a whole,
// so nothing has to be destroyed in it first.
func (q *quickstart) down() error {
	if _, err := os.Stat(q.dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Println("Nothing is up.")
		return nil
	}
	if err := q.foreign(); err != nil {
		return err
	}
	step("Stopping the server and PostgreSQL")
	if err := q.stopServer(); err != nil {
		return err
	}
	step("Removing what was made")
	for _, rel := range slices.Sorted(slices.Values(q.kept.Made)) {
		if !filepath.IsLocal(rel) {
			return fmt.Errorf("%s names %q, which is outside the checkout: not removed", q.file(), rel)
		}
		if err := os.RemoveAll(filepath.Join(q.root, rel)); err != nil {
			return err
		}
		note("%s", rel)
	}
	if err := localpg.Remove(filepath.Join(q.dir, "postgres")); err != nil {
		return err
	}
	if err := q.removeFolder(); err != nil {
		return err
	}
	note(".pgbeam")
	fmt.Printf("\n%s\n", paint("1;32", "Everything is gone."))
	if cache, err := toolchain.Cache(); err == nil {
		if _, err := os.Stat(cache); err == nil {
			fmt.Printf("Kept for the next time: the programs built from Go modules in %s (make clean removes them).\n", cache)
		}
	}
	return nil
}

// removeFolder removes .pgbeam, and last in it the file that says it is ours,
// so that a removal that was cut short can be repeated.
func (q *quickstart) removeFolder() error {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if path := filepath.Join(q.dir, e.Name()); path != q.file() {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(q.dir)
}
