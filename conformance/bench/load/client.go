package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Target is the server.
type Target struct {
	Address string // host:port to connect to
	Host    string // for the Host header
	TLS     bool
	Headers string // further header lines of every request, each with its line end
}

// client is one connection that sends one request after the other: HTTP/1.1 by hand, as client and server share the
// machine and a library would take the server's CPU.
type client struct {
	target   *Target
	number   int
	conn     net.Conn
	kernel   syscall.RawConn // to drop bodies without copying them; nil where that can't be done
	buffer   []byte
	start    int // of the bytes that were received and not yet used
	end      int
	answered bool // this connection has answered before
	last     bool // the server closes after this answer
	deadline time.Time

	count    int64 // of things made unique
	requests int64
	bytes    int64 // of bodies, in both directions
	times    []time.Duration
	elapsed  time.Duration
	pushed   []pushed
	prepared map[*Request]*prepared
}

type answer struct {
	status   int
	length   int64 // of the body; of a HEAD what it would have been; -1 if not said
	chunked  bool
	location string
}

// stale is a connection that the server has closed between two requests, as it may.
var stale = errors.New("closed between requests")

func newClient(target *Target, number int) *client {
	return &client{target: target, number: number, buffer: make([]byte, 1<<16), prepared: map[*Request]*prepared{}}
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *client) deadlineFrom(from time.Time) {
	c.deadline = from.Add(patience)
	if c.conn != nil {
		c.conn.SetDeadline(c.deadline)
	}
}

func (c *client) connect() error {
	c.close()
	conn, err := net.DialTimeout("tcp", c.target.Address, patience)
	if err != nil {
		return err
	}
	c.kernel = nil
	if c.target.TLS {
		name, _, _ := net.SplitHostPort(c.target.Address)
		conn = tls.Client(conn, &tls.Config{ServerName: name})
	} else if canDrop {
		c.kernel, err = conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			return err
		}
	}
	c.conn, c.start, c.end, c.answered, c.last = conn, 0, 0, false, false
	return conn.SetDeadline(c.deadline)
}

// head is the first lines of a request, without the empty one.
func (c *client) head(method, path, more string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: " + c.target.Host +
		"\r\nUser-Agent: registry-bench\r\n" + c.target.Headers + more
}

// send sends a request with a body that is known, and takes the answer.
func (c *client) send(method, path, more string, body ...[]byte) (*answer, error) {
	length := 0
	for _, piece := range body {
		length += len(piece)
	}
	if method != "GET" && method != "HEAD" {
		more += "Content-Length: " + strconv.Itoa(length) + "\r\n"
	}
	pieces := append([][]byte{[]byte(c.head(method, path, more) + "\r\n")}, body...)
	c.bytes += int64(length)
	got, err := c.exchange(pieces, method == "HEAD", nil)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, bare(path), err)
	}
	return got, nil
}

// exchange sends the pieces of a request and takes the answer; a hash, if there is one, sees its body.
func (c *client) exchange(pieces [][]byte, headOnly bool, sum hash.Hash) (*answer, error) {
	got, err := c.attempt(pieces, headOnly, sum)
	if errors.Is(err, stale) {
		c.close()
		got, err = c.attempt(pieces, headOnly, sum)
	}
	return got, err
}

func (c *client) attempt(pieces [][]byte, headOnly bool, sum hash.Hash) (*answer, error) {
	if c.conn == nil || c.last {
		if err := c.connect(); err != nil {
			return nil, err
		}
	}
	var sent error
	if len(pieces) == 1 {
		_, sent = c.conn.Write(pieces[0])
	} else {
		rest := append(net.Buffers(nil), pieces...) // WriteTo eats it
		_, sent = rest.WriteTo(c.conn)
	}
	c.requests++
	got, err := c.receive(headOnly, sum) // a server may answer before it has read everything
	if err != nil {
		if sent != nil && !errors.Is(err, stale) {
			err = sent
		}
		if errors.Is(err, stale) {
			c.requests--
		}
		return nil, err
	}
	if sent != nil {
		c.last = true
	}
	return got, nil
}

func (c *client) receive(headOnly bool, sum hash.Hash) (*answer, error) {
	for {
		end := bytes.Index(c.buffer[c.start:c.end], []byte("\r\n\r\n"))
		if end < 0 {
			if err := c.more(); err != nil {
				return nil, err
			}
			continue
		}
		got, err := c.parse(c.buffer[c.start : c.start+end])
		if err != nil {
			return nil, err
		}
		c.start += end + 4
		c.answered = true
		if got.status >= 100 && got.status < 200 {
			continue
		}
		if headOnly || got.status == 204 || got.status == 304 {
			return got, nil
		}
		return got, c.body(got, sum)
	}
}

// more receives into the buffer what there is.
func (c *client) more() error {
	if c.start > 0 {
		copy(c.buffer, c.buffer[c.start:c.end])
		c.end -= c.start
		c.start = 0
	}
	if c.end == len(c.buffer) {
		return errors.New("an answer with endless headers")
	}
	n, err := c.conn.Read(c.buffer[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	if c.answered && c.end == 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		return stale
	}
	if errors.Is(err, io.EOF) {
		return errors.New("closed without an answer")
	}
	return err
}

func (c *client) parse(head []byte) (*answer, error) {
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.")) {
		return nil, errors.New("no answer of HTTP/1.1")
	}
	status, err := strconv.Atoi(string(head[9:12]))
	if err != nil {
		return nil, errors.New("an answer without a status")
	}
	got := &answer{status: status, length: -1}
	c.last = head[7] == '0'
	for {
		next := bytes.Index(head, []byte("\r\n"))
		if next < 0 {
			return got, nil
		}
		head = head[next+2:]
		colon := bytes.IndexByte(head, ':')
		if colon < 0 {
			return nil, errors.New("an answer with a header that is none")
		}
		switch name := head[:colon]; {
		case is(name, "content-length"):
			if got.length, err = strconv.ParseInt(value(head, colon), 10, 64); err != nil || got.length < 0 {
				return nil, errors.New("an answer with a bad Content-Length")
			}
		case is(name, "location"):
			got.location = value(head, colon)
		case is(name, "transfer-encoding"):
			got.chunked = strings.EqualFold(value(head, colon), "chunked")
		case is(name, "connection"):
			c.last = strings.EqualFold(value(head, colon), "close")
		}
	}
}

func is(name []byte, wanted string) bool {
	return len(name) == len(wanted) && strings.EqualFold(string(name), wanted)
}

func value(line []byte, colon int) string {
	if end := bytes.IndexByte(line, '\r'); end >= 0 {
		line = line[:end]
	}
	return strings.TrimSpace(string(line[colon+1:]))
}

// body takes the body of an answer, and sets its length.
func (c *client) body(got *answer, sum hash.Hash) error {
	if !got.chunked {
		if got.length < 0 {
			c.last = true
			return c.untilClosed(got, sum)
		}
		c.bytes += got.length
		return c.take(got.length, sum)
	}
	got.length = 0
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(strings.SplitN(line, ";", 2)[0]), 16, 64)
		if err != nil || size < 0 {
			return errors.New("an answer with a bad chunk")
		}
		if size == 0 {
			for line != "" { // trailers
				if line, err = c.line(); err != nil {
					return err
				}
			}
			c.bytes += got.length
			return nil
		}
		got.length += size
		if err := c.take(size, sum); err != nil {
			return err
		}
		if line, err = c.line(); err != nil || line != "" {
			return errors.New("an answer with a bad chunk")
		}
	}
}

func (c *client) line() (string, error) {
	for {
		if end := bytes.Index(c.buffer[c.start:c.end], []byte("\r\n")); end >= 0 {
			line := string(c.buffer[c.start : c.start+end])
			c.start += end + 2
			return line, nil
		}
		if err := c.more(); err != nil {
			return "", err
		}
	}
}

// take receives that many bytes of a body. Those that nobody looks at are dropped in the kernel.
func (c *client) take(left int64, sum hash.Hash) error {
	whole := left
	for left > 0 {
		if c.start == c.end {
			if sum == nil && c.kernel != nil && left > int64(len(c.buffer)) {
				n, err := drop(c.kernel, left)
				left -= int64(n)
				if err != nil {
					return short(whole-left, whole, err)
				}
				continue
			}
			n, err := c.conn.Read(c.buffer)
			if n == 0 {
				return short(whole-left, whole, err)
			}
			c.start, c.end = 0, n
		}
		n := c.end - c.start
		if int64(n) > left {
			n = int(left)
		}
		if sum != nil {
			sum.Write(c.buffer[c.start : c.start+n])
		}
		c.start += n
		left -= int64(n)
	}
	return nil
}

func short(got, wanted int64, err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("short body: %d bytes of %d", got, wanted)
	}
	return fmt.Errorf("after %d bytes of %d: %w", got, wanted, err)
}

func (c *client) untilClosed(got *answer, sum hash.Hash) error {
	got.length = 0
	for {
		if sum != nil {
			sum.Write(c.buffer[c.start:c.end])
		}
		got.length += int64(c.end - c.start)
		c.bytes += int64(c.end - c.start)
		c.start, c.end = 0, 0
		n, err := c.conn.Read(c.buffer)
		c.end = n
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
