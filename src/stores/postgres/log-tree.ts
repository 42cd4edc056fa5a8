/**
 * The log's tree over the seals of many gateways. The database has full tiles, and the head after each commit; each
 * gateway keeps the right edge in memory and follows what others append by reading their entries.
 *
 * INVARIANT: the edge begins with every committed entry it covers. While this gateway seals, it is ahead of the database
 * by what is being sealed: proofs of what is committed are the same, and no head is ever told from it. When that
 * transaction fails, or nobody knows, the edge is thrown away.
 */
import type { CompiledQuery } from "kysely";
import {
  type Bytes,
  emptyRoot,
  type FullTile,
  HASH_BYTES,
  leafHash,
  proveConsistency,
  proveInclusion,
  rootOf,
  sameBytes,
  TILE_LEVELS,
  TILE_WIDTH,
  TileNodes,
  TreeEdge,
} from "../../core/merkle/index.ts";
import type { LogHead } from "../../ports/index.ts";
import * as queries from "../queries.ts";

/** Full tiles kept with their nodes. */
const MAX_CACHED_TILES = 64;
/** Entries read at once while others' are followed. */
export const PAGE = 1024;
/** Further behind than this, the edge is read anew from tiles instead. */
const FAR = 16 * PAGE;

/** Reads committed rows, on whatever connection its caller holds. */
export type Read = <Row>(query: CompiledQuery<Row>) => Promise<readonly Row[]>;

/** The tree as one gateway knows it. */
export class LogTree {
  #edge: TreeEdge | undefined;
  /** By level and index, least recently made first. A full tile never changes, unless its transaction failed. */
  readonly #tiles = new Map<string, TileNodes>();
  #seen: LogHead = { size: 0, root: emptyRoot() };

  /** Entries that are known: whoever asks for those behind them can hand them to {@link LogTree.follow}. */
  get size(): number | undefined {
    return this.#edge?.size;
  }

  /** The newest head that is known to be committed: whatever the database says later, it has to begin with this. */
  get seen(): LogHead {
    return this.#seen;
  }

  /** Remembers a committed head for as long as this process lives. */
  saw(head: LogHead): void {
    if (head.size > this.#seen.size) this.#seen = head;
  }

  /** Forgets what may not be true. */
  forget(): void {
    this.#edge = undefined;
    this.#tiles.clear();
  }

  /**
   * Knows all entries of a committed head.
   *
   * @throws {Error} when the entries do not hash to it: somebody changed the database
   */
  async follow(head: LogHead, read: Read): Promise<TreeEdge> {
    for (;;) {
      const edge = this.#edge;
      if (edge === undefined || head.size - edge.size > FAR) {
        const fresh = await loadEdge(head, read);
        await this.#requireGrowth(fresh, head, read);
        if (this.#edge !== edge) continue;
        this.#edge = fresh;
        this.saw(head);
        return fresh;
      }
      if (edge.size >= head.size) return edge;
      const from = edge.size;
      const rows = await read(queries.selectEntries(from, Math.min(from + PAGE, head.size)));
      // Somebody else of this process may have followed, or forgotten, meanwhile.
      if (this.#edge !== edge || edge.size !== from) continue;
      if (rows.length === 0) throw new Error(`Cannot read log: its entry ${from} is gone`);
      this.add(
        edge,
        rows.map(({ entry }) => entry),
      );
      if (edge.size !== head.size) continue;
      this.#require(edge, head);
      this.saw(head);
    }
  }

  /**
   * Appends.
   *
   * @returns the tiles that became full: for the database, when the entries are not there yet
   */
  add(edge: TreeEdge, entries: readonly string[]): readonly FullTile[] {
    const full = entries.flatMap((entry) => edge.append(leafHash(new TextEncoder().encode(entry))));
    for (const { level, index, hashes } of full) this.#remember(`${level}/${index}`, new TileNodes(hashes));
    return full;
  }

  /** Inclusion proof in a committed head. @throws {RangeError} when there is none */
  async path(index: number, head: LogHead, read: Read): Promise<readonly Bytes[]> {
    const edge = await this.follow(head, read);
    return await this.#withTiles(read, (readFull) =>
      proveInclusion(index, head.size, (level, at) => edge.node(level, at, readFull)),
    );
  }

  /** Consistency proof between two sizes. @throws {RangeError} when the first is no beginning of the second */
  async growth(oldSize: number, size: number, newest: LogHead, read: Read): Promise<readonly Bytes[]> {
    if (size > newest.size)
      throw new RangeError(`Cannot prove growth to ${size}: the log has ${newest.size}`);
    const edge = await this.follow(newest, read);
    return await this.#withTiles(read, (readFull) =>
      proveConsistency(oldSize, size, (level, at) => edge.node(level, at, readFull)),
    );
  }

  /** Makes a proof again and again, with one more tile each time, until it has all that it asks for. */
  async #withTiles<T>(
    read: Read,
    make: (readFull: (level: number, index: number) => TileNodes) => T,
  ): Promise<T> {
    for (;;) {
      let missing: readonly [number, number] | undefined;
      try {
        return make((level, index) => {
          const tile = this.#tiles.get(`${level}/${index}`);
          if (tile !== undefined) return tile;
          missing = [level, index];
          throw new RangeError("a tile is not here yet");
        });
      } catch (error) {
        if (missing === undefined) throw error;
        await this.#readTile(...missing, read);
      }
    }
  }

  async #readTile(level: number, index: number, read: Read): Promise<void> {
    const [row] = await read(queries.selectTile(level, index));
    const tile = new TileNodes(row?.hashes);
    if (tile.node(TILE_LEVELS, 0) === undefined)
      throw new Error(`Cannot read log: its tile ${level}/${index} is gone`);
    this.#remember(`${level}/${index}`, tile);
  }

  /** A database that was taken back and grew again hashes well, and is another history. */
  async #requireGrowth(fresh: TreeEdge, head: LogHead, read: Read): Promise<void> {
    const { size, root } = this.#seen;
    if (size === 0 || size > head.size) return;
    const was = await this.#withTiles(read, (readFull) =>
      rootOf(size, (level, at) => fresh.node(level, at, readFull)),
    );
    if (!sameBytes(was, root)) throw new Error(takenBack(`does not begin with the ${size}`));
  }

  #require(edge: TreeEdge, head: LogHead): void {
    if (sameBytes(edge.root(), head.root)) return;
    this.forget();
    throw new Error(`Cannot read log: its ${head.size} entries do not hash to its head`);
  }

  #remember(key: string, tile: TileNodes): void {
    this.#tiles.set(key, tile);
    const [oldest] = this.#tiles.keys();
    if (this.#tiles.size > MAX_CACHED_TILES && oldest !== undefined) this.#tiles.delete(oldest);
  }
}

/**
 * A database that forgot what was committed: a standby that lagged, or a copy from before.
 *
 * @param what it is or has, up to the number of entries
 */
export function takenBack(what: string): string {
  return `Cannot go on with the log: its database ${what} entries that were committed before; restore the newer one`;
}

/** The edge of a head, from what the database has of each level. */
async function loadEdge(head: LogHead, read: Read): Promise<TreeEdge> {
  const open: Bytes[] = [];
  for (let level = 0, until = head.size; until > 0; level++, until = Math.floor(until / TILE_WIDTH)) {
    const from = Math.floor(until / TILE_WIDTH) * TILE_WIDTH;
    open.push(join(await readHashes(level, from, until, read)));
  }
  const edge = new TreeEdge(head.size, (level) => open[level] ?? new Uint8Array());
  if (!sameBytes(edge.root(), head.root))
    throw new Error(`Cannot read log: its ${head.size} entries do not hash to its head`);
  return edge;
}

/** Hashes of a level: of entries, or roots of the tiles below. */
export async function readHashes(
  level: number,
  from: number,
  until: number,
  read: Read,
): Promise<readonly Uint8Array[]> {
  if (level > 0) {
    const rows = await read(queries.selectTileRoots(level - 1, from, until));
    return rows.map(({ root }) => root);
  }
  const rows = await read(queries.selectEntries(from, until));
  return rows.map(({ entry }) => leafHash(new TextEncoder().encode(entry)));
}

/** Hashes one after another. */
export function join(hashes: readonly Uint8Array[]): Bytes {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES);
  for (const [index, hash] of hashes.entries()) bytes.set(hash, index * HASH_BYTES);
  return bytes;
}
