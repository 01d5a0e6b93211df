package harness

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

var (
	builds   sync.Map // import path -> func() (string, error)
	leftover struct {
		sync.Mutex
		dirs []string
	}
)

// Build builds a program of this module once per test process and returns its
// path. Go's own cache makes every build after the first a link.
func Build(importPath string, flags ...string) (string, error) {
	once, _ := builds.LoadOrStore(importPath, sync.OnceValues(func() (string, error) {
		dir, err := scratch("bin")
		if err != nil {
			return "", err
		}
		program := filepath.Join(dir, path.Base(importPath))
		args := append([]string{"build", "-buildvcs=false", "-o", program}, flags...)
		cmd := exec.Command("go", append(args, importPath)...)
		cmd.Dir = Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", importPath, err, out)
		}
		return program, nil
	}))
	return once.(func() (string, error))()
}

// Root is the folder of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// scratch makes a folder that Cleanup removes.
func scratch(name string) (string, error) {
	dir, err := os.MkdirTemp("", "pgbeam-tests-"+name+"-")
	if err != nil {
		return "", err
	}
	leftover.Lock()
	defer leftover.Unlock()
	leftover.dirs = append(leftover.dirs, dir)
	return dir, nil
}

// Main runs the tests of a package and ends the process. run starts what they
// share, runs them and returns the exit status.
func Main(run func() (int, error)) {
	flag.Parse()
	status, err := run()
	Cleanup()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// Cleanup removes what this package made for the whole test process. TestMain
// calls it last.
func Cleanup() {
	leftover.Lock()
	defer leftover.Unlock()
	for _, dir := range leftover.dirs {
		endBelow(dir)
		_ = os.RemoveAll(dir)
	}
	leftover.dirs = nil
}

// EndPlugins kills the plugins that a killed engine left behind: they look for
// it only every few minutes.
func EndPlugins() {
	leftover.Lock()
	defer leftover.Unlock()
	for _, dir := range leftover.dirs {
		endBelow(dir)
	}
}

// Cgo says how Build builds: "1" with a C compiler, "0" without one.
func Cgo() string {
	out, err := exec.Command("go", "env", "CGO_ENABLED").Output()
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(out))
}
