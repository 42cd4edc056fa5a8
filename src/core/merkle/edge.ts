/**
 * The right edge of a growing tree: the tiles that are not full yet, and nothing else. That is all an append needs, so
 * it costs two hashes on average, whatever the size of the tree.
 */
import { type Bytes, HASH_BYTES, nodeHash } from "./hash.ts";
import { rootOf } from "./prove.ts";
import { TILE_LEVELS, TILE_WIDTH } from "./tile-path.ts";

/** A tile that became full: it never changes again, so whoever keeps the tree writes it once. */
export interface FullTile {
  /** 0 = of leaf hashes; each next level is over the roots of 256 tiles of the one before. */
  readonly level: number;
  readonly index: number;
  /** Its 256 hashes, one after another. */
  readonly hashes: Bytes;
  /** Hash over all of them: one entry of a tile of the next level. */
  readonly root: Bytes;
}

/** One tile with the nodes inside it, filled from the left. */
export class TileNodes {
  /** By height inside the tile, 0 to 8. */
  readonly #rows: Bytes[][] = Array.from({ length: TILE_LEVELS + 1 }, () => []);

  /** @param hashes the tile's first hashes, one after another; a whole number of them, at most 256 */
  constructor(hashes: Uint8Array = new Uint8Array()) {
    for (let at = 0; at < hashes.length; at += HASH_BYTES) {
      this.push(Uint8Array.from(hashes.subarray(at, at + HASH_BYTES)));
    }
  }

  /** How many hashes it has: 256 = full. */
  get width(): number {
    return this.#rows[0]?.length ?? 0;
  }

  /** Adds a hash at the right. @throws {RangeError} when the tile is full */
  push(hash: Bytes): void {
    if (this.width === TILE_WIDTH) throw new RangeError("Cannot add to tile: it is full");
    let added = hash;
    for (const [height, row] of this.#rows.entries()) {
      row.push(added);
      const left = row.at(-2);
      if (row.length % 2 === 1 || left === undefined || height === TILE_LEVELS) return;
      added = nodeHash(left, added);
    }
  }

  /** @returns the node, or undefined when its subtree is not whole yet */
  node(height: number, index: number): Bytes | undefined {
    return this.#rows[height]?.[index];
  }

  /** Its first `width` hashes, one after another. */
  encode(width: number): Bytes {
    const bytes = new Uint8Array(width * HASH_BYTES);
    for (const [index, hash] of (this.#rows[0] ?? []).slice(0, width).entries()) {
      bytes.set(hash, index * HASH_BYTES);
    }
    return bytes;
  }
}

/** The tiles of a tree that are not full. */
export class TreeEdge {
  readonly #open: TileNodes[] = [];
  #size: number;

  /**
   * @param size entries in the tree
   * @param readOpen the hashes of the tile at the right end of a level, one after another; asked for every level that
   *   has any
   */
  constructor(size: number, readOpen: (level: number) => Uint8Array = () => new Uint8Array()) {
    this.#size = size;
    for (let level = 0, width = size; width > 0; level++, width = Math.floor(width / TILE_WIDTH)) {
      const tile = new TileNodes(readOpen(level));
      if (tile.width !== width % TILE_WIDTH) {
        throw new RangeError(
          `Cannot read tree of ${size}: its level ${level} ends with ${tile.width} hashes, want ${width % TILE_WIDTH}`,
        );
      }
      this.#open.push(tile);
    }
  }

  /** Entries in the tree. */
  get size(): number {
    return this.#size;
  }

  /** Adds a leaf. @returns the tiles that it filled: mostly none */
  append(leaf: Bytes): readonly FullTile[] {
    const full: FullTile[] = [];
    let hash = leaf;
    for (let level = 0, index = this.#size++; ; level++) {
      index = Math.floor(index / TILE_WIDTH);
      const tile = this.#open[level] ?? new TileNodes();
      this.#open[level] = tile;
      tile.push(hash);
      const root = tile.node(TILE_LEVELS, 0);
      if (root === undefined) return full;
      full.push({ level, index, hashes: tile.encode(TILE_WIDTH), root });
      this.#open[level] = new TileNodes();
      hash = root;
    }
  }

  /** The open tile of a level. */
  tile(level: number): TileNodes | undefined {
    return this.#open[level];
  }

  /**
   * @param readFull a full tile, by level and index
   * @returns the node over entries `[index * 2^level, (index + 1) * 2^level)`
   * @throws {RangeError} when the tree has no such node
   */
  node(level: number, index: number, readFull: (level: number, index: number) => TileNodes): Bytes {
    const [tileLevel, height] = [Math.floor(level / TILE_LEVELS), level % TILE_LEVELS];
    const perTile = TILE_WIDTH / 2 ** height;
    const tileIndex = Math.floor(index / perTile);
    const openIndex = Math.floor(this.#size / TILE_WIDTH ** (tileLevel + 1));
    const tile = tileIndex === openIndex ? this.#open[tileLevel] : readFull(tileLevel, tileIndex);
    const node = tile?.node(height, index % perTile);
    if (node === undefined || tileIndex > openIndex) {
      throw new RangeError(`Cannot read tree of ${this.#size}: it has no node ${index} at level ${level}`);
    }
    return node;
  }

  /** The root of the whole tree. See {@link TreeEdge.node} for `readFull`, which is asked for nothing here. */
  root(): Bytes {
    return rootOf(this.#size, (level, index) =>
      this.node(level, index, () => {
        throw new RangeError("Cannot compute root: a tile left of the edge was asked for");
      }),
    );
  }
}
