package main

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// Beside are clients that keep the server busy while others are timed.
type Beside struct {
	Kind       string // "read" all the time, or "slow-read" and "slow-send" one block a second
	Count      int
	Path       string // that is read
	Repository string // that is sent to
	Size       int64
}

const slowBlock = 64 << 10

// startBeside starts them, and gives them a moment to be under way. The answer stops them, and says what went wrong.
func startBeside(target *Target, wanted []Beside) (func() error, error) {
	quit := make(chan struct{})
	failed := &failure{}
	var group sync.WaitGroup
	var clients []*client
	for _, beside := range wanted {
		for n := 0; n < beside.Count; n++ {
			c := newClient(target, n)
			c.deadline = time.Now().Add(10 * patience)
			if err := c.connect(); err != nil {
				return nil, err
			}
			clients = append(clients, c)
			group.Add(1)
			go func(beside Beside, c *client) {
				defer group.Done()
				if err := beside.run(c, quit); err != nil {
					select {
					case <-quit: // its connection was closed from here
					default:
						failed.set(fmt.Errorf("beside: %w", err))
					}
				}
			}(beside, c)
		}
	}
	if len(wanted) > 0 {
		time.Sleep(300 * time.Millisecond)
	}
	var once sync.Once
	return func() error {
		once.Do(func() {
			close(quit)
			for _, c := range clients {
				if c.conn != nil {
					c.conn.SetDeadline(time.Unix(1, 0))
				}
			}
			group.Wait()
			for _, c := range clients {
				c.close()
			}
		})
		return failed.err
	}, nil
}

func (b *Beside) run(c *client, quit chan struct{}) error {
	switch b.Kind {
	case "read":
		request := &Request{Method: "GET", Path: b.Path, Status: 200, Length: b.Size}
		for {
			select {
			case <-quit:
				return nil
			default:
			}
			if err := request.run(c, false); err != nil {
				return err
			}
		}
	case "slow-read":
		if socket, ok := c.conn.(*net.TCPConn); ok {
			socket.SetReadBuffer(slowBlock)
		}
		if _, err := c.conn.Write([]byte(c.head("GET", b.Path, "") + "\r\n")); err != nil {
			return err
		}
		block := make([]byte, slowBlock)
		for {
			if n, err := c.conn.Read(block); n == 0 {
				return err
			}
			if pause(quit) {
				return nil
			}
		}
	case "slow-send":
		location, err := c.open(b.Repository)
		if err != nil {
			return err
		}
		head := c.head("PATCH", location, bytesType+"Content-Length: "+strconv.FormatInt(b.Size, 10)+"\r\n")
		if _, err := c.conn.Write([]byte(head + "\r\n")); err != nil {
			return err
		}
		block := make([]byte, slowBlock)
		for {
			if _, err := c.conn.Write(block); err != nil {
				return err
			}
			if pause(quit) {
				return nil
			}
		}
	}
	return fmt.Errorf("bad job: nobody is called %q", b.Kind)
}

// pause waits a second; true if it is time to end.
func pause(quit chan struct{}) bool {
	select {
	case <-quit:
		return true
	case <-time.After(time.Second):
		return false
	}
}
