/** Proofs against forgers, by the definition, and by another project's vectors where they are at hand. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Bytes,
  HASH_BYTES,
  proveConsistency,
  proveInclusion,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from "../../../src/core/merkle/index.ts";
import { definedRoot, leavesOf, nodesOf } from "./tree.ts";

const leaves = leavesOf(70);
const nodes = nodesOf(leaves);
const roots = leaves.map((_, n) => definedRoot(leaves.slice(0, n + 1)));
const rootAt = (size: number): Bytes => roots[size - 1] ?? expect.fail(`no root of ${size}`);
const leafAt = (index: number): Bytes => leaves[index] ?? expect.fail(`no leaf ${index}`);

function flip(bytes: Uint8Array, bit: number): Bytes {
  const flipped = Uint8Array.from(bytes);
  const at = (bit >> 3) % flipped.length;
  flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

describe("verifyInclusion() refuses", () => {
  const [index, size] = [19, 45];
  const path = proveInclusion(index, size, nodes);
  const good = { index: 19n, size: 45n, leaf: leafAt(index), path };
  const root = rootAt(size);

  it("nothing of the honest proof", () => expect(verifyInclusion(good, root)).toBe(true));

  const FORGERIES: readonly (readonly [string, Partial<typeof good>])[] = [
    ["a size of 0", { index: 0n, size: 0n, path: [] }],
    ["an index at the size", { index: 45n }],
    ["an index beyond 2^64", { index: 2n ** 64n, size: 2n ** 64n + 1n }],
    ["a negative index", { index: -1n }],
    ["a negative size", { size: -1n }],
    ["the index of a neighbour", { index: 18n }],
    ["a size that has another path", { size: 32n }],
    ["a size of one more level", { size: 90n }],
    ["the leaf of a neighbour", { leaf: leafAt(18) }],
    ["a leaf that is no hash", { leaf: new Uint8Array(31) }],
    ["a path cut short", { path: path.slice(1) }],
    ["a path cut at its end", { path: path.slice(0, -1) }],
    ["no path", { path: [] }],
    ["a path too long", { path: [...path, root] }],
    ["a path in another order", { path: path.toReversed() }],
    ["a path of a thousand hashes", { path: Array(1000).fill(root) }],
    ["a hash of 31 bytes", { path: path.map((hash, at) => (at === 2 ? hash.subarray(1) : hash)) }],
    ["the root as the leaf, without a path", { index: 0n, size: 1n, leaf: leafAt(0), path: [] }],
  ];
  for (const [name, change] of FORGERIES) {
    it(name, () => expect(verifyInclusion({ ...good, ...change }, root)).toBe(false));
  }

  it("every flipped bit", () => {
    for (let bit = 0; bit < 256; bit++) {
      expect(verifyInclusion({ ...good, leaf: flip(good.leaf, bit) }, root)).toBe(false);
      expect(verifyInclusion(good, flip(root, bit))).toBe(false);
      for (const at of path.keys()) {
        const forged = path.map((hash, n) => (n === at ? flip(hash, bit) : hash));
        expect(verifyInclusion({ ...good, path: forged }, root)).toBe(false);
      }
    }
  });
});

describe("verifyConsistency() refuses", () => {
  const [oldSize, size] = [21, 45];
  const path = proveConsistency(oldSize, size, nodes);
  const good = { oldSize: 21n, oldRoot: rootAt(oldSize), size: 45n, root: rootAt(size), path };

  it("nothing of the honest proof", () => expect(verifyConsistency(good)).toBe(true));

  const FORGERIES: readonly (readonly [string, Partial<typeof good>])[] = [
    ["an old size of 0", { oldSize: 0n, path: [] }],
    ["an old size of 0, with its path", { oldSize: 0n }],
    ["two sizes of 0", { oldSize: 0n, size: 0n, oldRoot: good.root, path: [] }],
    ["sizes swapped", { oldSize: 45n, size: 21n, oldRoot: good.root, root: good.oldRoot }],
    ["roots swapped", { oldRoot: good.root, root: good.oldRoot }],
    ["equal sizes with a path", { oldSize: 45n, oldRoot: good.root }],
    ["equal sizes with other roots", { oldSize: 45n, path: [] }],
    ["a size beyond 2^64", { size: 2n ** 64n }],
    ["a neighbouring old size", { oldSize: 20n }],
    ["a size of one more level", { size: 90n }],
    ["no path", { path: [] }],
    ["a path cut short", { path: path.slice(0, -1) }],
    ["a path too long", { path: [...path, good.root] }],
    ["a path in another order", { path: path.toReversed() }],
    ["a root that is no hash", { root: new Uint8Array() }],
  ];
  for (const [name, change] of FORGERIES) {
    it(name, () => expect(verifyConsistency({ ...good, ...change })).toBe(false));
  }

  it("every flipped bit", () => {
    for (let bit = 0; bit < 256; bit++) {
      expect(verifyConsistency({ ...good, oldRoot: flip(good.oldRoot, bit) })).toBe(false);
      expect(verifyConsistency({ ...good, root: flip(good.root, bit) })).toBe(false);
      for (const at of path.keys()) {
        const forged = path.map((hash, n) => (n === at ? flip(hash, bit) : hash));
        expect(verifyConsistency({ ...good, path: forged })).toBe(false);
      }
    }
  });

  it("a tree that forked", () => {
    const forked = leaves.map((leaf, n) => (n === 5 ? leafAt(6) : leaf));
    const forkedPath = proveConsistency(oldSize, size, nodesOf(forked));
    const root = definedRoot(forked.slice(0, size));
    expect(verifyConsistency({ ...good, root, path: forkedPath })).toBe(false);
  });
});

describe("proofs", () => {
  it("hold for every entry of every tree up to 70", () => {
    for (let size = 1; size <= leaves.length; size++) {
      expect(rootOf(size, nodes)).toEqual(rootAt(size));
      for (let index = 0; index < size; index++) {
        const path = proveInclusion(index, size, nodes);
        const claim = { index: BigInt(index), size: BigInt(size), leaf: leafAt(index), path };
        expect(verifyInclusion(claim, rootAt(size))).toBe(true);
      }
    }
  });

  it("hold between every two trees up to 70", () => {
    for (let size = 1; size <= leaves.length; size++) {
      for (let old = 1; old <= size; old++) {
        const path = proveConsistency(old, size, nodes);
        const sizes = { oldSize: BigInt(old), size: BigInt(size) };
        expect(verifyConsistency({ ...sizes, oldRoot: rootAt(old), root: rootAt(size), path })).toBe(true);
      }
    }
  });

  it("are refused when index, sizes or leaf are any others", () => {
    const place = fc.nat(69);
    fc.assert(
      fc.property(place, place, place, place, (a, b, c, d) => {
        const [index, size] = [Math.min(a, b), Math.max(a, b) + 1];
        const [otherIndex, otherSize] = [Math.min(c, d), Math.max(c, d) + 1];
        fc.pre(index !== otherIndex || size !== otherSize);
        const path = proveInclusion(index, size, nodes);
        const claim = { index: BigInt(otherIndex), size: BigInt(otherSize), leaf: leafAt(index), path };
        return !verifyInclusion(claim, rootAt(otherSize));
      }),
      { numRuns: 2000 },
    );
  });

  for (const [name, prove] of [
    ["an index at the size", () => proveInclusion(3, 3, nodes)],
    ["a negative index", () => proveInclusion(-1, 3, nodes)],
    ["half an index", () => proveInclusion(0.5, 3, nodes)],
    ["a size that doubles can not tell", () => proveInclusion(0, 2 ** 49, nodes)],
    ["an old size of 0", () => proveConsistency(0, 3, nodes)],
    ["an old size above the new", () => proveConsistency(4, 3, nodes)],
  ] as const) {
    it(`can not be made of ${name}`, () => expect(prove).toThrow(RangeError));
  }
});

const folder = join(
  process.env["WRIT_VECTORS"] ?? join(import.meta.dirname, "../../../../shared/vectors"),
  "merkle/testdata",
);
const absent = !existsSync(folder);
if (absent)
  console.warn("skipped: the Merkle vectors of transparency-dev are not here; WRIT_VECTORS names them");

// biome-ignore lint/suspicious/noExplicitAny: another project's data, read by its own rules
function vectors(kind: string): readonly any[] {
  return readdirSync(join(folder, kind), { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".json"))
    .map((name) => {
      const text = readFileSync(join(folder, kind, name), "utf8");
      // Whole numbers beyond 2^53 would be rounded, so they are read as text.
      return { name, ...JSON.parse(text.replace(/: (-?\d{16,})/g, ': "$1"')) };
    });
}
const bytes = (base64: string | null): Bytes => Uint8Array.from(Buffer.from(base64 ?? "", "base64"));
const paths = (hashes: readonly string[] | null) => (hashes ?? []).map(bytes);
const whole = (value: number | string) => BigInt(value);

describe.skipIf(absent)("vectors of transparency-dev/merkle", () => {
  it("inclusion", () => {
    const all = vectors("inclusion");
    for (const { name, leafIdx, treeSize, root, leafHash, proof, wantErr } of all) {
      const claim = {
        index: whole(leafIdx),
        size: whole(treeSize),
        leaf: bytes(leafHash),
        path: paths(proof),
      };
      expect(verifyInclusion(claim, bytes(root)), name).toBe(!wantErr);
    }
    expect(all).toHaveLength(98);
  });

  it("consistency", () => {
    const all = vectors("consistency");
    for (const { name, size1, size2, root1, root2, proof, wantErr } of all) {
      const claim = {
        oldSize: whole(size1),
        size: whole(size2),
        oldRoot: bytes(root1),
        root: bytes(root2),
        path: paths(proof),
      };
      // That project compares the roots of equal sizes without asking whether they are hashes.
      const honest = !wantErr && size1 > 0 && claim.root.length === HASH_BYTES;
      expect(verifyConsistency(claim), name).toBe(honest);
    }
    expect(all).toHaveLength(98);
  });
});
