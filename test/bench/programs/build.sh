#!/bin/sh
# Builds the programs of the benchmarks, and a guest of a test. Only needed when a source changes: the modules are kept beside them.
set -e
cd "$(dirname "$0")"
for name in kernels hashes fetch bodies; do
  clang --target=wasm32 -O2 -nostdlib -ffreestanding -Wl,--no-entry -Wl,--strip-debug -o "$name.wasm" "$name.c"
done
