/**
 * Takes out of a core module what would be done again for every instance of it: its memory and the data that fills
 * it become an image, which the executor copies at once into a memory of its own; its start function becomes an export,
 * which can be suspended where the engine's own start can not.
 *
 * The module's behaviour stays the same. A memory is taken out only where it is the module's one memory and every
 * segment has a constant place inside it; then nobody can tell when the data was put there. An active segment is gone
 * once it has been copied, and stays behind as an empty one, which is what `memory.init` would find.
 *
 * @see https://webassembly.github.io/spec/core/exec/modules.html#instantiation
 */
import { joinBytes } from "../../core/bytes.ts";

/** Names that are added to a module; the metering pass refuses modules which have this one. */
export const IMAGE_NAME = "writ:fuel";
const MEMORY = "memory";
const START = "start";

/** A run of bytes of the image, and where in memory they belong. */
export interface ImageRun {
  readonly at: number;
  readonly bytes: number;
}

/** A memory that the executor makes for a module. */
export interface ImageMemory {
  readonly initialPages: number;
  readonly maximumPages: number;
  readonly runs: readonly ImageRun[];
}

/** A core module without its image. */
export interface SplitModule {
  readonly wasm: Uint8Array<ArrayBuffer>;
  /** `null` when the module makes its memory itself, if it has one. */
  readonly memory: ImageMemory | null;
  /** The bytes of all runs, one after another. */
  readonly image: Uint8Array<ArrayBuffer>;
  /** Whether it has a start function, exported under {@link START_EXPORT}. */
  readonly start: boolean;
}

/** Where a split module imports its memory from. */
export const MEMORY_IMPORT = { module: IMAGE_NAME, name: MEMORY } as const;
/** What a split module's start function is exported as. */
export const START_EXPORT = `${IMAGE_NAME}/${START}`;

const PAGE_BYTES = 65_536;
/** Zeroes between two segments that are copied along: one longer copy is cheaper than two. */
const LARGEST_GAP = 512;

/** Where a section of a module stands in it. */
export interface Section {
  readonly id: number;
  /** From its id to its end. */
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

interface Segment {
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

/** @param wasm a valid module that has been metered */
export function splitModule(wasm: Uint8Array): SplitModule {
  const sections = readSections(wasm);
  const find = (id: number) => sections.find((section) => section.id === id);
  const start = find(8);
  const hasExports = find(7) !== undefined;
  const memory = readOnlyMemory(wasm, find(2), find(5));
  const segments = memory === undefined ? undefined : readSegments(wasm, find(11), memory);
  const taken = memory !== undefined && segments !== undefined;

  const pieces = [wasm.subarray(0, 8)];
  for (const section of sections) {
    const whole = wasm.subarray(section.start, section.end);
    // Where it stands an export section may stand, too.
    if (section === start && !hasExports) pieces.push(firstExport(startExport(wasm, start)));
    if (section === start) continue;
    if (taken && section.id === 5) continue;
    if (taken && section.id === 2) pieces.push(appended(wasm, section, memoryImport(memory)));
    else if (taken && section.id === 11) pieces.push(...emptied(wasm, section, find(12) !== undefined));
    else if (section.id === 7 && start !== undefined)
      pieces.push(appended(wasm, section, startExport(wasm, start)));
    else pieces.push(whole);
  }
  const merged = taken ? mergeRuns(segments) : [];
  return {
    wasm: joinBytes(pieces),
    memory: taken ? { ...memory, runs: merged.map(({ at, to }) => ({ at, bytes: to - at })) } : null,
    image: drawImage(wasm, segments ?? [], merged),
    start: start !== undefined,
  };
}

/** @param wasm a valid module */
export function readSections(wasm: Uint8Array): readonly Section[] {
  const sections: Section[] = [];
  for (let at = 8; at < wasm.length; ) {
    const id = wasm[at] ?? 0;
    const size = readLeb(wasm, at + 1);
    const end = size.next + size.value;
    sections.push({ id, start: at, content: size.next, end });
    at = end;
  }
  return sections;
}

/** The module's one memory, 32-bit, and its own; metering has written a maximum into it. */
function readOnlyMemory(
  wasm: Uint8Array,
  imports: Section | undefined,
  memories: Section | undefined,
): { readonly initialPages: number; readonly maximumPages: number } | undefined {
  // A metered module imports its counters, and exports something, or nobody could call it.
  if (imports === undefined || memories === undefined) return undefined;
  const count = readLeb(wasm, memories.content);
  const flags = wasm[count.next];
  if (count.value !== 1 || flags !== 1 || importsMemory(wasm, imports)) return undefined;
  const initial = readLeb(wasm, count.next + 1);
  const maximum = readLeb(wasm, initial.next);
  return { initialPages: initial.value, maximumPages: maximum.value };
}

/** Whether a memory is among the imports, or anything whose type this does not read: then the memory stays. */
function importsMemory(wasm: Uint8Array, imports: Section): boolean {
  return readImports(wasm, imports)?.some(({ kind }) => kind === 2) ?? true;
}

/** An import: what kind of thing it is, and the type of a global or of a table's elements. */
export interface Imported {
  readonly kind: number;
  readonly type: number;
}

/** The imports of a module; undefined when there is one whose type this does not read. */
export function readImports(wasm: Uint8Array, { content }: Section): readonly Imported[] | undefined {
  const count = readLeb(wasm, content);
  const imported: Imported[] = [];
  let at = count.next;
  for (let left = count.value; left > 0; left -= 1) {
    for (const _name of ["module", "name"]) {
      const length = readLeb(wasm, at);
      at = length.next + length.value;
    }
    const kind = wasm[at] ?? -1;
    const type = wasm[at + 1] ?? 0;
    imported.push({ kind, type });
    if (kind === 0) at = readLeb(wasm, at + 1).next;
    else if (kind === 1 && type >= 0x65) at = skipLimits(wasm, at + 2);
    else if (kind === 2) at = skipLimits(wasm, at + 1);
    // A global of a number's type, or of a plain reference's: one byte, then whether it changes.
    else if (kind === 3 && type >= 0x65) at += 3;
    else return undefined;
  }
  return imported;
}

/** @param at where the limits of a memory or a table begin @returns where they end */
export function skipLimits(wasm: Uint8Array, at: number): number {
  const minimum = readLeb(wasm, at + 1);
  return ((wasm[at] ?? 0) & 1) === 1 ? readLeb(wasm, minimum.next).next : minimum.next;
}

/** All active segments, or `undefined` when one has no constant place in the memory. */
function readSegments(
  wasm: Uint8Array,
  data: Section | undefined,
  memory: { readonly initialPages: number },
): readonly Segment[] | undefined {
  if (data === undefined) return [];
  const segments: Segment[] = [];
  const count = readLeb(wasm, data.content);
  let at = count.next;
  for (let left = count.value; left > 0; left -= 1) {
    const flag = readLeb(wasm, at);
    at = flag.next;
    let place: number | undefined;
    if (flag.value === 0) {
      // i32.const, a signed number, end: anything else is no constant that is known here.
      if (wasm[at] !== 0x41) return undefined;
      const offset = readSigned(wasm, at + 1);
      if (wasm[offset.next] !== 0x0b) return undefined;
      place = offset.value >>> 0;
      at = offset.next + 1;
    } else if (flag.value !== 1) return undefined;
    const length = readLeb(wasm, at);
    at = length.next + length.value;
    if (place === undefined) continue;
    // Outside: the engine traps at it, in the order of the segments.
    if (place + length.value > memory.initialPages * PAGE_BYTES) return undefined;
    if (length.value > 0) segments.push({ at: place, from: length.next, to: at });
  }
  return segments;
}

function mergeRuns(segments: readonly Segment[]): { readonly at: number; readonly to: number }[] {
  const sorted = segments
    .map(({ at, from, to }) => ({ at, to: at + to - from }))
    .sort((one, other) => one.at - other.at);
  const runs: { at: number; to: number }[] = [];
  for (const { at, to } of sorted) {
    const last = runs.at(-1);
    if (last !== undefined && at - last.to <= LARGEST_GAP) last.to = Math.max(last.to, to);
    else runs.push({ at, to });
  }
  return runs;
}

/** In the order of the binary: where segments overlap, the later one counts. */
function drawImage(
  wasm: Uint8Array,
  segments: readonly Segment[],
  runs: readonly { readonly at: number; readonly to: number }[],
): Uint8Array<ArrayBuffer> {
  const starts: number[] = [];
  let total = 0;
  for (const { at, to } of runs) {
    starts.push(total);
    total += to - at;
  }
  const image = new Uint8Array(total);
  for (const { at, from, to } of segments) {
    const run = lastAtOrBefore(runs, at);
    image.set(wasm.subarray(from, to), (starts[run] ?? 0) + at - (runs[run]?.at ?? 0));
  }
  return image;
}

function lastAtOrBefore(runs: readonly { readonly at: number }[], at: number): number {
  let low = 0;
  let high = runs.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((runs[middle]?.at ?? 0) <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The data section without what is in the image; without a data count nothing can name a segment, and none stays. */
function emptied(wasm: Uint8Array, data: Section, isNamed: boolean): readonly Uint8Array[] {
  if (!isNamed) return [];
  const count = readLeb(wasm, data.content);
  const entries: Uint8Array[] = [Uint8Array.from(writeLeb(count.value))];
  const empty = Uint8Array.of(1, 0);
  let at = count.next;
  for (let left = count.value; left > 0; left -= 1) {
    const begin = at;
    const flag = readLeb(wasm, at);
    at = flag.value === 0 ? readSigned(wasm, flag.next + 1).next + 1 : flag.next;
    const length = readLeb(wasm, at);
    at = length.next + length.value;
    entries.push(flag.value === 0 ? empty : wasm.subarray(begin, at));
  }
  return [section(11, joinBytes(entries))];
}

function memoryImport(memory: { readonly initialPages: number; readonly maximumPages: number }): number[] {
  return [
    ...name(MEMORY_IMPORT.module),
    ...name(MEMORY_IMPORT.name),
    ...[0x02, 0x01, ...writeLeb(memory.initialPages), ...writeLeb(memory.maximumPages)],
  ];
}

function startExport(wasm: Uint8Array, start: Section): number[] {
  return [...name(START_EXPORT), 0x00, ...wasm.subarray(start.content, start.end)];
}

/** An export section of one entry. */
function firstExport(entry: readonly number[]): Uint8Array {
  return section(7, Uint8Array.from([1, ...entry]));
}

/** A section that is a vector, with more entries. @param entry their bytes; `entries` how many they are */
export function appended(
  wasm: Uint8Array,
  { id, content, end }: Section,
  entry: readonly number[],
  entries = 1,
): Uint8Array {
  const count = readLeb(wasm, content);
  const counted = Uint8Array.from(writeLeb(count.value + entries));
  return section(id, joinBytes([counted, wasm.subarray(count.next, end), Uint8Array.from(entry)]));
}

/** Writes a section. */
export function section(id: number, content: Uint8Array): Uint8Array {
  return joinBytes([Uint8Array.from([id, ...writeLeb(content.length)]), content]);
}

/** Writes a name. */
export function name(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...writeLeb(bytes.length), ...bytes];
}

/** A number that was read, and where what is behind it begins. */
export interface Number32 {
  readonly value: number;
  readonly next: number;
}

/** An unsigned LEB128 number; the module is valid, so it ends. */
export function readLeb(bytes: Uint8Array, start: number): Number32 {
  let value = 0;
  for (let at = start, scale = 1; ; at += 1, scale *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: at + 1 };
  }
}

function readSigned(bytes: Uint8Array, start: number): Number32 {
  let value = 0;
  for (let at = start, shift = 0; ; at += 1, shift += 7) {
    const byte = bytes[at] ?? 0;
    value |= (byte & 0x7f) << shift;
    if (byte >= 0x80) continue;
    const bits = shift + 7;
    return { value: bits < 32 && (byte & 0x40) !== 0 ? value | (-1 << bits) : value, next: at + 1 };
  }
}

/** Writes an unsigned LEB128 number. */
export function writeLeb(value: number): number[] {
  const low = value % 128;
  return value < 128 ? [low] : [low + 128, ...writeLeb(Math.floor(value / 128))];
}
