package localpg

import "syscall"

// serverAttr also ends the server with the thread that started it.
func serverAttr(as *account) *syscall.SysProcAttr {
	attr := toolAttr(as)
	attr.Setpgid, attr.Pdeathsig = true, syscall.SIGINT
	return attr
}
