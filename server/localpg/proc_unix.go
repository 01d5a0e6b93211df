//go:build unix

package localpg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// toolAttr runs PostgreSQL's own programs as a user.
func toolAttr(as *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if as != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)}
	}
	return attr
}

// shutdown asks the server to end in one of its two quick ways; done tells
// when it has.
func (s *Server) shutdown(mode string) {
	signal := syscall.SIGINT
	if mode == "immediate" {
		signal = syscall.SIGQUIT
	}
	_ = s.cmd.Process.Signal(signal)
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// reachable reports whether a user may pass through a folder and all above it.
func reachable(dir string, as *account) bool {
	for {
		st, err := os.Stat(dir)
		if err != nil {
			return false
		}
		owner, ok := st.Sys().(*syscall.Stat_t)
		if !ok {
			return false
		}
		bit := fs.FileMode(0o001)
		switch {
		case int(owner.Uid) == as.uid:
			bit = 0o100
		case int(owner.Gid) == as.gid:
			bit = 0o010
		}
		if st.Mode().Perm()&bit == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}
