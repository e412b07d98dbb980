package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// serveNull answers everything at once, until standard input ends: a GET of a path that ends in a number gets as many
// zero bytes, a body is thrown away. It prints its address first.
func serveNull(input *bufio.Reader) error {
	listening, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listening.Addr())
	go func() {
		input.ReadBytes('\n')
		os.Exit(0)
	}()
	for {
		conn, err := listening.Accept()
		if err != nil {
			return err
		}
		go nullConnection(conn)
	}
}

var zeros = make([]byte, 1<<20)

func nullConnection(conn net.Conn) {
	// A client knows how to take messages apart; requests differ by their first line only.
	c := newClient(&Target{}, 0)
	c.conn = conn
	defer conn.Close()
	if canDrop {
		c.kernel, _ = conn.(*net.TCPConn).SyscallConn()
	}
	for {
		method, path, err := c.request()
		if err != nil {
			return
		}
		if err := nullAnswer(conn, method, path); err != nil {
			return
		}
	}
}

// request takes a whole request.
func (c *client) request() (method, path string, err error) {
	line, err := c.line()
	if err != nil {
		return "", "", err
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 {
		return "", "", errors.New("no request")
	}
	body := &answer{}
	for {
		if line, err = c.line(); err != nil {
			return "", "", err
		}
		if line == "" {
			return parts[0], parts[1], c.body(body, nil)
		}
		if colon := strings.IndexByte(line, ':'); colon > 0 {
			switch strings.ToLower(line[:colon]) {
			case "content-length":
				body.length, _ = strconv.ParseInt(strings.TrimSpace(line[colon+1:]), 10, 64)
			case "transfer-encoding":
				body.chunked = true
			}
		}
	}
}

func nullAnswer(conn net.Conn, method, path string) error {
	const empty = "Content-Length: 0\r\n\r\n"
	switch method {
	case "GET", "HEAD":
		size, err := strconv.ParseInt(path[strings.LastIndexByte(path, '/')+1:], 10, 64)
		if err != nil {
			_, err = conn.Write([]byte("HTTP/1.1 404 Not Found\r\n" + empty))
			return err
		}
		head := []byte("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.FormatInt(size, 10) + "\r\n\r\n")
		if method == "HEAD" {
			size = 0
		}
		for first := true; first || size > 0; first = false {
			n := size
			if n > int64(len(zeros)) {
				n = int64(len(zeros))
			}
			pieces := net.Buffers{zeros[:n]}
			if first {
				pieces = net.Buffers{head, zeros[:n]}
			}
			if _, err := pieces.WriteTo(conn); err != nil {
				return err
			}
			size -= n
		}
		return nil
	case "POST", "PATCH":
		if strings.Contains(path, "digest=") {
			break
		}
		_, err := conn.Write([]byte("HTTP/1.1 202 Accepted\r\nLocation: /v2/null/blobs/uploads/1\r\n" + empty))
		return err
	}
	_, err := conn.Write([]byte("HTTP/1.1 201 Created\r\n" + empty))
	return err
}
