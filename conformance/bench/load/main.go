// Command load is the client of registry-bench: it puts one server under the load that a job describes.
//
// The job is a line of JSON on standard input. It answers with the lines "begin" and "end" around what is timed, each
// of which waits for a line in return, so that the server's CPU can be read in between, and with the result as JSON.
// "load null" is the server that does nothing, which shows what the client itself can reach.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	if len(os.Args) == 2 && os.Args[1] == "null" {
		if err := serveNull(lines); err != nil {
			fail(err)
		}
		return
	}
	text, err := lines.ReadBytes('\n')
	if err != nil {
		fail(fmt.Errorf("no job: %w", err))
	}
	var job Job
	if err := json.Unmarshal(text, &job); err != nil {
		fail(fmt.Errorf("bad job: %w", err))
	}
	// The other half of the machine is the server's; a thread that need not be woken costs the least.
	runtime.GOMAXPROCS((runtime.NumCPU() + 1) / 2)
	debug.SetGCPercent(400)
	result := job.run(func(word string) {
		fmt.Println(word)
		lines.ReadBytes('\n')
	})
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
