//go:build !linux

package main

import (
	"errors"
	"syscall"
)

const canDrop = false

func drop(syscall.RawConn, int64) (int, error) { return 0, errors.New("not on this system") }
