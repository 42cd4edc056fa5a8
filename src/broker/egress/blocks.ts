/**
 * Blocks of memory that bodies pass through, used again by the same run. Bytes that lie a while in memory of their own
 * (a socket makes 64 KiB for each read) outlive the cheap collections, and what is left is dear: they are copied once
 * instead.
 *
 * INVARIANT: the blocks of one run hold bytes of no other, whatever is done wrong with them.
 */

/** Bytes of a block. */
export const BLOCK_BYTES = 64 * 1024;
/** Blocks that a run keeps for what it reads next. */
const MOST_KEPT = 8;

/** The blocks of one run. */
export class Blocks {
  readonly #kept: Uint8Array[] = [];

  /** @returns a whole block, whatever is in it */
  take(): Uint8Array {
    return this.#kept.pop() ?? new Uint8Array(BLOCK_BYTES);
  }

  /** Takes back what lies in blocks, and nothing else. Nobody looks at it any more, and it is given back once. */
  give(pieces: readonly Uint8Array[]): void {
    for (const { buffer } of pieces) {
      if (buffer.byteLength === BLOCK_BYTES && this.#kept.length < MOST_KEPT)
        this.#kept.push(new Uint8Array(buffer));
    }
  }
}
