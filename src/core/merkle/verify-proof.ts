/**
 * Verification of Merkle proofs. Everything that comes in may be an attacker's: sizes and indices up to 2^64 - 1 (hence
 * bigints), hashes of any length and number. Whatever is not exactly a proof is none.
 * @see RFC 9162 sections 2.1.3.2 and 2.1.4.2
 */
import { type Bytes, HASH_BYTES, nodeHash, type Sha256, sameBytes } from "./hash.ts";

/** Sizes and indices are 64 bit numbers in every format that carries them. */
const MAX_SIZE = 2n ** 64n - 1n;
/** No path in a tree of such a size is longer; a longer one is refused before it is hashed. */
const MAX_PATH = 64;

/** What an inclusion proof claims. */
export interface InclusionClaim {
  /** Of the entry, from 0. */
  readonly index: bigint;
  /** Entries in the tree; a tree without entries proves nothing. */
  readonly size: bigint;
  /** {@link leafHash} of the entry. */
  readonly leaf: Uint8Array;
  /** Hashes beside the way from the leaf to the root, lowest first. */
  readonly path: readonly Uint8Array[];
}

/** What a consistency proof claims: that the smaller tree is how the larger one began. */
export interface ConsistencyClaim {
  readonly oldSize: bigint;
  readonly oldRoot: Uint8Array;
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/**
 * Computes the root that an inclusion proof leads to.
 *
 * @returns the root, to be compared with a signed one; undefined when this is no proof at all
 */
export function rootFromInclusion(
  { index, size, leaf, path }: InclusionClaim,
  sha256?: Sha256,
): Bytes | undefined {
  if (size < 1n || size > MAX_SIZE || index < 0n || index >= size) return undefined;
  if (leaf.length !== HASH_BYTES || !areHashes(path)) return undefined;
  let [fn, sn] = [index, size - 1n];
  let root: Bytes = Uint8Array.from(leaf);
  for (const hash of path) {
    if (sn === 0n) return undefined;
    if ((fn & 1n) === 1n || fn === sn) {
      root = nodeHash(hash, root, sha256);
      // The levels at which this node is the last one and has no sibling.
      while ((fn & 1n) === 0n && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else {
      root = nodeHash(root, hash, sha256);
    }
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n ? root : undefined;
}

/**
 * Says whether an inclusion proof holds.
 *
 * @param root that of the tree, from a source the verifier believes
 */
export function verifyInclusion(claim: InclusionClaim, root: Uint8Array, sha256?: Sha256): boolean {
  const computed = rootFromInclusion(claim, sha256);
  return computed !== undefined && sameBytes(computed, root);
}

/**
 * Says whether one tree is a prefix of another: nothing of the smaller one was changed, moved or taken away.
 *
 * @returns false for sizes of 0: an empty tree is a prefix of everything and proves nothing
 */
export function verifyConsistency({ oldSize, oldRoot, size, root, path }: ConsistencyClaim): boolean {
  if (oldSize < 1n || oldSize > size || size > MAX_SIZE) return false;
  if (!areHashes([oldRoot, root]) || !areHashes(path)) return false;
  if (oldSize === size) return path.length === 0 && sameBytes(oldRoot, root);
  let [fn, sn] = [oldSize - 1n, size - 1n];
  while ((fn & 1n) === 1n) [fn, sn] = [fn >> 1n, sn >> 1n];
  // A smaller tree that is perfect is a node of the larger one, and its root is known already.
  const [first, ...rest] = fn === 0n ? [oldRoot, ...path] : path;
  if (first === undefined) return false;
  let [oldHash, hash] = [Uint8Array.from(first), Uint8Array.from(first)];
  for (const sibling of rest) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      oldHash = nodeHash(sibling, oldHash);
      hash = nodeHash(sibling, hash);
      while ((fn & 1n) === 0n && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n && sameBytes(oldHash, oldRoot) && sameBytes(hash, root);
}

function areHashes(path: readonly Uint8Array[]): boolean {
  return path.length <= MAX_PATH && path.every(({ length }) => length === HASH_BYTES);
}
