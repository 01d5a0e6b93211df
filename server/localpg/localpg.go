// Package localpg runs a PostgreSQL of its own from the binaries that the
// machine has: the sample database of pgbeam dev, and the upstream of tests.
package localpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Options say what to run. Only Dir is required.
type Options struct {
	// Dir holds data and log; it is made when absent, and a cluster in it is
	// used again. Where PostgreSQL's user cannot reach it, see Remove.
	Dir      string
	Port     int      // 0 picks a free one
	Password string   // of the superuser "postgres"; scram-sha-256 over TCP. "" means trust
	Settings []string // extra "name=value" server settings
	HBA      []string // pg_hba.conf lines put before the default ones
}

// Server is a running PostgreSQL that listens on 127.0.0.1 only.
type Server struct {
	Host     string
	Port     int
	User     string
	Password string
	Dir      string
	bin      string // the folder of its programs
	cmd      *exec.Cmd
	done     chan error
}

// FindBinaries returns the folder with initdb and postgres: from PATH, else
// the newest under /usr/lib/postgresql, else the usual places of other systems.
func FindBinaries() (string, error) {
	var candidates []string
	if p, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			candidates = append(candidates, filepath.Dir(real))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
		filepath.Join(os.Getenv("ProgramFiles"), "PostgreSQL", "*", "bin")} {
		found, _ := filepath.Glob(pattern)
		for i := len(found) - 1; i >= 0; i-- {
			candidates = append(candidates, found[i])
		}
	}
	for _, dir := range candidates {
		if isProgram(filepath.Join(dir, "initdb")) && isProgram(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", errors.New("no PostgreSQL server binaries found: put initdb and postgres on PATH, or install your system's postgresql package")
}

func isProgram(path string) bool {
	_, err := exec.LookPath(path)
	return err == nil
}

// account is a user to run programs as; nil is ourselves.
type account struct{ uid, gid int }

// unprivileged returns a user that PostgreSQL accepts: ourselves, or, when we
// are root, "postgres" or "nobody".
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			return &account{uid, gid}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

// Start initializes Dir if it holds no cluster, starts the server and waits
// until it answers. Stop it with Stop. On Linux it also ends when this process
// dies; elsewhere the next Start ends it.
func Start(ctx context.Context, o Options) (*Server, error) { return start(ctx, o, freePort) }

const (
	startAttempts = 60
	// startPause times startAttempts is longer than a server's last session may
	// stay: until PostgreSQL 14 the autovacuum launcher waits ten seconds for a
	// statistics collector that is gone.
	startPause = 250 * time.Millisecond
)

func start(ctx context.Context, o Options, freePort func() (int, error)) (*Server, error) {
	bin, err := FindBinaries()
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := place(o.Dir, as)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		if err := endOrphan(ctx, bin, data, as); err != nil {
			return nil, err
		}
	} else {
		if err := initCluster(ctx, bin, dir, data, o, as); err != nil {
			return nil, err
		}
	}
	anyPort := o.Port == 0
	for attempt := 1; ; attempt++ {
		if anyPort {
			if o.Port, err = freePort(); err != nil {
				return nil, err
			}
		}
		s, err := o.run(ctx, bin, dir, as)
		switch {
		case err == nil || attempt == startAttempts:
			return s, err
		case anyPort && strings.Contains(err.Error(), "Address already in use"):
			// Somebody took the free port before PostgreSQL did.
		case strings.Contains(err.Error(), "shared memory block"):
			// The sessions of a server that was killed are on their way out.
			time.Sleep(startPause)
		default:
			return nil, err
		}
	}
}

// run starts the server on the cluster in dir.
func (o Options) run(ctx context.Context, bin, dir string, as *account) (*Server, error) {
	logFile, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer logFile.Close()
	args := []string{"-D", filepath.Join(dir, "data"), "-p", strconv.Itoa(o.Port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
	for _, s := range o.Settings {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.Dir = dir
	cmd.SysProcAttr = serverAttr(as)
	s := &Server{Host: "127.0.0.1", Port: o.Port, User: "postgres", Password: o.Password, Dir: dir, bin: bin, cmd: cmd, done: make(chan error, 1)}
	started := make(chan error)
	go func() {
		// The kernel signals the child when the thread that started it ends,
		// not the process, so that thread must live as long as the child does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			s.done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	if err := s.wait(ctx); err != nil {
		_ = s.Stop()
		return nil, err
	}
	return s, nil
}

func initCluster(ctx context.Context, bin, dir, data string, o Options, as *account) error {
	args := []string{"-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"}
	if o.Password == "" {
		args = append(args, "--auth=trust")
	} else {
		pw := filepath.Join(dir, "pw")
		if err := os.WriteFile(pw, []byte(o.Password), 0o600); err != nil {
			return err
		}
		defer os.Remove(pw)
		if as != nil {
			if err := os.Chown(pw, as.uid, as.gid); err != nil {
				return err
			}
		}
		args = append(args, "--auth=scram-sha-256", "--pwfile="+pw)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), args...)
	cmd.Dir = dir
	cmd.SysProcAttr = toolAttr(as)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initialize PostgreSQL in %s: %w: %s", data, err, bytes.TrimSpace(out))
	}
	if len(o.HBA) > 0 {
		path := filepath.Join(data, "pg_hba.conf")
		old, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Join(o.HBA, "\n")+"\n"+string(old)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// wait blocks until the server has written that it is ready.
func (s *Server) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-s.done:
			s.done <- err
			out, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
			return fmt.Errorf("PostgreSQL ended while starting (%v): %s", err, lastLines(out, 8))
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL on port %d: %w", s.Port, ctx.Err())
		case <-tick.C:
			// postmaster.pid has "ready" on its eighth line once connections are accepted.
			pid, _ := os.ReadFile(filepath.Join(s.Dir, "data", "postmaster.pid"))
			lines := strings.Split(string(pid), "\n")
			if len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready" && strings.TrimSpace(lines[0]) == strconv.Itoa(s.cmd.Process.Pid) {
				return nil
			}
		}
	}
}

// URL is a connection URL for the superuser and a database.
func (s *Server) URL(database string) string {
	return s.url(url.UserPassword(s.User, s.Password), database)
}

func (s *Server) url(as *url.Userinfo, database string) string {
	u := url.URL{
		Scheme: "postgresql", User: as, Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// stopTimeout is for the checkpoint that the server makes before it ends.
const stopTimeout = 30 * time.Second

// Stop ends the server at once, rolling open transactions back.
func (s *Server) Stop() error {
	s.shutdown("fast")
	select {
	case <-s.done:
		return nil
	case <-time.After(stopTimeout):
		s.shutdown("immediate")
		<-s.done
		return fmt.Errorf("PostgreSQL did not stop in %s and was ended", stopTimeout)
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func lastLines(b []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
