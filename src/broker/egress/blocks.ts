/**
 * Blocks of memory that bodies pass through, used again and again. Bytes that lie a while in memory of their own (a
 * socket makes 64 KiB for each read) outlive the cheap collections, and what is left is dear: they are copied once
 * instead. And V8 collects everything whenever some 64 MB of buffers were made, used or not; so a run that ends leaves
 * its blocks to those that come after it.
 *
 * INVARIANT: a block belongs to one run at a time. It is taken back once for each time that it was given out, and by the
 * run that it was given to; one that never comes back is the collector's. What one run leaves to another is overwritten
 * between the two.
 */

/** Bytes of a block. */
export const BLOCK_BYTES = 64 * 1024;
/** Blocks that a run keeps for what it reads next. */
const MOST_KEPT = 8;
/** Blocks that wait for a run, of all that have ended: 64 of them may have held eight each. */
const MOST_LEFT = 512;

/** Blocks that ended runs have left. */
export class BlockReserve {
  readonly #left: Uint8Array[] = [];

  /** @returns a block of zeros, which is nobody else's */
  take(): Uint8Array {
    return this.#left.pop()?.fill(0) ?? new Uint8Array(BLOCK_BYTES);
  }

  /** Keeps a block that nobody looks at any more. */
  leave(block: Uint8Array): void {
    if (this.#left.length < MOST_LEFT) this.#left.push(block);
  }
}

/** The blocks of one run. */
export class Blocks {
  readonly #reserve: BlockReserve;
  readonly #kept: Uint8Array[] = [];
  /** Given out and not taken back. */
  readonly #out = new Set<ArrayBufferLike>();
  #ended = false;

  constructor(reserve: BlockReserve = new BlockReserve()) {
    this.#reserve = reserve;
  }

  /** @returns a whole block, whatever is in it of this run's */
  take(): Uint8Array {
    const block = this.#kept.pop() ?? this.#reserve.take();
    this.#out.add(block.buffer);
    return block;
  }

  /** Takes back what lies in blocks, and nothing else. Nobody looks at it any more. */
  give(pieces: readonly Uint8Array[]): void {
    for (const { buffer } of pieces) {
      if (!this.#out.delete(buffer)) continue;
      const block = new Uint8Array(buffer);
      if (this.#ended || this.#kept.length >= MOST_KEPT) this.#reserve.leave(block);
      else this.#kept.push(block);
    }
  }

  /** The run has ended: leaves what it has, and what still comes back. Idempotent. */
  end(): void {
    this.#ended = true;
    for (const block of this.#kept.splice(0)) this.#reserve.leave(block);
  }
}
