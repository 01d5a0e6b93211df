package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/tests/toolchain"
)

// Pulumi is a home and a file backend that no other test shares, with the
// plugin of this tree installed.
type Pulumi struct {
	// Backend holds the state files.
	Backend string
	// Env is the environment of every run, this process's own apart.
	Env []string
}

// plugin is the import path of the plugin of this tree.
const plugin = "github.com/pgbeam/pulumi-pgbeam/provider/cmd/pulumi-resource-pgbeam"

var homes sync.Map // import path of a plugin -> func() (string, error)

// home is a PULUMI_HOME with a plugin installed, made once per test process.
func home(plugin string) (string, error) {
	once, _ := homes.LoadOrStore(plugin, sync.OnceValues(func() (string, error) {
		tools, err := tools()
		if err != nil {
			return "", err
		}
		program, err := Build(plugin)
		if err != nil {
			return "", err
		}
		dir, err := scratch("pulumi-home")
		if err != nil {
			return "", err
		}
		cmd := exec.Command(filepath.Join(tools, "pulumi"), "plugin", "install", "resource", "pgbeam", PluginVersion, "--file", program, "--non-interactive")
		cmd.Env = append(os.Environ(), "PULUMI_HOME="+dir, "PULUMI_SKIP_UPDATE_CHECK=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("install plugin: %w\n%s", err, out)
		}
		return dir, nil
	}))
	return once.(func() (string, error))()
}

// PluginVersion is what the SDKs of this tree ask for.
const PluginVersion = "0.1.0"

// tools is the folder with pulumi and its language hosts, which are built where
// there is no pulumi on PATH.
var tools = sync.OnceValues(func() (string, error) {
	return toolchain.Pulumi(context.Background(), os.Stderr)
})

// NewPulumi gives a test a backend of its own. env is added to every run.
func NewPulumi(t testing.TB, env ...string) *Pulumi {
	t.Helper()
	return NewPulumiWith(t, plugin, env...)
}

// NewPulumiWith is NewPulumi with another program in the plugin's place.
func NewPulumiWith(t testing.TB, plugin string, env ...string) *Pulumi {
	t.Helper()
	home, err := home(plugin)
	if err != nil {
		t.Fatal(err)
	}
	backend := t.TempDir()
	return &Pulumi{Backend: backend, Env: append([]string{
		"PULUMI_HOME=" + home, "PULUMI_BACKEND_URL=file://" + backend, "PULUMI_CONFIG_PASSPHRASE=" + Canary("passphrase"),
		"PULUMI_SKIP_UPDATE_CHECK=1", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true", "NO_COLOR=1",
	}, env...)}
}

// Tools is the folder with the pulumi that runs.
func (p *Pulumi) Tools(t testing.TB) string {
	t.Helper()
	dir, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Variables is Env by name.
func (p *Pulumi) Variables() map[string]string {
	out := map[string]string{}
	for _, pair := range p.Env {
		name, value, _ := strings.Cut(pair, "=")
		out[name] = value
	}
	return out
}

// Stack is one stack of a program.
type Stack struct {
	*Pulumi
	t    testing.TB
	Dir  string // of the program
	Name string
}

// NewStack makes a stack of the program in dir and destroys it at the end
// when the test left something in it.
func (p *Pulumi) NewStack(t testing.TB, dir, name string) *Stack {
	t.Helper()
	s := &Stack{Pulumi: p, t: t, Dir: dir, Name: name}
	s.Must("stack", "init", name)
	return s
}

// Result is how a run of pulumi ended and all it printed.
type Result struct {
	Stdout, Stderr string
	Err            error
	Took           time.Duration
}

// Both is standard output and standard error, for messages.
func (r Result) Both() string { return r.Stdout + r.Stderr }

// Command prepares a run of pulumi in a process group of its own.
func (s *Stack) Command(args ...string) *exec.Cmd {
	tools, err := tools()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(tools, "pulumi"), append(args, "--non-interactive")...)
	if args[0] != "cancel" && (args[0] != "stack" || args[1] != "init") {
		cmd.Args = append(cmd.Args, "--stack", s.Name)
	}
	cmd.Dir = s.Dir
	// Last, so that an activated virtual environment stays in front.
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+string(filepath.ListSeparator)+tools)
	cmd.Env = append(cmd.Env, s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Children of a cancelled run must not outlive the test.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// Try runs pulumi.
func (s *Stack) Try(args ...string) Result {
	s.t.Helper()
	cmd := s.Command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	err := cmd.Run()
	return Result{stdout.String(), stderr.String(), err, time.Since(start)}
}

// Must runs pulumi, which must succeed.
func (s *Stack) Must(args ...string) Result {
	s.t.Helper()
	r := s.Try(args...)
	if r.Err != nil {
		s.t.Fatalf("pulumi %s: %v\n%s", strings.Join(args, " "), r.Err, r.Both())
	}
	return r
}

// Up, Refresh and Destroy run to success without asking.
func (s *Stack) Up(args ...string) Result {
	s.t.Helper()
	return s.Must(append([]string{"up", "--yes", "--skip-preview"}, args...)...)
}

func (s *Stack) Refresh(args ...string) Result {
	s.t.Helper()
	return s.Must(append([]string{"refresh", "--yes", "--skip-preview"}, args...)...)
}

func (s *Stack) Destroy(args ...string) Result {
	s.t.Helper()
	return s.Must(append([]string{"destroy", "--yes", "--skip-preview"}, args...)...)
}

// Unchanged fails when a second up or a refresh would change anything.
func (s *Stack) Unchanged() {
	s.t.Helper()
	s.Must("up", "--yes", "--skip-preview", "--expect-no-changes", "--diff")
	s.Must("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--diff")
	s.Must("preview", "--expect-no-changes", "--diff")
}

// Set sets a configuration value; a name that starts with "!" is a secret.
func (s *Stack) Set(pairs ...string) {
	s.t.Helper()
	args := []string{"config", "set-all"}
	for i := 0; i < len(pairs); i += 2 {
		kind := "--plaintext"
		name, secret := strings.CutPrefix(pairs[i], "!")
		if secret {
			kind = "--secret"
		}
		args = append(args, kind, name+"="+pairs[i+1])
	}
	s.Must(args...)
}

// Output returns one output of the stack, secret or not.
func (s *Stack) Output(name string) string {
	s.t.Helper()
	return strings.TrimSpace(s.Must("stack", "output", name, "--show-secrets").Stdout)
}

// Resource is what the state holds of a resource.
type Resource struct {
	URN, Type, ID   string
	Custom, Delete  bool
	Inputs, Outputs map[string]any
	InitErrors      []string
}

// Name is the last part of the URN: the name the program gave.
func (r Resource) Name() string { return r.URN[strings.LastIndex(r.URN, "::")+2:] }

// State returns the resources of this provider in the stack, secrets shown.
func (s *Stack) State() []Resource {
	s.t.Helper()
	var export struct {
		Deployment struct{ Resources []Resource }
	}
	if err := json.Unmarshal([]byte(s.Must("stack", "export", "--show-secrets").Stdout), &export); err != nil {
		s.t.Fatalf("read state: %v", err)
	}
	var out []Resource
	for _, r := range export.Deployment.Resources {
		if strings.HasPrefix(r.Type, "pgbeam:") {
			out = append(out, r)
		}
	}
	return out
}

// Find returns a resource of the state by the name the program gave it.
func (s *Stack) Find(name string) Resource {
	s.t.Helper()
	for _, r := range s.State() {
		if r.Name() == name {
			return r
		}
	}
	s.t.Fatalf("the state has no resource %q", name)
	return Resource{}
}
