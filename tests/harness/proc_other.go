//go:build !linux

package harness

import "syscall"

func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
