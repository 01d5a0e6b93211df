package localpg

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// PostgreSQL runs as ourselves here: initdb and pg_ctl give up the rights of
// an administrator by themselves.
func toolAttr(*account) *syscall.SysProcAttr { return nil }

func serverAttr(*account) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP} // our Ctrl-C is not its own
}

// shutdown asks the server to end in one of its two quick ways; done tells
// when it has. There are no signals, so pg_ctl asks.
func (s *Server) shutdown(mode string) {
	_ = exec.Command(filepath.Join(s.bin, "pg_ctl"), "stop", "-D", filepath.Join(s.Dir, "data"), "-m", mode, "-W").Run()
}

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}

// reachable is asked for other users than ourselves only, of whom there are
// none here.
func reachable(string, *account) bool { return true }
