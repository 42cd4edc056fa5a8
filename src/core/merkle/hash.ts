/**
 * The two hashes of a Merkle tree. Leaves and nodes are hashed under different first bytes, so that nobody can pass
 * a node off as an entry.
 * @see RFC 9162 section 2.1.1
 */
import { sha256 } from "@noble/hashes/sha2.js";

/** Bytes of every hash here. */
export const HASH_BYTES = 32;

/** Any byte string: entries and hashes alike. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** SHA-256. A host's own is several times faster than ours in JavaScript, where many hashes are to be made. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

/**
 * Hashes an entry.
 *
 * @param entry the entry's exact bytes
 * @returns SHA-256 of `00 || entry`
 */
export function leafHash(entry: Uint8Array, hash: Sha256 = sha256): Bytes {
  const bytes = new Uint8Array(1 + entry.length);
  bytes.set(entry, 1);
  return own(hash(bytes));
}

/**
 * Hashes two neighbouring subtrees into their parent.
 *
 * @returns SHA-256 of `01 || left || right`
 */
export function nodeHash(left: Uint8Array, right: Uint8Array, hash: Sha256 = sha256): Bytes {
  const bytes = new Uint8Array(1 + left.length + right.length);
  bytes[0] = 1;
  bytes.set(left, 1);
  bytes.set(right, 1 + left.length);
  return own(hash(bytes));
}

/** The root of a tree without entries: SHA-256 of nothing. */
export function emptyRoot(): Bytes {
  return own(sha256(new Uint8Array()));
}

/** Compares two hashes. Both are public, so this takes no care of time. */
export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** The library's type does not say that its buffer is nobody else's; that of a fresh digest is. */
function own(digest: Uint8Array): Bytes {
  return digest.buffer instanceof ArrayBuffer
    ? new Uint8Array(digest.buffer, digest.byteOffset, digest.length)
    : Uint8Array.from(digest);
}
