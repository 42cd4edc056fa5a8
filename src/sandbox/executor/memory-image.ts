/**
 * What a memory holds, without the zeroes; and a memory made that again. Zeroes are half of an engine's memory: to write
 * them takes a fraction of what copying them would, and to keep them takes nothing. (To compare first and write only what
 * differs, in JavaScript or in WebAssembly, takes longer than either.)
 */
import type { ImageRun } from "./image.ts";

/** The bytes of a memory. */
export interface MemoryContent {
  /** In the order of their places; all else is zero. */
  readonly runs: readonly ImageRun[];
  /** The bytes of all runs, one after another. */
  readonly image: Uint8Array;
}

/** Pieces that are looked at: a page of the system's. A WebAssembly memory is a multiple of it. */
const PIECE_BYTES = 4096;

/** What a memory holds now. */
export function contentOf(memory: WebAssembly.Memory): MemoryContent {
  const bytes = new Uint8Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const runs: { at: number; bytes: number }[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    if (isZero(words, at / 4)) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.at + last.bytes === at) last.bytes += PIECE_BYTES;
    else runs.push({ at, bytes: PIECE_BYTES });
  }
  const image = new Uint8Array(runs.reduce((sum, run) => sum + run.bytes, 0));
  let to = 0;
  for (const run of runs) {
    image.set(bytes.subarray(run.at, run.at + run.bytes), to);
    to += run.bytes;
  }
  return { runs, image };
}

function isZero(words: Uint32Array, from: number): boolean {
  let seen = 0;
  for (let at = from; at < from + PIECE_BYTES / 4; at += 1) seen |= words[at] ?? 0;
  return seen === 0;
}

/** Writes what is not zero into a new memory. */
export function fill(memory: WebAssembly.Memory, { runs, image }: MemoryContent): void {
  const bytes = new Uint8Array(memory.buffer);
  let from = 0;
  for (const run of runs) {
    bytes.set(image.subarray(from, from + run.bytes), run.at);
    from += run.bytes;
  }
}

/** Writes every byte of a memory: it holds this, and nothing else. */
export function refill(memory: WebAssembly.Memory, content: MemoryContent): void {
  const bytes = new Uint8Array(memory.buffer);
  let end = 0;
  for (const run of content.runs) {
    bytes.fill(0, end, run.at);
    end = run.at + run.bytes;
  }
  bytes.fill(0, end);
  fill(memory, content);
}
