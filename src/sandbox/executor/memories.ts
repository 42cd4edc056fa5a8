/**
 * How the caps on memory and on tables are shared among the core modules of a component. The metering pass writes a
 * maximum into one module; a component of fifty modules must not get the cap fifty times.
 */

const TABLE_SECTION = 4;
const MEMORY_SECTION = 5;
/** Table elements that a module may always have: the tables of a component of many small modules are small. */
const FEWEST_ELEMENTS = 16_384;
const PAGE_BYTES = 65_536;

/** Memories that a module defines, together. */
export interface MemoryNeed {
  readonly minimumBytes: number;
  /** What they may grow to; infinite where none is declared. */
  readonly maximumBytes: number;
}

/**
 * Shares a cap: each module that defines a memory gets what it needs from the start, and an equal part of the rest.
 * A component with one memory, which is nearly every one, gets the whole.
 *
 * @param modules valid core modules
 * @returns the cap of each, in order; where the minima alone exceed it, caps that the metering pass refuses
 */
export function shareMemory(modules: readonly Uint8Array[], capBytes: number): readonly number[] {
  const needs = modules.map(readMemoryNeed);
  const owners = needs.filter(({ maximumBytes }) => maximumBytes > 0).length;
  const rest = needs.reduce((left, need) => left - need.minimumBytes, capBytes);
  const part = Math.floor(rest / Math.max(1, owners) / PAGE_BYTES) * PAGE_BYTES;
  return needs.map(({ minimumBytes, maximumBytes }) => (maximumBytes > 0 ? minimumBytes + part : 0));
}

/**
 * Shares a number of table elements among core instances: each whose module defines tables may have an equal part, and
 * a module that needs more from the start is refused by the metering pass.
 *
 * @param modules valid core modules, one for each core instance
 * @returns elements of all tables of one such module
 */
export function shareTables(modules: readonly Uint8Array[], elements: number): number {
  const owners = modules.filter((wasm) => findSection(wasm, TABLE_SECTION) !== undefined).length;
  return Math.max(FEWEST_ELEMENTS, Math.floor(elements / Math.max(1, owners)));
}

/** @param wasm a valid core module */
export function readMemoryNeed(wasm: Uint8Array): MemoryNeed {
  const section = findSection(wasm, MEMORY_SECTION);
  return section === undefined ? { minimumBytes: 0, maximumBytes: 0 } : readSection(wasm, section);
}

/** @returns where its content begins */
function findSection(wasm: Uint8Array, wanted: number): number | undefined {
  for (let at = 8; at < wasm.length; ) {
    const size = readLeb(wasm, at + 1);
    if (wasm[at] === wanted) return size.next;
    at = size.next + size.value;
  }
  return undefined;
}

function readSection(wasm: Uint8Array, start: number): MemoryNeed {
  const count = readLeb(wasm, start);
  let at = count.next;
  let minimum = 0;
  let maximum = 0;
  for (let index = 0; index < count.value; index += 1) {
    const flags = wasm[at] ?? 0;
    const low = readLeb(wasm, at + 1);
    const high = flags & 1 ? readLeb(wasm, low.next) : { value: Number.POSITIVE_INFINITY, next: low.next };
    minimum += low.value;
    maximum += high.value;
    at = high.next;
  }
  return { minimumBytes: minimum * PAGE_BYTES, maximumBytes: maximum * PAGE_BYTES };
}

/** An unsigned LEB128 number; the module is valid, so it ends. */
function readLeb(bytes: Uint8Array, start: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let at = start, scale = 1; ; at += 1, scale *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: at + 1 };
  }
}
