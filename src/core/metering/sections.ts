/**
 * Rewrites the sections around the code: indices that metering moved, limits that it lowers.
 *
 * Metering adds imported globals behind the module's own imports, so the index of every defined global rises;
 * each place outside code that names a global is rewritten here. Function references go through `function`.
 */

import { refuseComponent } from "../errors.ts";
import { Reader } from "./binary/reader.ts";
import { Writer } from "./binary/writer.ts";
import type { Section, WasmModule } from "./module.ts";
import { nextConstant, readImport, readLimits, readTable, SECTION } from "./module.ts";
import type { Maxima } from "./sizes.ts";
import { skipValueType } from "./types.ts";

/** How indices of the original module translate. */
export interface IndexMap {
  /** A global, anywhere. */
  readonly global: (index: number) => number;
  /** A function taken as a reference: ref.func and element segments. */
  readonly reference: (index: number) => number;
  /** A function exported to the host. */
  readonly export: (index: number) => number;
}

/** How much work segments are at instantiation. */
export interface SegmentSizes {
  readonly dataBytes: number;
  readonly elements: number;
}

/**
 * Import section with plain function types, and the counters behind the module's own imports.
 *
 * @param plainOf a function type as the module spelled it
 * @param counters how many imports `entries` holds
 */
export function writeImports(
  module: WasmModule,
  section: Section | undefined,
  plainOf: (typeIndex: number) => number,
  counters: number,
  entries: Writer,
): Writer {
  const writer = new Writer(entries.length + 16 + (section ? section.end - section.start : 0));
  if (section === undefined) {
    writer.u32(counters);
  } else {
    const reader = new Reader(module.bytes, section.start, section.end);
    const count = reader.u32();
    writer.u32(count + counters);
    for (let i = 0; i < count; i += 1) {
      const start = reader.pos;
      const { kind, typeStart } = readImport(reader);
      if (kind === 0 || kind === 4) {
        writer.copy(module.bytes, start, typeStart);
        writer.u32(plainOf(new Reader(module.bytes, typeStart, reader.pos).u32()));
      } else {
        writer.copy(module.bytes, start, reader.pos);
      }
    }
  }
  writer.copy(entries.view);
  return writer;
}

/** Function section with `added` further entries. */
export function writeFunctions(module: WasmModule, added: number, entries: Writer): Writer {
  const defined = module.functions.slice(module.importedFunctions);
  const writer = new Writer(defined.length * 2 + entries.length + 8);
  writer.u32(defined.length + added);
  for (const typeIndex of defined) writer.u32(typeIndex);
  writer.copy(entries.view);
  return writer;
}

/** Tag section with plain types. */
export function writeTags(
  module: WasmModule,
  section: Section,
  plainOf: (typeIndex: number) => number,
): Writer {
  const reader = new Reader(module.bytes, section.start, section.end);
  const writer = new Writer(section.end - section.start + 16);
  const count = reader.u32();
  writer.u32(count);
  for (let i = 0; i < count; i += 1) {
    writer.byte(reader.byte());
    writer.u32(plainOf(reader.u32()));
  }
  return writer;
}

/** Table section with maxima written in. */
export function writeTables(module: WasmModule, section: Section, maxima: Maxima, map: IndexMap): Writer {
  const reader = new Reader(module.bytes, section.start, section.end);
  const writer = new Writer(section.end - section.start + 16);
  const count = reader.u32();
  writer.u32(count);
  for (let i = 0; i < count; i += 1) {
    const { typeStart, typeEnd, limits, expressionStart } = readTable(reader);
    if (expressionStart !== undefined) writer.bytes(0x40, 0x00);
    writer.copy(module.bytes, typeStart, typeEnd);
    const maximum = maxima.tables[module.importedTables + i] ?? 0n;
    writeLimits(writer, limits.is64, limits.minimum, maximum);
    if (expressionStart !== undefined) {
      copyExpression(new Reader(module.bytes, expressionStart, reader.pos), writer, map);
    }
  }
  return writer;
}

/** Memory section with maxima written in. */
export function writeMemories(module: WasmModule, section: Section, maxima: Maxima): Writer {
  const reader = new Reader(module.bytes, section.start, section.end);
  const writer = new Writer(32);
  const count = reader.u32();
  writer.u32(count);
  for (let i = 0; i < count; i += 1) {
    const limits = readLimits(reader);
    writeLimits(writer, limits.is64, limits.minimum, maxima.memories[module.importedMemories + i] ?? 0n);
  }
  return writer;
}

/** Global section with its initialisers translated, and `added` further definitions that `entries` holds. */
export function writeGlobals(
  module: WasmModule,
  section: Section | undefined,
  map: IndexMap,
  added: number,
  entries: Writer,
): Writer {
  const reader = readerOf(module, section);
  const writer = new Writer(reader.end - reader.pos + entries.length + 16);
  const count = section === undefined ? 0 : reader.u32();
  writer.u32(count + added);
  for (let i = 0; i < count; i += 1) {
    const start = reader.pos;
    skipValueType(reader);
    if (reader.byte() > 1) throw refuseComponent(`Cannot meter wasm module: shared global at ${start}`);
    writer.copy(module.bytes, start, reader.pos);
    copyExpression(reader, writer, map);
  }
  writer.copy(entries.view);
  return writer;
}

/** Export section with functions and globals translated, and `added` further exports that `entries` holds. */
export function writeExports(
  module: WasmModule,
  section: Section | undefined,
  map: IndexMap,
  added: number,
  entries: Writer,
): Writer {
  const reader = readerOf(module, section);
  const writer = new Writer(reader.end - reader.pos + entries.length + 16);
  const count = section === undefined ? 0 : reader.u32();
  writer.u32(count + added);
  for (let i = 0; i < count; i += 1) {
    const start = reader.pos;
    reader.skip(reader.u32());
    const kind = reader.byte();
    writer.copy(module.bytes, start, reader.pos);
    const index = reader.u32();
    writer.u32(kind === 0 ? map.export(index) : kind === 3 ? map.global(index) : index);
  }
  writer.copy(entries.view);
  return writer;
}

/**
 * Element section with offsets and elements translated, and how many elements instantiation writes.
 *
 * @param declared functions that code refers to: declared by a segment of their own behind the module's segments
 */
export function writeElements(
  module: WasmModule,
  section: Section | undefined,
  map: IndexMap,
  declared: ReadonlySet<number>,
): { readonly content: Writer; readonly elements: number } {
  const reader = readerOf(module, section);
  const writer = new Writer((reader.end - reader.pos) * 2 + declared.size * 5 + 16);
  const count = section === undefined ? 0 : reader.u32();
  writer.u32(count + (declared.size > 0 ? 1 : 0));
  let active = 0;
  for (let i = 0; i < count; i += 1) {
    const flags = reader.u32();
    writer.u32(flags);
    const isActive = (flags & 1) === 0;
    if (isActive && flags & 2) writer.u32(reader.u32()); // table
    if (isActive) copyExpression(reader, writer, map);
    if (flags & 3) {
      const start = reader.pos;
      if (flags & 4) skipValueType(reader);
      else reader.byte(); // element kind: function
      writer.copy(module.bytes, start, reader.pos);
    }
    const size = reader.u32();
    writer.u32(size);
    for (let j = 0; j < size; j += 1) {
      if (flags & 4) copyExpression(reader, writer, map);
      else writer.u32(map.reference(reader.u32()));
    }
    if (isActive) active += size;
  }
  if (declared.size > 0) {
    writer.bytes(0x03, 0x00); // declarative, function indices
    writer.u32(declared.size);
    for (const index of declared) writer.u32(index);
  }
  return { content: writer, elements: active };
}

/** Data section with offsets translated, and how many bytes instantiation copies. */
export function writeData(
  module: WasmModule,
  section: Section,
  map: IndexMap,
): { readonly content: Writer; readonly dataBytes: number } {
  const reader = new Reader(module.bytes, section.start, section.end);
  const writer = new Writer(section.end - section.start + 16);
  const count = reader.u32();
  writer.u32(count);
  let active = 0;
  for (let i = 0; i < count; i += 1) {
    const flags = reader.u32();
    writer.u32(flags);
    if (flags === 2) writer.u32(reader.u32()); // memory
    if (flags !== 1) copyExpression(reader, writer, map);
    const start = reader.pos;
    const size = reader.u32();
    reader.skip(size);
    writer.copy(module.bytes, start, reader.pos);
    if (flags !== 1) active += size;
  }
  return { content: writer, dataBytes: active };
}

/** Whether a custom section may be kept: those that point into code by offset would lie afterwards. */
export function survives(section: Section): boolean {
  if (section.id !== SECTION.custom) return true;
  if (section.name.startsWith("metadata.code.")) return false;
  if (section.name.startsWith(".debug_") || section.name === "sourceMappingURL") return false;
  return (
    section.name !== "linking" && !section.name.startsWith("reloc.") && section.name !== "external_debug_info"
  );
}

function readerOf(module: WasmModule, section: Section | undefined): Reader {
  return new Reader(module.bytes, section?.start ?? 0, section?.end ?? 0);
}

function copyExpression(reader: Reader, writer: Writer, map: IndexMap): void {
  for (;;) {
    const start = reader.pos;
    const code = nextConstant(reader);
    if (code === 0x23 || code === 0xd2) {
      const index = new Reader(reader.bytes, start + 1, reader.pos).u32();
      writer.byte(code);
      writer.u32(code === 0x23 ? map.global(index) : map.reference(index));
    } else {
      writer.copy(reader.bytes, start, reader.pos);
    }
    if (code === 0x0b) return;
  }
}

function writeLimits(writer: Writer, is64: boolean, minimum: bigint, maximum: bigint): void {
  writer.byte((is64 ? 0x04 : 0x00) | 0x01);
  writer.u64(minimum);
  writer.u64(maximum);
}
