package main

import (
	"fmt"
	"strings"
)

// Push is a blob that nobody has pushed before.
type Push struct {
	Repository string
	Size       int64
	Style      string // "whole" (POST, PUT), "single" (one POST), "chunks" (POST, PATCHes, PUT), "streamed" (one PATCH)
	Piece      int64  // size of a chunk
	content    *content
}

// streamPiece is what clients written in Go send as one chunk of the transfer coding.
const streamPiece = 32 << 10

const bytesType = "Content-Type: application/octet-stream\r\n"

// pushed is what a server said it had stored.
type pushed struct {
	path   string
	more   string
	digest string
	size   int64
}

func (p *Push) run(c *client) error {
	tail, digest := p.content.unique(c)
	uploads := "/v2/" + p.Repository + "/blobs/uploads/"
	if p.Style == "single" {
		got, err := c.send("POST", uploads+"?digest="+digest, bytesType, p.content.body, tail)
		if err != nil {
			return err
		}
		if got.status == 202 {
			return notOffered("POST " + uploads + "?digest=… answered 202: it opens an upload and stores nothing")
		}
		if got.status != 201 {
			return unexpected("POST", uploads, got)
		}
		c.stored(p.Repository, digest, p.Size)
		return nil
	}
	location, err := c.open(p.Repository)
	if err != nil {
		return err
	}
	switch p.Style {
	case "whole":
		return c.finish(p.Repository, location, digest, p.Size, p.content.body, tail)
	case "streamed":
		location, err = c.stream(location, p.content, tail)
	case "chunks":
		for from := int64(0); err == nil && from < p.Size; from += p.Piece {
			to := from + p.Piece
			if to > p.Size {
				to = p.Size
			}
			more := bytesType + fmt.Sprintf("Content-Range: %d-%d\r\n", from, to-1)
			location, err = c.patch(location, more, p.content.cut(tail, from, to))
		}
	default:
		err = fmt.Errorf("bad job: no way to push is called %q", p.Style)
	}
	if err != nil {
		return err
	}
	return c.finish(p.Repository, location, digest, p.Size)
}

// open starts an upload; the answer is where it goes on.
func (c *client) open(repository string) (string, error) {
	path := "/v2/" + repository + "/blobs/uploads/"
	got, err := c.send("POST", path, "")
	if err != nil {
		return "", err
	}
	if got.status != 202 {
		return "", unexpected("POST", path, got)
	}
	return local("POST "+bare(path), got.location)
}

func (c *client) patch(location, more string, body [][]byte) (string, error) {
	got, err := c.send("PATCH", location, more, body...)
	if err != nil {
		return "", err
	}
	return next(location, got)
}

func next(location string, got *answer) (string, error) {
	if got.status != 202 {
		return "", unexpected("PATCH", location, got)
	}
	if got.location == "" {
		return location, nil
	}
	return local("PATCH "+bare(location), got.location)
}

// stream sends a whole body in one PATCH of unknown length, as docker does.
func (c *client) stream(location string, body *content, tail []byte) (string, error) {
	size := int64(len(body.body) + len(tail))
	head := c.head("PATCH", location, bytesType+"Transfer-Encoding: chunked\r\n") + "\r\n"
	pieces := make([][]byte, 0, 4*(size/streamPiece+2))
	pieces = append(pieces, []byte(head))
	for from := int64(0); from < size; from += streamPiece {
		to := from + streamPiece
		if to > size {
			to = size
		}
		pieces = append(pieces, []byte(fmt.Sprintf("%x\r\n", to-from)))
		pieces = append(pieces, body.cut(tail, from, to)...)
		pieces = append(pieces, []byte("\r\n"))
	}
	pieces = append(pieces, []byte("0\r\n\r\n"))
	c.bytes += size
	got, err := c.exchange(pieces, false, nil)
	if err != nil {
		return "", fmt.Errorf("PATCH %s: %w", bare(location), err)
	}
	return next(location, got)
}

// finish closes an upload, with the whole body or with nothing.
func (c *client) finish(repository, location, digest string, size int64, body ...[]byte) error {
	mark := "?"
	if strings.Contains(location, "?") {
		mark = "&"
	}
	more := ""
	if len(body) > 0 {
		more = bytesType
	}
	got, err := c.send("PUT", location+mark+"digest="+digest, more, body...)
	if err != nil {
		return err
	}
	if got.status != 201 {
		return unexpected("PUT", location, got)
	}
	c.stored(repository, digest, size)
	return nil
}

func (c *client) stored(repository, digest string, size int64) {
	c.pushed = append(c.pushed, pushed{"/v2/" + repository + "/blobs/" + digest, "", digest, size})
}

// local is a Location as the path that it has on this server.
func local(request, location string) (string, error) {
	if rest := strings.SplitN(location, "://", 2); len(rest) == 2 {
		slash := strings.IndexByte(rest[1], '/')
		if slash < 0 {
			return "", fmt.Errorf("%s: Location %q", request, location)
		}
		location = rest[1][slash:]
	}
	if !strings.HasPrefix(location, "/") {
		return "", fmt.Errorf("%s: Location %q", request, location)
	}
	return location, nil
}

func unexpected(method, path string, got *answer) error {
	if got.status >= 300 && got.status < 400 {
		return fmt.Errorf("%s %s: answered %d: redirects are not followed", method, bare(path), got.status)
	}
	return fmt.Errorf("%s %s: answered %d", method, bare(path), got.status)
}

// bare is a path without its query, which some servers keep whole states in.
func bare(path string) string { return strings.SplitN(path, "?", 2)[0] }
