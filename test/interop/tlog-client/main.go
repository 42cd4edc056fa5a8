// Reads an exported log as anybody can who has its key: over HTTP from any web server, with another project's client.
//
// Usage: tlog-client <base URL> <verifier key>; prints how many entries it authenticated.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	entries, err := read(context.Background(), os.Args[1], os.Args[2])
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
	fmt.Println("authenticated", entries, "entries")
}

func read(ctx context.Context, base, key string) (int64, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return 0, err
	}
	response, err := http.Get(base + "checkpoint")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	signed, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return 0, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return 0, err
	}
	checkpoint, err := torchwood.ParseCheckpoint(opened.Text)
	if err != nil {
		return 0, err
	}
	fetcher, err := torchwood.NewTileFetcher(base)
	if err != nil {
		return 0, err
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return 0, err
	}
	var count int64
	for range client.AllEntries(ctx, checkpoint.Tree, 0) {
		count++
	}
	if err := client.Err(); err != nil {
		return 0, err
	}
	if count != checkpoint.N {
		return 0, fmt.Errorf("%d entries of %d", count, checkpoint.N)
	}
	// A proof by itself, of the entry in the middle.
	if _, _, err := client.Entry(ctx, checkpoint.Tree, count/2); err != nil {
		return 0, err
	}
	return count, nil
}
