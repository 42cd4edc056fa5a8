/**
 * How a log is cut into files: tiles of 256 hashes, and bundles of 256 entries, each at a path of its own. A full tile
 * never changes, so it may be cached for ever.
 * @see C2SP tlog-tiles
 */
import type { Bytes } from "./hash.ts";

/** Hashes of a full tile, and entries of a full bundle. */
export const TILE_WIDTH = 256;
/** Levels of the tree that one level of tiles spans. */
export const TILE_LEVELS = 8;
/** An entry's length is written in two bytes. */
const MAX_ENTRY_BYTES = 0xffff;

/** One file of a log. */
export interface TileName {
  /** `entries`, or the level of a tile of hashes: 0 = of leaf hashes. */
  readonly level: number | "entries";
  readonly index: number;
  /** How many hashes or entries it has: 256 = full, 1 to 255 = what there was of it at some checkpoint. */
  readonly width: number;
}

/**
 * Writes the path of a tile.
 *
 * @returns e.g. `tile/0/x001/x234/067.p/8`, without a slash before it
 * @example
 * ```ts
 * tilePath({ level: "entries", index: 1234067, width: 256 }); // tile/entries/x001/x234/067
 * ```
 */
export function tilePath({ level, index, width }: TileName): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, "0");
  const groups = digits.match(/\d{3}/g) ?? [];
  const path = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join("/");
  return `tile/${level}/${path}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/**
 * Reads the path of a tile.
 *
 * @param path attacker-controlled, without a slash before it
 * @returns undefined for every spelling but that of {@link tilePath}
 */
export function parseTilePath(path: string): TileName | undefined {
  const parts =
    /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,4}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
  if (parts === null) return undefined;
  const [, word = "", digits = "", width] = parts;
  const name: TileName = {
    level: word === "entries" ? word : Number(word),
    index: Number(digits.replace(/[x/]/g, "")),
    width: width === undefined ? TILE_WIDTH : Number(width),
  };
  if (name.level !== "entries" && name.level > 63) return undefined;
  if (width !== undefined && name.width >= TILE_WIDTH) return undefined;
  return tilePath(name) === path ? name : undefined;
}

/**
 * Writes a bundle of entries: each after its length in two bytes, big end first.
 *
 * @throws {RangeError} when an entry is longer than 65535 bytes
 */
export function encodeEntries(entries: readonly Uint8Array[]): Bytes {
  const bytes = new Uint8Array(entries.reduce((sum, { length }) => sum + 2 + length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) {
      throw new RangeError(`Cannot write entry: it has ${entry.length} bytes, at most ${MAX_ENTRY_BYTES}`);
    }
    bytes.set([entry.length >> 8, entry.length & 0xff], at);
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/**
 * Reads a bundle of entries.
 *
 * @param bytes attacker-controlled
 * @returns the entries, or undefined when the last one is cut short
 */
export function decodeEntries(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [high, low] = [bytes[at], bytes[at + 1]];
    if (high === undefined || low === undefined) return undefined;
    const end = at + 2 + ((high << 8) | low);
    if (end > bytes.length) return undefined;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
