package main

// How much of what was pushed is looked at afterwards.
const (
	pulledAgain = 24
	bytesAgain  = 256 << 20
	askedAgain  = 200
)

// check pulls some of what the clients have pushed, evenly out of all, and asks for more of it: the answer is how many.
func check(clients []*client) (int, error) {
	var all []pushed
	for _, c := range clients {
		all = append(all, c.pushed...)
	}
	c := clients[0]
	done := 0
	bytes := int64(0)
	for _, thing := range evenly(all, pulledAgain) {
		if bytes += thing.size; bytes > bytesAgain && done >= 2 {
			break
		}
		again := Request{Method: "GET", Path: thing.path, More: thing.more, Status: 200, Length: thing.size, Digest: thing.digest}
		if err := again.run(c, true); err != nil {
			return done, lost{err}
		}
		done++
	}
	for _, thing := range evenly(all, askedAgain) {
		again := Request{Method: "HEAD", Path: thing.path, More: thing.more, Status: 200, Length: thing.size}
		if err := again.run(c, false); err != nil {
			return done, lost{err}
		}
		done++
	}
	return done, nil
}

func evenly(all []pushed, most int) []pushed {
	if len(all) <= most {
		return all
	}
	some := make([]pushed, most)
	for n := range some {
		some[n] = all[n*(len(all)-1)/(most-1)]
	}
	return some
}

// lost is something that was pushed and isn't there as it was.
type lost struct{ error }

func (l lost) Error() string { return "of what was pushed: " + l.error.Error() }

func (l lost) Unwrap() error { return l.error }
