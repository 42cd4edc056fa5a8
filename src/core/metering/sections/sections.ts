/**
 * Rewrites the sections around the code: indices that metering moved, limits that it lowers.
 *
 * Metering adds imported globals behind the module's own imports, so the index of every defined global rises;
 * each place outside code that names a global is rewritten here. Function references go through `function`.
 */

import { refuseComponent } from "../../errors.ts";
import { readImport, readLimits, readTable } from "../binary/entities.ts";
import type { IndexMap } from "../binary/index-map.ts";
import { copyExpression } from "../binary/index-map.ts";
import type { Section, WasmModule } from "../binary/module.ts";
import { SECTION, sectionReader } from "../binary/module.ts";
import { Reader } from "../binary/reader.ts";
import { skipValueType } from "../binary/types.ts";
import { OP } from "../binary/walker.ts";
import { Writer } from "../binary/writer.ts";
import type { Maxima } from "../placement/sizes.ts";

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

/** Global section with its initialisers translated, and behind its own a mutable i32 that begins with `added`, if any. */
export function writeGlobals(
  module: WasmModule,
  section: Section | undefined,
  map: IndexMap,
  added?: number,
): Writer {
  const reader = sectionReader(module, section);
  const writer = new Writer(reader.end - reader.pos + 16);
  const count = section === undefined ? 0 : reader.u32();
  writer.u32(count + (added === undefined ? 0 : 1));
  for (let i = 0; i < count; i += 1) {
    const start = reader.pos;
    skipValueType(reader);
    if (reader.byte() > 1) throw refuseComponent(`Cannot meter wasm module: shared global at ${start}`);
    writer.copy(module.bytes, start, reader.pos);
    copyExpression(reader, writer, map);
  }
  if (added !== undefined) {
    writer.bytes(0x7e, 0x01, OP.i64Const); // i64, mutable
    writer.signed(added);
    writer.byte(OP.end);
  }
  return writer;
}

/** Export section with functions and globals translated. */
export function writeExports(module: WasmModule, section: Section, map: IndexMap): Writer {
  const reader = sectionReader(module, section);
  const writer = new Writer(reader.end - reader.pos + 16);
  const count = reader.u32();
  writer.u32(count);
  for (let i = 0; i < count; i += 1) {
    const start = reader.pos;
    reader.skip(reader.u32());
    const kind = reader.byte();
    writer.copy(module.bytes, start, reader.pos);
    const index = reader.u32();
    writer.u32(kind === 0 ? map.export(index) : kind === 3 ? map.global(index) : index);
  }
  return writer;
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

function writeLimits(writer: Writer, is64: boolean, minimum: bigint, maximum: bigint): void {
  writer.byte((is64 ? 0x04 : 0x00) | 0x01);
  writer.u64(minimum);
  writer.u64(maximum);
}
