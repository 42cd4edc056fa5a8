/** The growing tree against the definition, and its files against hostile names and bytes. */
import { describe, expect, it } from "vitest";
import {
  type Bytes,
  decodeEntries,
  encodeEntries,
  type FullTile,
  leafHash,
  parseTilePath,
  proveConsistency,
  proveInclusion,
  rootOf,
  TileNodes,
  TreeEdge,
  tilePath,
  verifyConsistency,
  verifyInclusion,
} from "../../../src/core/merkle/index.ts";
import { definedRoot, entryOf, leavesOf } from "./tree.ts";

const SIZE = 70_000;

/** A tree grown leaf by leaf, with the full tiles that a store would keep. */
function grow(size: number): { edge: TreeEdge; tiles: Map<string, FullTile>; leaves: readonly Bytes[] } {
  const edge = new TreeEdge(0);
  const tiles = new Map<string, FullTile>();
  const leaves = leavesOf(size);
  for (const leaf of leaves) {
    for (const tile of edge.append(leaf)) tiles.set(`${tile.level}/${tile.index}`, tile);
  }
  return { edge, tiles, leaves };
}

describe("TreeEdge", () => {
  const { edge, tiles, leaves } = grow(SIZE);
  const readFull = (level: number, index: number) => {
    const tile = tiles.get(`${level}/${index}`);
    if (tile === undefined) throw new RangeError(`no tile ${level}/${index}`);
    return new TileNodes(tile.hashes);
  };
  const node = (level: number, index: number) => edge.node(level, index, readFull);

  it("refuses to begin with fewer or more hashes than its size says", () => {
    const hashes = (count: number) => new Uint8Array(count * 32);
    for (const [size, count] of [
      [5, 4],
      [5, 6],
      [256, 1],
      [1, 0],
    ] as const) {
      expect(() => new TreeEdge(size, () => hashes(count))).toThrow(RangeError);
    }
    expect(() => new TileNodes(hashes(257))).toThrow(RangeError);
  });

  it("has no node that is not whole, and none beyond its end", () => {
    for (const [level, index] of [
      [0, SIZE],
      [1, SIZE / 2],
      [17, 0],
      [16, 1],
      [40, 0],
      [0, -1],
    ] as const) {
      expect(() => node(level, index), `${level}/${index}`).toThrow(RangeError);
    }
  });

  it("has the root that the definition gives, at sizes around the bounds of tiles", () => {
    const small = new TreeEdge(0);
    expect(small.root()).toEqual(definedRoot([]));
    for (const [n, leaf] of leaves.slice(0, 1025).entries()) {
      small.append(leaf);
      if (n % 64 > 1 && n % 64 < 62) continue;
      expect(small.root(), `size ${n + 1}`).toEqual(definedRoot(leaves.slice(0, n + 1)));
    }
    expect(edge.root()).toEqual(definedRoot(leaves));
  });

  it("gives every tile once, in order, with its root", () => {
    expect(tiles.size).toBe(Math.floor(SIZE / 256) + Math.floor(SIZE / 65536));
    for (const { level, index, hashes, root } of tiles.values()) {
      const from = index * 256 ** (level + 1);
      if (level === 0) expect(hashes.slice(0, 32)).toEqual(leaves[from]);
      if (index < 3) expect(root).toEqual(definedRoot(leaves.slice(from, from + 256 ** (level + 1))));
    }
  });

  it("proves entries and earlier trees from tiles", () => {
    const root = edge.root();
    for (const index of [0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, SIZE - 1]) {
      const leaf = leaves[index] ?? expect.fail();
      const path = proveInclusion(index, SIZE, node);
      expect(verifyInclusion({ index: BigInt(index), size: BigInt(SIZE), leaf, path }, root)).toBe(true);
    }
    for (const old of [1, 255, 256, 257, 65_536, 65_537, 69_888, SIZE]) {
      const path = proveConsistency(old, SIZE, node);
      const sizes = { oldSize: BigInt(old), size: BigInt(SIZE) };
      expect(verifyConsistency({ ...sizes, oldRoot: rootOf(old, node), root, path })).toBe(true);
    }
  });

  it("goes on from what was stored as if it had never stopped", () => {
    for (const size of [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 65_792]) {
      const again = new TreeEdge(size, (level) => {
        const width = 256 ** level;
        const from = Math.floor(size / (width * 256)) * 256;
        const until = Math.floor(size / width);
        const hashes = Array.from({ length: until - from }, (_, n) =>
          level === 0 ? leaves[from + n] : tiles.get(`${level - 1}/${from + n}`)?.root,
        );
        return Uint8Array.from(hashes.flatMap((hash) => [...(hash ?? expect.fail())]));
      });
      for (const leaf of leaves.slice(size, size + 300)) again.append(leaf);
      const end = Math.min(size + 300, SIZE);
      expect(again.size).toBe(end);
      expect(again.root(), `from ${size}`).toEqual(rootOf(end, node));
    }
  });
});

describe("parseTilePath()", () => {
  const HOSTILE = [
    "",
    "tile",
    "tile/",
    "tile/0",
    "tile/0/",
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/00/000",
    "tile/-1/000",
    "tile/64/000",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/000.p/",
    "tile/0/x000/001",
    "tile/0/x001/1",
    "tile/0/x001",
    "tile/0/001/001",
    "tile/0/x001/x001/",
    "tile/0/000/",
    "/tile/0/000",
    "tile/0/000\n",
    "tile/0/000?x",
    "tile/entries/x000/000",
    "tile/Entries/000",
    "tile/data/000",
    "tile/0/../000",
    "tile/0/x999/x999/x999/x999/x999/999",
    `tile/0/${"x001/".repeat(10_000)}001`,
  ];
  for (const path of HOSTILE) {
    it(`refuses ${JSON.stringify(path.slice(0, 40))}`, () => expect(parseTilePath(path)).toBeUndefined());
  }

  const PATHS = [
    ["tile/0/000", { level: 0, index: 0, width: 256 }],
    ["tile/0/999.p/1", { level: 0, index: 999, width: 1 }],
    ["tile/1/x001/000", { level: 1, index: 1000, width: 256 }],
    ["tile/entries/x001/x234/067.p/255", { level: "entries", index: 1_234_067, width: 255 }],
    ["tile/63/000", { level: 63, index: 0, width: 256 }],
  ] as const;
  for (const [path, name] of PATHS) {
    it(`reads ${path}, and tilePath() writes it`, () => {
      expect(parseTilePath(path)).toEqual(name);
      expect(tilePath(name)).toBe(path);
    });
  }
});

describe("decodeEntries()", () => {
  const entries = [new Uint8Array(), entryOf(7), new Uint8Array(65_535)];

  it("refuses a bundle cut short anywhere but between entries", () => {
    const bytes = encodeEntries([entryOf(1), entryOf(2)]);
    for (let length = 1; length < bytes.length; length++) {
      expect(decodeEntries(bytes.subarray(0, length)) === undefined).toBe(length !== bytes.length / 2);
    }
  });

  it("reads what encodeEntries() wrote, which refuses what is too long", () => {
    expect(decodeEntries(encodeEntries(entries))).toEqual(entries);
    expect(() => encodeEntries([new Uint8Array(65_536)])).toThrow(RangeError);
  });

  it("leafHash() and tile hashes of an entry and of two hashes differ", () => {
    const pair = new Uint8Array(64);
    expect(leafHash(pair)).not.toEqual(definedRoot([pair.slice(32), pair.slice(32)]));
  });
});
