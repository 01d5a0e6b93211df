package harness

import "syscall"

// diesWithUs keeps a server from outliving a test process that was killed.
func diesWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
