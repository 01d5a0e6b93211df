//go:build unix && !linux

package localpg

import "syscall"

func serverAttr(as *account) *syscall.SysProcAttr {
	attr := toolAttr(as)
	attr.Setpgid = true
	return attr
}
