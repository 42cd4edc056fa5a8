// A guest as a Go vendor writes one without any component tooling: a wasip1 command, adapted afterwards.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"time"
)

func main() {
	fmt.Println("hello from go", rand.Int()%1 == 0, time.Now().Year() > 2020, len(os.Args), len(os.Environ()))
	before := time.Now()
	time.Sleep(20 * time.Millisecond)
	fmt.Println("slept", time.Since(before) >= 20*time.Millisecond)
	_, err := os.ReadFile("/etc/passwd")
	fmt.Println(err)
	done := make(chan int)
	go func() { done <- 42 }()
	fmt.Println(<-done)
	if len(os.Args) > 5 {
		os.Exit(3)
	}
}
