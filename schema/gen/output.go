package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// output is everything that is generated, by path from the root of the
// repository. Folders in owned hold nothing else.
type output struct {
	files map[string][]byte
	owned []string
}

// stale lists the files on disk that differ from what is generated, are
// missing, or stand in generated places although nothing generates them.
func (o *output) stale(root string) ([]string, error) {
	var out []string
	for path, want := range o.files {
		have, err := os.ReadFile(filepath.Join(root, path))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			out = append(out, path+": missing")
		case err != nil:
			return nil, err
		case !bytes.Equal(have, want):
			out = append(out, path+": differs")
		}
	}
	strays, err := o.strays(root)
	for _, path := range strays {
		out = append(out, path+": nothing generates it")
	}
	slices.Sort(out)
	return out, err
}

// strays are files in generated places that are not generated: everything in
// an owned folder, and *.gen.go beside generated files.
func (o *output) strays(root string) ([]string, error) {
	var out []string
	for _, dir := range o.owned {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if d.IsDir() {
				if built[d.Name()] || strings.HasSuffix(d.Name(), ".egg-info") {
					return fs.SkipDir
				}
				return nil
			}
			rel, err := filepath.Rel(root, path)
			if rel = filepath.ToSlash(rel); o.files[rel] == nil && !built[d.Name()] {
				out = append(out, rel)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	dirs := map[string]bool{}
	for path := range o.files {
		if strings.HasSuffix(path, ".gen.go") {
			dirs[filepath.Dir(path)] = true
		}
	}
	for dir := range dirs {
		found, err := filepath.Glob(filepath.Join(root, dir, "*.gen.go"))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return nil, err
			}
			if rel = filepath.ToSlash(rel); o.files[rel] == nil {
				out = append(out, rel)
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// built are names that tools make inside an SDK's folder; they are ignored by
// git and by us.
var built = map[string]bool{
	"node_modules": true, "bin": true, "package-lock.json": true, "__pycache__": true, "dist": true, "obj": true, "build": true,
}

// write brings the disk to what is generated and lists what it changed.
func (o *output) write(root string) (changed []string, err error) {
	strays, err := o.strays(root)
	if err != nil {
		return nil, err
	}
	for _, path := range strays {
		if err := os.Remove(filepath.Join(root, path)); err != nil {
			return changed, err
		}
		changed = append(changed, "removed "+path)
	}
	for path, want := range o.files {
		at := filepath.Join(root, path)
		if have, err := os.ReadFile(at); err == nil && bytes.Equal(have, want) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return changed, err
		}
		if err := os.WriteFile(at, want, 0o644); err != nil {
			return changed, err
		}
		changed = append(changed, "wrote "+path)
	}
	slices.Sort(changed)
	return changed, nil
}
