/** A tree written as the definition says it, slowly: what the code is held against. */
import { type Bytes, emptyRoot, leafHash, nodeHash } from "../../../src/core/merkle/index.ts";

/** Entry number `n` of every test tree. */
export function entryOf(n: number): Bytes {
  return new TextEncoder().encode(`entry ${n}`);
}

/** MTH of RFC 9162 section 2.1.1, over leaf hashes. */
export function definedRoot(leaves: readonly Bytes[]): Bytes {
  const [first] = leaves;
  if (first === undefined) return emptyRoot();
  if (leaves.length === 1) return first;
  let middle = 1;
  while (middle * 2 < leaves.length) middle *= 2;
  return nodeHash(definedRoot(leaves.slice(0, middle)), definedRoot(leaves.slice(middle)));
}

/** Leaf hashes of the first `size` entries. */
export function leavesOf(size: number): readonly Bytes[] {
  return Array.from({ length: size }, (_, n) => leafHash(entryOf(n)));
}

/** Reads nodes of a tree by the definition. */
export function nodesOf(leaves: readonly Bytes[]): (level: number, index: number) => Bytes {
  return (level, index) => definedRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level));
}
