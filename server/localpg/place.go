package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// elsewhere is the file in Options.Dir that names where the cluster really is.
const elsewhere = "location"

// place makes the folder of the cluster and returns its absolute path. That is
// dir itself, unless we are root and PostgreSQL's user cannot pass through the
// folders above it (a home with mode 0700): then it is a folder under the
// system's temporary one, which the file "location" in dir remembers.
func place(dir string, as *account) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make directory of PostgreSQL: %w", err)
	}
	if as == nil {
		return dir, nil
	}
	if !reachable(filepath.Dir(dir), as) {
		if dir, err = placeElsewhere(dir); err != nil {
			return "", err
		}
	}
	if err := os.Chown(dir, as.uid, as.gid); err != nil {
		return "", fmt.Errorf("give directory to PostgreSQL's user: %w", err)
	}
	return dir, nil
}

func placeElsewhere(dir string) (string, error) {
	marker := filepath.Join(dir, elsewhere)
	if known, err := os.ReadFile(marker); err == nil {
		if st, err := os.Stat(string(known)); err == nil && st.IsDir() {
			return string(known), nil
		}
	}
	other, err := os.MkdirTemp("", "pgbeam-postgres-")
	if err != nil {
		return "", fmt.Errorf("make directory of PostgreSQL: %w", err)
	}
	if err := os.WriteFile(marker, []byte(other), 0o644); err != nil {
		_ = os.Remove(other)
		return "", fmt.Errorf("remember directory of PostgreSQL: %w", err)
	}
	return other, nil
}

// Remove deletes everything that Start made for Options.Dir. The server must
// have stopped.
func Remove(dir string) error {
	if known, err := os.ReadFile(filepath.Join(dir, elsewhere)); err == nil {
		other := string(known)
		if strings.HasPrefix(filepath.Base(other), "pgbeam-postgres-") {
			if err := os.RemoveAll(other); err != nil {
				return fmt.Errorf("remove directory of PostgreSQL: %w", err)
			}
		}
	}
	return os.RemoveAll(dir)
}

// endOrphan stops a server that a killed predecessor left in data. On Linux
// the kernel has told it to stop already, and this waits for that.
func endOrphan(ctx context.Context, bin, data string, as *account) error {
	if _, err := os.Stat(filepath.Join(data, "postmaster.pid")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	// pg_ctl knows a live server of this folder from a stale file; where there
	// is none it fails, and postgres itself clears the file.
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pg_ctl"), "stop", "-D", data, "-m", "fast", "-w", "-t", "20")
	cmd.Dir = filepath.Dir(data)
	cmd.SysProcAttr = toolAttr(as)
	out, err := cmd.CombinedOutput()
	if err == nil || strings.Contains(string(out), "Is server running") || strings.Contains(string(out), "No such process") {
		return nil
	}
	if ctx.Err() != nil || strings.Contains(string(out), "does not shut down") {
		return fmt.Errorf("stop the PostgreSQL that an earlier run left in %s: %w: %s", data, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Running reports whether a server that Start left behind for Options.Dir
// still runs; the next Start ends it.
func Running(dir string) bool {
	if known, err := os.ReadFile(filepath.Join(dir, elsewhere)); err == nil {
		dir = string(known)
	}
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	return err == nil && alive(pid)
}
