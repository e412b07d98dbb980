package main

import (
	"io"
	"syscall"
)

const canDrop = true

// drop receives bytes and forgets them without copying them out of the kernel (tcp(7), MSG_TRUNC).
func drop(kernel syscall.RawConn, most int64) (int, error) {
	if most > 1<<24 {
		most = 1 << 24
	}
	var n uintptr
	var failed syscall.Errno
	err := kernel.Read(func(socket uintptr) bool {
		for failed = syscall.EINTR; failed == syscall.EINTR; {
			n, _, failed = syscall.Syscall6(syscall.SYS_RECVFROM, socket, 0, uintptr(most), syscall.MSG_TRUNC, 0, 0)
		}
		return failed != syscall.EAGAIN
	})
	switch {
	case err != nil:
		return 0, err
	case failed != 0:
		return 0, failed
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}
