package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// Request is one that stays the same: a GET or HEAD, and what its answer must be.
type Request struct {
	Method   string
	Path     string
	More     string // header lines, each with its line end
	Status   int
	Length   int64  // of the body; sameLength or anyLength if it isn't known
	Digest   string // sha256 of the body; empty if it isn't known
	Optional bool   // a server that answers 4xx or 501 doesn't offer it
}

const (
	sameLength = -1 // as long as the first answer
	anyLength  = -2
)

// prepared is a request as it is sent: each client makes its own, once.
type prepared struct {
	pieces [][]byte
	length int64
}

func (r *Request) run(c *client, verify bool) error {
	ready := c.prepared[r]
	if ready == nil {
		ready = &prepared{[][]byte{[]byte(c.head(r.Method, r.Path, r.More) + "\r\n")}, r.Length}
		c.prepared[r] = ready
	}
	var sum hash.Hash
	if verify && r.Digest != "" && r.Method == "GET" {
		sum = sha256.New()
	}
	got, err := c.exchange(ready.pieces, r.Method == "HEAD", sum)
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
	}
	if got.status != r.Status {
		err := unexpected(r.Method, r.Path, got)
		if r.Optional && verify && (got.status >= 400 && got.status < 500 || got.status == 501) {
			return notOffered(err.Error())
		}
		return err
	}
	if ready.length == sameLength {
		ready.length = got.length
	}
	if got.length != ready.length && ready.length != anyLength && !(r.Method == "HEAD" && got.length < 0) {
		return fmt.Errorf("%s %s: %d bytes instead of %d", r.Method, r.Path, got.length, ready.length)
	}
	if sum != nil && "sha256:"+hex.EncodeToString(sum.Sum(nil)) != r.Digest {
		return fmt.Errorf("%s %s: wrong bytes", r.Method, r.Path)
	}
	return nil
}
