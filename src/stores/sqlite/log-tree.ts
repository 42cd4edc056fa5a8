/**
 * The log's tree over the seals. What is kept: full tiles, one row for 256 seals, and the head after each commit. The
 * rest, at the right edge, is rebuilt from the last 255 entries of each level when the process starts.
 *
 * INVARIANT: the edge in memory is that of the newest head in the database, or it is thrown away: a transaction that
 * failed may have taken back what the edge has.
 */
import {
  type Bytes,
  emptyRoot,
  HASH_BYTES,
  leafHash,
  proveConsistency,
  proveInclusion,
  sameBytes,
  TILE_LEVELS,
  TILE_WIDTH,
  TileNodes,
  TreeEdge,
} from "../../core/merkle/index.ts";
import type { LogHead } from "../../ports/index.ts";
import * as queries from "../queries.ts";
import type { Connection } from "./connection.ts";

/** Full tiles kept with their nodes: a proof reads one per level, and proofs of neighbours the same ones. */
const MAX_CACHED_TILES = 64;
/** Entries read at once while a tree is built over many. */
const PAGE = 4096;

/** The tree of one store. Its callers hold the transaction, where there is one. */
export class LogTree {
  readonly #connection: Connection;
  #edge = new TreeEdge(0);
  /** By level and index, least recently used first. A full tile never changes, unless its transaction failed. */
  readonly #tiles = new Map<string, TileNodes>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Appends the entries of all seals that the log does not have yet.
   *
   * A crash before the COMMIT leaves neither the seals nor this; after it both.
   *
   * @param size how many seals there are
   * @returns the new head; undefined when there is nothing to append
   */
  appendUntil(size: number): LogHead | undefined {
    const edge = this.#load();
    if (edge.size >= size) return undefined;
    for (let from = edge.size; from < size; from += PAGE) {
      const rows = this.#connection.all(queries.selectEntries(from, Math.min(from + PAGE, size)));
      for (const { entry } of rows) this.#append(edge, entry);
    }
    if (edge.size !== size) throw new Error(`Cannot append to log: ${size} seals, ${edge.size} entries`);
    const head = { size, root: edge.root() };
    this.#connection.run(queries.insertHead(head));
    return head;
  }

  /** The log as it is now. */
  head(): LogHead {
    const edge = this.#load();
    return { size: edge.size, root: edge.root() };
  }

  /** Lets go of all that was read: the next who asks reads the database. */
  forget(): void {
    this.#edge = new TreeEdge(0);
    this.#tiles.clear();
  }

  /** Inclusion proof of an entry in the tree of the first `size`. @throws {RangeError} when there is none */
  path(index: number, size: number): readonly Bytes[] {
    // Right after the commit that made it, the edge is known to be of that size.
    const edge = this.#edge.size === size ? this.#edge : this.#load();
    return proveInclusion(index, size, (level, at) => edge.node(level, at, this.#readFull));
  }

  /** Consistency proof between two sizes. @throws {RangeError} when the first is no beginning of the second */
  growth(oldSize: number, size: number): readonly Bytes[] {
    const edge = this.#load();
    return proveConsistency(oldSize, size, (level, at) => edge.node(level, at, this.#readFull));
  }

  /** The first `width` hashes of a tile; undefined when it has fewer. */
  tile(level: number, index: number, width: number): Bytes | undefined {
    const edge = this.#load();
    const available = Math.floor(edge.size / TILE_WIDTH ** level) - index * TILE_WIDTH;
    if (index < 0 || available < width) return undefined;
    if (available < TILE_WIDTH) return edge.tile(level)?.encode(width);
    // As it is stored, without the nodes above it: strangers ask for tiles as often as they like.
    const [row] = this.#connection.all(queries.selectTile(level, index));
    return row && Uint8Array.from(row.hashes.subarray(0, width * HASH_BYTES));
  }

  #append(edge: TreeEdge, entry: string): void {
    for (const tile of edge.append(leafHash(new TextEncoder().encode(entry)))) {
      this.#connection.run(queries.insertTile(tile));
      this.#remember(`${tile.level}/${tile.index}`, new TileNodes(tile.hashes));
    }
  }

  /** The edge of the newest head. @throws {Error} when the entries do not hash to it: somebody changed the file */
  #load(): TreeEdge {
    const [{ size } = { size: 0 }] = this.#connection.all(queries.selectLoggedSize());
    if (this.#edge.size === size) return this.#edge;
    const [newest] = this.#connection.all(queries.selectNewestHead());
    this.#tiles.clear();
    const edge = new TreeEdge(size, (level) => this.#readOpen(level, size));
    if (!sameBytes(edge.root(), newest?.root ?? emptyRoot())) {
      throw new Error(`Cannot read log: its ${size} entries do not hash to its head`);
    }
    this.#edge = edge;
    return edge;
  }

  /** Hashes of the tile at the right end of a level. */
  #readOpen(level: number, size: number): Uint8Array {
    const until = Math.floor(size / TILE_WIDTH ** level);
    const from = Math.floor(until / TILE_WIDTH) * TILE_WIDTH;
    const hashes =
      level === 0
        ? this.#connection
            .all(queries.selectEntries(from, until))
            .map(({ entry }) => leafHash(new TextEncoder().encode(entry)))
        : this.#connection.all(queries.selectTileRoots(level - 1, from, until)).map(({ root }) => root);
    return Uint8Array.from(hashes.flatMap((hash) => [...hash]));
  }

  readonly #readFull = (level: number, index: number): TileNodes => {
    const key = `${level}/${index}`;
    const cached = this.#tiles.get(key);
    if (cached !== undefined) return cached;
    const [row] = this.#connection.all(queries.selectTile(level, index));
    const tile = new TileNodes(row?.hashes);
    if (tile.node(TILE_LEVELS, 0) === undefined) throw new Error(`Cannot read log: its tile ${key} is gone`);
    this.#remember(key, tile);
    return tile;
  };

  #remember(key: string, tile: TileNodes): void {
    this.#tiles.set(key, tile);
    const [oldest] = this.#tiles.keys();
    if (this.#tiles.size > MAX_CACHED_TILES && oldest !== undefined) this.#tiles.delete(oldest);
  }
}
