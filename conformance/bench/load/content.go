package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
)

// tailSize is how many bytes at the end make a content unique.
const tailSize = 32

// content makes bodies of one size that nobody has pushed before, and their digests, at next to no cost: all are the
// same random bytes, which were hashed once, and a tail of their own.
type content struct {
	body   []byte
	hashed []byte // the state of the hash after the body
	nonce  [8]byte
}

var contents = map[int64]*content{}

// contentOf is not to be called by two at a time: prepareContent does it for all sizes of a job.
func contentOf(size int64) *content {
	if made := contents[size]; made != nil {
		return made
	}
	key := make([]byte, 16)
	rand.Read(key)
	made := &content{body: make([]byte, size-tailSize)}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	cipher.NewCTR(block, key).XORKeyStream(made.body, made.body)
	copy(made.nonce[:], key[8:])
	sum := sha256.New()
	sum.Write(made.body)
	if made.hashed, err = sum.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		panic(err)
	}
	contents[size] = made
	return made
}

func prepareContent(operations []Operation) {
	for _, operation := range operations {
		if operation.Push != nil {
			operation.Push.content = contentOf(operation.Push.Size)
		}
		if operation.Image != nil {
			operation.Image.content = contentOf(operation.Image.Layer)
		}
	}
}

// unique is a new body: the shared bytes and a tail, and their digest.
func (t *content) unique(c *client) (tail []byte, digest string) {
	c.count++
	tail = []byte(fmt.Sprintf("%x%08x%08x", t.nonce[:], c.number, c.count))
	sum := sha256.New()
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(t.hashed); err != nil {
		panic(err)
	}
	sum.Write(tail)
	return tail, "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// cut is what lies between two places of a body with its tail, without copying.
func (t *content) cut(tail []byte, from, to int64) [][]byte {
	split := int64(len(t.body))
	var pieces [][]byte
	if from < split {
		end := to
		if end > split {
			end = split
		}
		pieces = append(pieces, t.body[from:end])
		from = end
	}
	if from < to {
		pieces = append(pieces, tail[from-split:to-split])
	}
	return pieces
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}
