package main

import "unsafe"

// Memory for the adapter, which asks before Go's runtime is up, and takes some of its own where nobody answers: Go would
// take that for its own too, and a program that starts some sixty goroutines at once ends in the adapter's assertion.

//go:linkname sbrk runtime.sbrk
func sbrk(bytes uintptr) unsafe.Pointer

//go:wasmexport cabi_realloc
func cabiRealloc(_ unsafe.Pointer, _, align, bytes uintptr) unsafe.Pointer {
	at := uintptr(sbrk(bytes + align))
	return unsafe.Pointer((at + align - 1) &^ (align - 1))
}
