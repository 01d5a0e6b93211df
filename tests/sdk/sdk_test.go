// Package sdk compiles the generated SDKs with their own compilers, each as a
// user's package manager would take it.
package sdk

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

func TestNodeSDKCompiles(t *testing.T) {
	t.Parallel()
	npm := harness.Program(t, "npm", "Node.js with npm")
	sdk, program := t.TempDir(), t.TempDir()
	copyTree(t, filepath.Join(harness.Root(), "sdk", "nodejs"), sdk)
	harness.Run(t, harness.Command{Dir: sdk, Args: []string{npm, "install", "--no-audit", "--no-fund", "--no-package-lock"}})
	packed := strings.Fields(harness.Run(t, harness.Command{Dir: sdk, Args: []string{npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", program}}))
	if len(packed) == 0 {
		t.Fatal("npm pack made nothing")
	}
	// What the package holds must do without what lay beside it.
	write(t, filepath.Join(program, "package.json"), `{"name": "program", "private": true}`)
	harness.Run(t, harness.Command{Dir: program, Args: []string{npm, "install", "--no-audit", "--no-fund", "--prefer-offline", filepath.Join(program, packed[len(packed)-1])}})
	out := harness.Run(t, harness.Command{Dir: program, Args: []string{harness.Program(t, "node", "Node.js"), "-e",
		`const p = require("@pgbeam/pulumi"); console.log([typeof p.Project, typeof p.AgentCredential, typeof p.getProjectOutput, typeof p.configure].join())`}})
	if got := strings.TrimSpace(out); got != "function,function,function,function" {
		t.Errorf("the package exports %s", got)
	}
	// The program of the README is what people paste first.
	readme, err := os.ReadFile(filepath.Join(harness.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, source, found := strings.Cut(string(readme), "```typescript\n")
	source, _, closed := strings.Cut(source, "\n```")
	if !found || !closed {
		t.Fatal("the README has no TypeScript program")
	}
	write(t, filepath.Join(program, "index.ts"), source)
	write(t, filepath.Join(program, "tsconfig.json"), `{"compilerOptions": {"strict": true, "noEmit": true, "skipLibCheck": true, "target": "es2022", "module": "nodenext"}, "files": ["index.ts"]}`)
	harness.Run(t, harness.Command{Dir: program, Args: []string{filepath.Join(sdk, "node_modules", ".bin", "tsc"), "--project", "."}})
}

func TestGoSDKCompiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(harness.Root(), "sdk", "go", "pgbeam")
	harness.Run(t, harness.Command{Dir: dir, Args: []string{"go", "vet", "./..."}, Env: []string{"GOFLAGS=-mod=readonly"}})
}

func TestPythonSDKCompiles(t *testing.T) {
	t.Parallel()
	python := harness.Program(t, "python3", "Python 3.9 or newer")
	dir := t.TempDir()
	copyTree(t, filepath.Join(harness.Root(), "sdk", "python"), dir)
	harness.Run(t, harness.Command{Dir: dir, Args: []string{python, "-W", "error", "-m", "compileall", "-q", "pulumi_pgbeam"}})
}

// copyTree copies sources, so that nothing is built inside the repository.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch d.Name() {
		case "node_modules", "bin", "__pycache__":
			return fs.SkipDir
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
