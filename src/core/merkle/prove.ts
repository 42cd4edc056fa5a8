/**
 * Proofs, made from whatever knows the hashes of perfect subtrees: a store, a folder of tiles, a test. Sizes are our
 * own, so plain numbers do.
 * @see RFC 9162 sections 2.1.3.1 and 2.1.4.1
 */
import { type Bytes, emptyRoot, nodeHash } from "./hash.ts";

/**
 * Hash of the perfect subtree over entries `[index * 2^level, (index + 1) * 2^level)`. Only asked for subtrees that are
 * whole in the tree at hand; throws when it can not tell.
 */
export type ReadNode = (level: number, index: number) => Uint8Array;

/** Above it `Math.log2` rounds up. At 10,000 entries a second it is reached in 890 years. */
const MAX_SIZE = 2 ** 48;

/** @returns the root of the tree of the first `size` entries */
export function rootOf(size: number, readNode: ReadNode): Bytes {
  return size === 0 ? emptyRoot() : subtreeHash(0, size, readNode);
}

/**
 * Proves that an entry is in a tree.
 *
 * @param index of the entry, below `size`
 * @returns hashes, lowest first; about log2(size) of them
 * @throws {RangeError} when there is no such entry
 */
export function proveInclusion(index: number, size: number, readNode: ReadNode): readonly Bytes[] {
  if (!(Number.isInteger(index) && index >= 0 && index < size && size <= MAX_SIZE)) {
    throw new RangeError(`Cannot prove inclusion: entry ${index} is not in a tree of ${size}`);
  }
  const path: Bytes[] = [];
  let [from, until] = [0, size];
  while (until - from > 1) {
    const middle = from + largestPowerBelow(until - from);
    const left = index < middle;
    path.push(left ? subtreeHash(middle, until, readNode) : subtreeHash(from, middle, readNode));
    [from, until] = left ? [from, middle] : [middle, until];
  }
  return path.reverse();
}

/**
 * Proves that a tree began as a smaller one.
 *
 * @param oldSize 1 to `size`
 * @throws {RangeError} when it is not
 */
export function proveConsistency(oldSize: number, size: number, readNode: ReadNode): readonly Bytes[] {
  if (!(Number.isInteger(oldSize) && oldSize >= 1 && oldSize <= size && size <= MAX_SIZE)) {
    throw new RangeError(`Cannot prove consistency: ${oldSize} entries are no beginning of ${size}`);
  }
  const path: Bytes[] = [];
  let [from, until] = [0, size];
  // Whether [from, until) is the smaller tree as a whole, whose root the verifier has.
  let known = true;
  while (oldSize !== until) {
    const middle = from + largestPowerBelow(until - from);
    if (oldSize <= middle) {
      path.push(subtreeHash(middle, until, readNode));
      until = middle;
    } else {
      path.push(subtreeHash(from, middle, readNode));
      from = middle;
      known = false;
    }
  }
  if (!known) path.push(subtreeHash(from, until, readNode));
  return path.reverse();
}

/** Hash over entries `[from, until)`; `from` is a multiple of the next power of two at or above their number. */
function subtreeHash(from: number, until: number, readNode: ReadNode): Bytes {
  const count = until - from;
  const level = Math.floor(Math.log2(count));
  if (2 ** level === count) return Uint8Array.from(readNode(level, from / count));
  const middle = from + largestPowerBelow(count);
  return nodeHash(subtreeHash(from, middle, readNode), subtreeHash(middle, until, readNode));
}

/** Largest power of two below `count`, which is at least 2. */
function largestPowerBelow(count: number): number {
  return 2 ** Math.floor(Math.log2(count - 1));
}
