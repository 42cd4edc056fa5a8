// A guest as a Go vendor writes one with the standard toolchain alone: a wasip1 reactor whose exports follow the
// canonical ABI by hand, adapted to a component afterwards.
package main

import (
	"fmt"
	"os"
	"time"
)

var started = time.Now()

func init() {
	if len(os.Args) > 99 {
		fmt.Println("never")
	}
}

//go:wasmexport guests:probe/small@0.1.0#now
func now() uint64 { return uint64(time.Now().Unix()) }

//go:wasmexport guests:probe/small@0.1.0#nap
func nap(ms uint32) uint64 {
	before := time.Now()
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return uint64(time.Since(before).Milliseconds())
}

//go:wasmexport guests:probe/small@0.1.0#environment
func environment() uint32 { return uint32(len(os.Environ())) }

//go:wasmexport guests:probe/small@0.1.0#quit
func quit(code uint32) { os.Exit(int(code)) }

//go:wasmexport guests:probe/small@0.1.0#goroutines
func goroutines(count uint32) uint64 {
	results := make(chan uint64)
	for i := range count {
		go func() { results <- uint64(i) }()
	}
	total := uint64(0)
	for range count {
		total += <-results
	}
	return total
}

func main() {}
