package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// stack has a name that nobody's own stack is likely to have, because its
// configuration file lies beside the program and is removed by down.
const stack = "quickstart"

func (q *quickstart) program() string { return filepath.Join(q.root, "examples", "typescript") }
func (q *quickstart) sdk() string     { return filepath.Join(q.root, "sdk", "nodejs") }
func (q *quickstart) configFile() string {
	return filepath.Join(q.program(), "Pulumi."+stack+".yaml")
}

// installProgram compiles the Node SDK and installs the program's packages,
// where they are older than what they are made from.
func (q *quickstart) installProgram(ctx context.Context, tools tools) error {
	built := filepath.Join(q.sdk(), "bin", "index.js")
	if older(built, q.sdk(), "bin", "node_modules") {
		for _, path := range []string{"bin", "node_modules"} {
			if err := q.made(filepath.Join(q.sdk(), path)); err != nil {
				return err
			}
		}
		// Its prepare script compiles.
		if err := q.npm(ctx, tools, q.sdk()); err != nil {
			return err
		}
	}
	note("sdk/nodejs/bin")
	installed := filepath.Join(q.program(), "node_modules", "@pgbeam", "pulumi", "package.json")
	if older(installed, filepath.Dir(built)) || older(installed, q.program(), "node_modules", "Pulumi."+stack+".yaml", "index.ts") {
		if err := q.made(filepath.Join(q.program(), "node_modules")); err != nil {
			return err
		}
		// npm believes that an installed package of the same version is the same.
		if err := os.RemoveAll(filepath.Dir(installed)); err != nil {
			return err
		}
		// The SDK is compiled; its script would do it once more.
		if err := q.npm(ctx, tools, q.program(), "--ignore-scripts"); err != nil {
			return err
		}
		now := time.Now()
		if err := os.Chtimes(installed, now, now); err != nil {
			return fmt.Errorf("install packages of %s: %w", q.relative(q.program()), err)
		}
	}
	note("examples/typescript/node_modules")
	return nil
}

func (q *quickstart) npm(ctx context.Context, tools tools, dir string, more ...string) error {
	cmd := exec.CommandContext(ctx, tools.npm, append([]string{"install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"}, more...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install in %s: %w\n%s", q.relative(dir), err, out)
	}
	return nil
}

// older reports whether a file is missing or older than any file in a folder,
// names below it left out.
func older(file, folder string, without ...string) bool {
	st, err := os.Stat(file)
	if err != nil {
		return true
	}
	stale := false
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, name := range without {
			if path == filepath.Join(folder, name) {
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
		}
		if info, err := d.Info(); err == nil && !d.IsDir() && info.ModTime().After(st.ModTime()) {
			stale = true
			return fs.SkipAll
		}
		return nil
	})
	return stale
}

// pulumiRun runs pulumi in the program's folder, on a backend in .pgbeam.
type pulumiRun struct {
	pulumi, dir string
	env         []string // added to our own
}

func (q *quickstart) pulumi(folder string, server ready) *pulumiRun {
	home := filepath.Join(q.dir, "pulumi")
	return &pulumiRun{
		pulumi: filepath.Join(folder, "pulumi"), dir: q.program(),
		env: []string{
			"PATH=" + folder + string(os.PathListSeparator) + os.Getenv("PATH"),
			"PULUMI_HOME=" + filepath.Join(home, "home"),
			"PULUMI_BACKEND_URL=file://" + filepath.Join(home, "state"),
			"PULUMI_CONFIG_PASSPHRASE_FILE=" + filepath.Join(home, "passphrase"),
			"PULUMI_SKIP_UPDATE_CHECK=true",
			"PGBEAM_API_URL=" + server.APIURL,
			"PGBEAM_API_KEY=" + server.APIKey,
		},
	}
}

func (r *pulumiRun) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, r.pulumi, args...)
	// An interrupt gives pulumi the time to record what it has made.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), r.env...)
	return cmd
}

// do runs pulumi quietly, with input on its standard input.
func (r *pulumiRun) do(ctx context.Context, input string, args ...string) (string, error) {
	cmd := r.command(ctx, append(args, "--non-interactive")...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("pulumi %s: %w\n%s%s", strings.Join(args[:min(2, len(args))], " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// stream runs pulumi where the person sees it work.
func (r *pulumiRun) stream(ctx context.Context, args ...string) error {
	cmd := r.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if !terminal {
		cmd.Args = append(cmd.Args, "--non-interactive", "--color", "never")
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("pulumi %s: %w", args[0], err)
	}
	return nil
}

// configure makes the stack, installs the plugin of this tree and sets what
// the program asks for.
func (q *quickstart) configure(ctx context.Context, run *pulumiRun, server ready) error {
	home := filepath.Join(q.dir, "pulumi")
	if _, err := os.Stat(filepath.Join(home, "passphrase")); err != nil {
		// A stack file from before .pgbeam was removed by hand cannot be decrypted.
		if err := os.Remove(q.configFile()); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.MkdirAll(filepath.Join(home, "state"), 0o700); err != nil {
			return err
		}
		if err := writePrivate(filepath.Join(home, "passphrase"), []byte(rand.Text())); err != nil {
			return err
		}
	}
	if q.kept.WebhookSecret == "" {
		q.kept.WebhookSecret = rand.Text()
		if err := q.save(); err != nil {
			return err
		}
	}
	if err := q.writeEnv(run); err != nil {
		return err
	}
	if err := q.installPlugin(ctx, run); err != nil {
		return err
	}
	plain := [][2]string{
		{"orgId", server.OrgID},
		{"databaseHost", server.Postgres.Host},
		{"databasePort", strconv.Itoa(server.Postgres.Port)},
		{"databaseName", server.Postgres.Database},
		{"databaseUser", server.Postgres.Username},
	}
	secrets := [][2]string{{"databasePassword", server.Postgres.Password}, {"webhookSecret", q.kept.WebhookSecret}}
	h := sha256.New()
	fmt.Fprint(h, plain, secrets)
	sum := hex.EncodeToString(h.Sum(nil))
	if _, err := os.Stat(q.configFile()); err == nil && q.kept.Configured == sum {
		return nil
	}
	if err := q.made(q.configFile()); err != nil {
		return err
	}
	if _, err := run.do(ctx, "", "stack", "select", stack, "--create"); err != nil {
		return err
	}
	set := []string{"config", "set-all", "--stack", stack}
	for _, kv := range plain {
		set = append(set, "--plaintext", kv[0]+"="+kv[1])
	}
	if _, err := run.do(ctx, "", set...); err != nil {
		return err
	}
	for _, kv := range secrets { // on standard input: arguments are for all to see
		if _, err := run.do(ctx, kv[1], "config", "set", "--secret", "--stack", stack, kv[0]); err != nil {
			return err
		}
	}
	q.kept.Configured = sum
	return q.save()
}

// installPlugin gives this tree's plugin to pulumi as the released one would
// come, so that versions are checked and PATH stays as it is.
func (q *quickstart) installPlugin(ctx context.Context, run *pulumiRun) error {
	text, err := os.ReadFile(filepath.Join(q.sdk(), "package.json"))
	if err != nil {
		return err
	}
	var sdk struct {
		Pulumi struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &sdk); err != nil {
		return err
	}
	plugin := filepath.Join(q.root, "bin", "pulumi-resource-pgbeam")
	sum, err := hashFile(plugin)
	if err != nil || sum == q.kept.Plugin {
		return err
	}
	if _, err := run.do(ctx, "", "plugin", "install", "resource", sdk.Pulumi.Name, sdk.Pulumi.Version, "--file", plugin, "--reinstall"); err != nil {
		return err
	}
	q.kept.Plugin = sum
	return q.save()
}

// writeEnv writes a file to source before running pulumi by hand.
func (q *quickstart) writeEnv(run *pulumiRun) error {
	var b strings.Builder
	b.WriteString("# For running pulumi in examples/typescript by hand: . .pgbeam/env\n")
	for _, entry := range run.env {
		name, value, _ := strings.Cut(entry, "=")
		if name == "PATH" {
			fmt.Fprintf(&b, "export PATH=%s:\"$PATH\"\n", quote(filepath.Dir(run.pulumi)))
			continue
		}
		fmt.Fprintf(&b, "export %s=%s\n", name, quote(value))
	}
	return writePrivate(filepath.Join(q.dir, "env"), []byte(b.String()))
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// outputs are what the program exports and we show.
type outputs struct {
	ConnectionString string `json:"connectionString"`
	ProjectID        string `json:"projectId"`
}

func (r *pulumiRun) outputs(ctx context.Context) (o outputs, err error) {
	text, err := r.do(ctx, "", "stack", "output", "--json", "--show-secrets", "--stack", stack)
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return o, fmt.Errorf("read the stack's outputs: %w", err)
	}
	return o, nil
}
