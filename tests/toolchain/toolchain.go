// Package toolchain finds the programs that the tests and "make up" run beside
// our own: Pulumi with its language hosts, and govulncheck. Where pulumi is not
// on PATH it is built, once for this machine, from the Go modules in the
// folders beside this file, each with versions of its own.
package toolchain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// program is one executable that a module builds.
type program struct {
	name   string
	module string // folder beside this file
	source string // import path
	// stamp is the module whose version the program must be told, as the
	// linker sets it; the Automation API refuses a pulumi that does not know it.
	stamp, stampVariable string
	// script is a file of the module that belongs beside the program.
	script, scriptModule string
}

const sdk = "github.com/pulumi/pulumi/sdk/v3"

var (
	pulumi = []program{
		{name: "pulumi", module: "pulumi", source: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", stamp: sdk, stampVariable: sdk + "/go/common/version.Version"},
		{name: "pulumi-language-nodejs", module: "nodejs", source: sdk + "/nodejs/cmd/pulumi-language-nodejs"},
		{name: "pulumi-language-go", module: "go", source: sdk + "/go/pulumi-language-go"},
		{name: "pulumi-language-yaml", module: "yaml", source: "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml"},
		{name: "pulumi-language-python", module: "python", source: sdk + "/python/cmd/pulumi-language-python", script: "python/cmd/pulumi-language-python-exec", scriptModule: sdk},
	}
	govulncheck = []program{{name: "govulncheck", module: "govulncheck", source: "golang.org/x/vuln/cmd/govulncheck"}}
)

// Pulumi returns the folder with pulumi and the hosts of the languages named
// ("nodejs", "go", "yaml", "python"; none is all of them), building what is
// missing. It is the folder of the pulumi on PATH where there is one.
func Pulumi(ctx context.Context, progress io.Writer, languages ...string) (string, error) {
	if path, err := exec.LookPath("pulumi"); err == nil {
		return filepath.Dir(path), nil
	}
	wanted := pulumi[:1:1]
	for _, p := range pulumi[1:] {
		for _, l := range languages {
			if p.name == "pulumi-language-"+l {
				wanted = append(wanted, p)
			}
		}
	}
	if len(languages) == 0 {
		wanted = pulumi
	}
	return build(ctx, progress, wanted)
}

// Govulncheck returns the path of govulncheck, building it if it is missing.
func Govulncheck(ctx context.Context, progress io.Writer) (string, error) {
	if path, err := exec.LookPath("govulncheck"); err == nil {
		return path, nil
	}
	dir, err := build(ctx, progress, govulncheck)
	return filepath.Join(dir, "govulncheck"), err
}

// Cache is where built programs are kept, for every checkout on this machine.
func Cache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for the toolchain: %w", err)
	}
	return filepath.Join(base, "pgbeam", "toolchain"), nil
}

// build returns the folder that has all programs. Two builds at the same time
// do the work once; one that is cut short leaves nothing that looks finished.
func build(ctx context.Context, progress io.Writer, wanted []program) (string, error) {
	modules, err := modulesFolder()
	if err != nil {
		return "", err
	}
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	key, err := fingerprint(modules)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, key)
	if len(missing(dir, wanted)) == 0 {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make folder of toolchain: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("lock toolchain: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock toolchain: %w", err)
	}
	todo := missing(dir, wanted)
	for i, p := range todo {
		fmt.Fprintf(progress, "building %s from its Go module (%d of %d, kept for later runs in %s)\n", p.name, i+1, len(todo), dir)
		start := time.Now()
		if err := p.build(ctx, filepath.Join(modules, p.module), dir); err != nil {
			return "", err
		}
		fmt.Fprintf(progress, "built %s in %s\n", p.name, time.Since(start).Round(time.Second))
	}
	return dir, nil
}

func missing(dir string, wanted []program) []program {
	var m []program
	for _, p := range wanted {
		if _, err := os.Stat(filepath.Join(dir, p.name)); err != nil {
			m = append(m, p)
		}
	}
	return m
}

func (p program) build(ctx context.Context, module, dir string) error {
	work, err := os.MkdirTemp(dir, "building-")
	if err != nil {
		return fmt.Errorf("build %s: %w", p.name, err)
	}
	defer os.RemoveAll(work)
	flags := "-s -w"
	if p.stamp != "" {
		version, err := goCommand(ctx, module, "list", "-m", "-f", "{{.Version}}", p.stamp)
		if err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		flags += " -X " + p.stampVariable + "=" + version
	}
	if _, err := goCommand(ctx, module, "build", "-trimpath", "-ldflags", flags, "-o", filepath.Join(work, p.name), p.source); err != nil {
		return fmt.Errorf("build %s: %w", p.name, err)
	}
	if p.script != "" {
		from, err := goCommand(ctx, module, "list", "-m", "-f", "{{.Dir}}", p.scriptModule)
		if err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		text, err := os.ReadFile(filepath.Join(from, filepath.FromSlash(p.script)))
		if err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		script := filepath.Join(work, "script")
		if err := os.WriteFile(script, text, 0o755); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
		if err := os.Rename(script, filepath.Join(dir, filepath.Base(p.script))); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
	}
	// Last, because its presence says that everything is there.
	return os.Rename(filepath.Join(work, p.name), filepath.Join(dir, p.name))
}

func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly -buildvcs=false")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// fingerprint names a set of versions: other versions, other folder.
func fingerprint(modules string) (string, error) {
	sums, err := filepath.Glob(filepath.Join(modules, "*", "go.*"))
	if err != nil || len(sums) == 0 {
		return "", fmt.Errorf("read versions of the toolchain in %s: %w", modules, errors.Join(err, fs.ErrNotExist))
	}
	h := sha256.New()
	for _, path := range sums { // in lexical order
		text, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read versions of the toolchain: %w", err)
		}
		fmt.Fprintf(h, "%s %d\n", filepath.Base(filepath.Dir(path)), len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// modulesFolder finds tests/toolchain in the repository around the working
// directory.
func modulesFolder() (string, error) {
	root, err := Root()
	return filepath.Join(root, "tests", "toolchain"), err
}

// Root is the top folder of the repository around the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module github.com/pgbeam/pulumi-pgbeam\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("this must run inside a checkout of the repository")
		}
		dir = parent
	}
}
