package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ready is what "pgbeam dev --ready-file" writes.
type ready struct {
	PID      int    `json:"pid"`
	APIURL   string `json:"api_url"`
	Proxy    string `json:"proxy_address"`
	OrgID    string `json:"organization_id"`
	APIKey   string `json:"api_key"`
	Postgres struct {
		Host     string `json:"host"`
		Port     int    `json:"port"`
		Database string `json:"database"`
		Username string `json:"username"`
		Password string `json:"password"`
	} `json:"postgres"`
}

func (q *quickstart) serverLog() string { return filepath.Join(q.dir, "server.log") }
func (q *quickstart) readyFile() string { return filepath.Join(q.dir, "ready.json") }
func (q *quickstart) binary() string    { return filepath.Join(q.root, "bin", "pgbeam") }

// startServer starts "pgbeam dev" in the background, unless it runs already
// from the same binary.
func (q *quickstart) startServer(ctx context.Context) (ready, error) {
	sum, err := hashFile(q.binary())
	if err != nil {
		return ready{}, err
	}
	if q.running() {
		if r, err := q.readReady(); err == nil && q.kept.Server == sum {
			return r, q.key(ctx, &r)
		}
		note("the server was built anew, starting it again")
		if err := q.stopServer(); err != nil {
			return ready{}, err
		}
	}
	if err := q.choosePorts(); err != nil {
		return ready{}, err
	}
	log, err := os.OpenFile(q.serverLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return ready{}, err
	}
	defer log.Close()
	_ = os.Remove(q.readyFile()) // a killed server leaves it
	cmd := exec.Command(q.binary(), "dev", "--with-postgres", "--data", q.dir, "--api", q.kept.API, "--listen", q.kept.Listen, "--ready-file", q.readyFile())
	cmd.Dir = q.root
	// Not its standard output: the first start prints the API key there.
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // outlives this terminal
	if err := cmd.Start(); err != nil {
		return ready{}, fmt.Errorf("start server: %w", err)
	}
	q.kept.Server, q.kept.ServerPID = sum, cmd.Process.Pid
	if err := q.save(); err != nil {
		return ready{}, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	limit, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return ready{}, fmt.Errorf("the server ended while starting (%v):\n%s", err, lastLines(q.serverLog(), 5))
		case <-limit.Done():
			_ = q.stopServer()
			return ready{}, fmt.Errorf("the server was not ready in time (%w):\n%s", limit.Err(), lastLines(q.serverLog(), 5))
		case <-tick.C:
			if r, err := q.readReady(); err == nil && r.PID == cmd.Process.Pid {
				return r, q.key(ctx, &r)
			}
		}
	}
}

func (q *quickstart) readReady() (r ready, err error) {
	text, err := os.ReadFile(q.readyFile())
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// key makes sure that we know an API key: the one of the first start, or a new
// one if that was lost.
func (q *quickstart) key(ctx context.Context, r *ready) error {
	if r.APIKey == "" {
		r.APIKey = q.kept.APIKey
	}
	if r.APIKey == "" {
		out, err := exec.CommandContext(ctx, q.binary(), "keys", "create", "--json", "--data", q.dir, "--org", r.OrgID, "--name", "make up").Output()
		if err != nil {
			return fmt.Errorf("issue an API key: %w", err)
		}
		var made struct {
			Key string `json:"key"`
		}
		if err := json.Unmarshal(out, &made); err != nil {
			return fmt.Errorf("issue an API key: %w", err)
		}
		r.APIKey = made.Key
	}
	q.kept.APIKey = r.APIKey
	return q.save()
}

// choosePorts takes the usual ports, or, where another program has one, a free
// one, and stays with the choice.
func (q *quickstart) choosePorts() error {
	for _, p := range []struct {
		kept  *string
		usual string
		what  string
	}{{&q.kept.API, "127.0.0.1:8080", "the API"}, {&q.kept.Listen, "127.0.0.1:6432", "the proxy"}} {
		want := *p.kept
		if want == "" {
			want = p.usual
		}
		l, err := net.Listen("tcp", want)
		if err != nil {
			if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return err
			}
			note("%s is taken by another program, %s gets %s", want, p.what, l.Addr())
		}
		*p.kept = l.Addr().String()
		l.Close()
	}
	return q.save()
}

// running reports whether the server that we started still runs. The process
// id alone could belong to somebody else by now; the lock on the data folder
// cannot.
func (q *quickstart) running() bool {
	if q.kept.ServerPID == 0 || syscall.Kill(q.kept.ServerPID, 0) != nil {
		return false
	}
	f, err := os.Open(filepath.Join(q.dir, "lock"))
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// stopServer ends the server and with it its PostgreSQL.
func (q *quickstart) stopServer() error {
	if !q.running() {
		return nil
	}
	if err := syscall.Kill(q.kept.ServerPID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop server: %w", err)
	}
	for end := time.Now().Add(time.Minute); q.running(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("the server (process " + strconv.Itoa(q.kept.ServerPID) + ") does not stop; its log is " + q.relative(q.serverLog()))
		}
	}
	q.kept.ServerPID = 0
	return q.save()
}

func lastLines(path string, n int) string {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
