package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// BeamOptions say how to run the server.
type BeamOptions struct {
	Args     []string // more flags for `pgbeam dev`
	LogLevel string   // "debug" when empty, which writes the most
}

// Beam is a running `pgbeam dev` with a data folder of its own.
type Beam struct {
	URL string // of the API
	Key string // an API key of Org
	Org string
	// Proxy is host:port of the PostgreSQL listener, CA the file with its
	// certificate.
	Proxy, CA string
	// Dir holds everything the server writes, its log too.
	Dir string

	options BeamOptions
	api     string // host:port, the same after every restart
	cmd     *exec.Cmd
	done    chan error
	log     *lockedBuffer
}

// StartBeam starts a server for one test.
func StartBeam(t testing.TB, o BeamOptions) *Beam {
	t.Helper()
	b, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// Start starts a server; Close ends it and removes what it wrote.
func Start(ctx context.Context, o BeamOptions) (*Beam, error) {
	dir, err := os.MkdirTemp("", "pgbeam-tests-server-")
	if err != nil {
		return nil, err
	}
	b := &Beam{Dir: dir, Org: "org_tests", options: o, api: "127.0.0.1:0", Proxy: "127.0.0.1:0", log: &lockedBuffer{}}
	if err := b.start(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Beam) start(ctx context.Context) error {
	program, err := Build("github.com/pgbeam/pulumi-pgbeam/server/cmd/pgbeam")
	if err != nil {
		return err
	}
	readyFile := filepath.Join(b.Dir, "ready.json")
	if err := os.Remove(readyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // one that a killed server left would be taken for news
	}
	args := append([]string{"dev", "--data", filepath.Join(b.Dir, "data"), "--api", b.api, "--listen", b.Proxy, "--org", b.Org, "--ready-file", readyFile, "--log-level", cmp.Or(b.options.LogLevel, "debug")}, b.options.Args...)
	cmd := exec.Command(program, args...)
	cmd.Stderr = b.log // standard output has the first API key, once
	cmd.SysProcAttr = diesWithUs()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start pgbeam: %w", err)
	}
	b.cmd, b.done = cmd, make(chan error, 1)
	go func(done chan<- error) { done <- cmd.Wait() }(b.done)

	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-b.done:
			b.done <- err
			return fmt.Errorf("pgbeam ended while starting: %v\n%s", err, b.Log())
		case <-ctx.Done():
			return fmt.Errorf("wait for pgbeam: %w\n%s", ctx.Err(), b.Log())
		case <-tick.C:
		}
		text, err := os.ReadFile(readyFile)
		if err != nil {
			continue
		}
		var ready struct {
			API         string `json:"api_url"`
			Proxy       string `json:"proxy_address"`
			Certificate string `json:"certificate"`
			Key         string `json:"api_key"`
		}
		if json.Unmarshal(text, &ready) != nil {
			continue // half written
		}
		b.URL, b.Proxy, b.CA = ready.API, ready.Proxy, ready.Certificate
		if ready.Key != "" { // of the first start only
			b.Key = ready.Key
		}
		b.api = b.URL[len("http://"):]
		_, port, err := net.SplitHostPort(b.Proxy)
		if err != nil {
			return fmt.Errorf("read address of proxy: %w", err)
		}
		b.Proxy = net.JoinHostPort("127.0.0.1", port)
		return nil
	}
}

// Kill ends the server as a power cut would.
func (b *Beam) Kill() {
	_ = b.cmd.Process.Kill()
	<-b.done
	b.done <- nil
}

// Restart starts a stopped or killed server again, at the same addresses and
// with the same data.
func (b *Beam) Restart(t testing.TB) {
	t.Helper()
	if err := b.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Stop asks the server to end and waits until it has.
func (b *Beam) Stop() error {
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-b.done:
		b.done <- err
		return err
	case <-time.After(30 * time.Second):
		b.Kill()
		return errors.New("pgbeam did not stop in 30 s and was killed")
	}
}

// Close stops the server and removes what it wrote.
func (b *Beam) Close() {
	if b.cmd != nil {
		_ = b.Stop()
	}
	_ = os.RemoveAll(b.Dir)
}

// Verified makes a connection string of the API insist on the server's own
// certificate.
func (b *Beam) Verified(connectionString string) *url.URL {
	u, err := url.Parse(connectionString)
	if err != nil {
		panic(fmt.Sprintf("the API gave a connection string that is no URL: %v", err))
	}
	q := u.Query()
	q.Set("sslmode", "verify-full")
	q.Set("sslrootcert", b.CA)
	u.RawQuery = q.Encode()
	return u
}

// PID is the server's process.
func (b *Beam) PID() int { return b.cmd.Process.Pid }

// Log is all the server has logged so far.
func (b *Beam) Log() string { return b.log.String() }

// Env makes the provider talk to this server.
func (b *Beam) Env() []string {
	return []string{"PGBEAM_API_URL=" + b.URL, "PGBEAM_API_KEY=" + b.Key}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
