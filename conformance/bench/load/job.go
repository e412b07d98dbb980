package main

import (
	"errors"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long a server may take beyond the time of the job.
const patience = 60 * time.Second

// Job says what to do to one server.
type Job struct {
	Target
	Connections int
	Seconds     float64
	Count       int // operations altogether, instead of seconds
	Operations  []Operation
	Beside      []Beside
	Unchecked   bool // pull nothing of what was pushed: the server keeps nothing
}

// Operation is what a client does in a row and is timed as one. One of its fields is set.
type Operation struct {
	Requests []*Request
	Push     *Push
	Image    *Image
	Referrer *Referrer
}

func (o Operation) run(c *client) error {
	switch {
	case o.Push != nil:
		return o.Push.run(c)
	case o.Image != nil:
		return o.Image.run(c)
	case o.Referrer != nil:
		return o.Referrer.run(c)
	}
	for _, request := range o.Requests {
		if err := request.run(c, false); err != nil {
			return err
		}
	}
	return nil
}

// Result is what came of a job. Rates are for a second; the times are those of operations, in milliseconds.
type Result struct {
	Operations int64   `json:"operations"`
	Requests   int64   `json:"requests"`
	Bytes      int64   `json:"bytes"`
	Seconds    float64 `json:"seconds"`
	Rate       Rate    `json:"rate"`
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	Checked    int     `json:"checked"` // pushed things that were pulled again
	Wrong      string  `json:"wrong"`
	Reason     string  `json:"reason"` // why the server does not offer this
}

// Rate is the sum of what each client did in its own time, which ends with its last operation.
type Rate struct {
	Operations float64 `json:"operations"`
	Requests   float64 `json:"requests"`
	Bytes      float64 `json:"bytes"`
}

// notOffered is an answer that says that the server doesn't do such a thing.
type notOffered string

func (n notOffered) Error() string { return string(n) }

// failure keeps the first error of all clients and stops the others.
type failure struct {
	once sync.Once
	err  error
	flag int32
}

func (f *failure) set(err error) {
	f.once.Do(func() {
		f.err = err
		atomic.StoreInt32(&f.flag, 1)
	})
}

func (f *failure) happened() bool { return atomic.LoadInt32(&f.flag) != 0 }

func (j *Job) run(say func(string)) *Result {
	result := &Result{}
	if err := j.measure(result, say); err != nil {
		var not notOffered
		if errors.As(err, &not) {
			result.Reason = oneLine(err)
		} else {
			result.Wrong = oneLine(err)
		}
	}
	return result
}

func (j *Job) measure(result *Result, say func(string)) error {
	prepareContent(j.Operations)
	clients := make([]*client, j.Connections)
	for number := range clients {
		clients[number] = newClient(&j.Target, number)
		defer clients[number].close()
	}
	// The first answer of every client is checked by its digest, before the time is taken.
	if err := all(clients, j.first); err != nil {
		return err
	}
	stop, err := startBeside(&j.Target, j.Beside)
	if err != nil {
		return err
	}
	defer stop()
	for _, c := range clients {
		c.requests, c.bytes = 0, 0
	}
	say("begin")
	begun := time.Now()
	err = all(clients, j.timed(begun))
	result.Seconds = time.Since(begun).Seconds()
	say("end")
	if err == nil {
		err = stop()
	}
	if err != nil {
		return err
	}
	result.count(clients)
	if err := all(clients[:1], j.verified); err != nil {
		return err
	}
	if !j.Unchecked {
		result.Checked, err = check(clients)
	}
	return err
}

// first is what each client does untimed: each request with its digest checked, and one push.
func (j *Job) first(c *client, _ *failure) error {
	if err := j.verified(c, nil); err != nil || j.Count > 0 {
		return err
	}
	for _, operation := range j.Operations {
		if operation.Requests == nil {
			return operation.run(c)
		}
	}
	return nil
}

// verified does each different request once, with digests checked.
func (j *Job) verified(c *client, _ *failure) error {
	c.deadlineFrom(time.Now())
	done := map[Request]bool{}
	for _, operation := range j.Operations {
		for _, request := range operation.Requests {
			if done[*request] {
				continue
			}
			done[*request] = true
			if err := request.run(c, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *Job) timed(begun time.Time) func(*client, *failure) error {
	limit := time.Duration(j.Seconds * float64(time.Second))
	var given int64
	return func(c *client, failed *failure) error {
		c.deadlineFrom(begun.Add(limit))
		c.times = make([]time.Duration, 0, 1<<16)
		index := c.number * len(j.Operations) / j.Connections
		before := time.Duration(0)
		for !failed.happened() {
			if j.Count > 0 {
				if atomic.AddInt64(&given, 1) > int64(j.Count) {
					break
				}
			} else if before >= limit {
				break
			}
			if err := j.Operations[index%len(j.Operations)].run(c); err != nil {
				return err
			}
			index++
			now := time.Since(begun)
			c.times = append(c.times, now-before)
			before = now
		}
		c.elapsed = before
		return nil
	}
}

// all runs a step of every client at the same time; the first error ends it.
func all(clients []*client, step func(*client, *failure) error) error {
	var group sync.WaitGroup
	failed := &failure{}
	for _, c := range clients {
		group.Add(1)
		go func(c *client) {
			defer group.Done()
			if err := step(c, failed); err != nil {
				failed.set(err)
			}
		}(c)
	}
	group.Wait()
	return failed.err
}

func (r *Result) count(clients []*client) {
	var times []time.Duration
	for _, c := range clients {
		r.Operations += int64(len(c.times))
		r.Requests += c.requests
		r.Bytes += c.bytes
		times = append(times, c.times...)
		if seconds := c.elapsed.Seconds(); seconds > 0 {
			r.Rate.Operations += float64(len(c.times)) / seconds
			r.Rate.Requests += float64(c.requests) / seconds
			r.Rate.Bytes += float64(c.bytes) / seconds
		}
	}
	if len(times) == 0 {
		return
	}
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	at := func(part float64) float64 {
		return float64(times[int(part*float64(len(times)-1))]) / float64(time.Millisecond)
	}
	r.P50, r.P99 = at(0.50), at(0.99)
}

func oneLine(err error) string {
	text := []rune(strings.Join(strings.Fields(err.Error()), " "))
	if len(text) > 300 {
		text = text[:300]
	}
	return string(text)
}
