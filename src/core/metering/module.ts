/**
 * Decodes a core module as far as metering needs it: where its sections lie, its index spaces, its bodies.
 *
 * Nothing is interpreted twice: sections that metering leaves alone are remembered by their offsets and copied.
 * Proposals that metering does not understand are refused here, by name.
 *
 * @see https://webassembly.github.io/spec/core/binary/modules.html
 */

import { refuseComponent } from "../errors.ts";
import { Reader } from "./binary/reader.ts";
import type { FunctionType, TypeDefinition } from "./types.ts";
import { readTypes, skipValueType } from "./types.ts";

/** Section ids of the binary format. */
export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** One section: its id and where its content lies. */
export interface Section {
  readonly id: number;
  readonly start: number;
  readonly end: number;
  /** The name of a custom section, empty otherwise. `start` is behind it. */
  readonly name: string;
}

/** Limits of a memory (pages) or a table (elements). */
export interface Limits {
  readonly minimum: bigint;
  readonly maximum: bigint | undefined;
  /** Whether addresses and sizes are i64. */
  readonly is64: boolean;
}

/** An import, as far as linking by name needs it. */
export interface ImportName {
  readonly module: string;
  readonly name: string;
  /** 0 function, 1 table, 2 memory, 3 global, 4 tag */
  readonly kind: number;
}

/** A decoded module. Index spaces hold the imports first, as the format numbers them. */
export interface WasmModule {
  readonly bytes: Uint8Array;
  readonly sections: readonly Section[];
  readonly types: readonly TypeDefinition[];
  readonly imports: readonly ImportName[];
  /** Type index of every function. */
  readonly functions: readonly number[];
  readonly importedFunctions: number;
  readonly tables: readonly Limits[];
  readonly importedTables: number;
  readonly memories: readonly Limits[];
  readonly importedMemories: number;
  readonly importedGlobals: number;
  readonly definedGlobals: number;
  readonly exports: readonly string[];
  /** The start function, if there is one. */
  readonly start: number | undefined;
  /** Where each defined function's body lies, its size prefix excluded. */
  readonly bodies: readonly { readonly start: number; readonly end: number }[];
}

/**
 * Decodes a core module.
 *
 * @param bytes a core module that the caller has validated
 * @throws `GatewayError` component-refused when it is no core module, or uses what is not metered
 */
export function readModule(bytes: Uint8Array): WasmModule {
  const sections = readSections(bytes);
  const types = withSection(bytes, sections, SECTION.type, readTypes) ?? [];
  const functions: number[] = [];
  const tables: Limits[] = [];
  const memories: Limits[] = [];
  const imports: ImportName[] = [];
  let importedGlobals = 0;
  withSection(bytes, sections, SECTION.import, (reader) => {
    for (let count = reader.u32(); count > 0; count -= 1) {
      const { module, name, kind, limits, typeIndex } = readImport(reader);
      imports.push({ module, name, kind });
      if (kind === 0) functions.push(typeIndex);
      else if (kind === 1 && limits !== undefined) tables.push(limits);
      else if (kind === 2 && limits !== undefined) memories.push(limits);
      else if (kind === 3) importedGlobals += 1;
    }
  });
  const imported = { functions: functions.length, tables: tables.length, memories: memories.length };
  withSection(bytes, sections, SECTION.function, (reader) => {
    for (let count = reader.u32(); count > 0; count -= 1) functions.push(reader.u32());
  });
  withSection(bytes, sections, SECTION.table, (reader) => {
    for (let count = reader.u32(); count > 0; count -= 1) tables.push(readTable(reader).limits);
  });
  withSection(bytes, sections, SECTION.memory, (reader) => {
    for (let count = reader.u32(); count > 0; count -= 1) memories.push(readLimits(reader));
  });
  const bodies = withSection(bytes, sections, SECTION.code, readBodies) ?? [];
  if (bodies.length !== functions.length - imported.functions) {
    throw refuseComponent(
      `Cannot meter wasm module: ${functions.length - imported.functions} functions have ${bodies.length} bodies`,
    );
  }
  return {
    bytes,
    sections,
    types,
    imports,
    functions,
    importedFunctions: imported.functions,
    tables,
    importedTables: imported.tables,
    memories,
    importedMemories: imported.memories,
    importedGlobals,
    definedGlobals: withSection(bytes, sections, SECTION.global, (reader) => reader.u32()) ?? 0,
    exports: withSection(bytes, sections, SECTION.export, readExportNames) ?? [],
    start: withSection(bytes, sections, SECTION.start, (reader) => reader.u32()),
    bodies,
  };
}

/** @returns the function type behind a type index. @throws `GatewayError` component-refused when it is none */
export function functionType(module: WasmModule, typeIndex: number): FunctionType {
  const type = module.types[typeIndex];
  if (type?.kind === "func") return type;
  throw refuseComponent(`Cannot meter wasm module: type ${typeIndex} is no function type`);
}

/** Reads the limits of a memory or a table. @throws `GatewayError` component-refused for shared ones, by name */
export function readLimits(reader: Reader): Limits {
  const at = reader.pos;
  const flags = reader.byte();
  if (flags & 0x02) throw refuseComponent(`Cannot meter wasm module: shared memory (threads) at ${at}`);
  if (flags > 0x05) throw refuseComponent(`Cannot meter wasm module: custom page size at ${at}`);
  const minimum = reader.u64();
  const maximum = flags & 0x01 ? reader.u64() : undefined;
  return { minimum, maximum, is64: (flags & 0x04) !== 0 };
}

/**
 * Reads a table definition up to its limits, and steps over its initialiser.
 *
 * @returns `expressionStart` is where the initialising expression begins, or undefined without one
 */
export function readTable(reader: Reader): {
  readonly typeStart: number;
  readonly typeEnd: number;
  readonly limits: Limits;
  readonly expressionStart: number | undefined;
} {
  const initialised = reader.bytes[reader.pos] === 0x40;
  if (initialised) reader.skip(2);
  const typeStart = reader.pos;
  skipValueType(reader);
  const typeEnd = reader.pos;
  const limits = readLimits(reader);
  const expressionStart = initialised ? reader.pos : undefined;
  if (initialised) skipExpression(reader);
  return { typeStart, typeEnd, limits, expressionStart };
}

/** Steps over a constant expression, its end included. */
export function skipExpression(reader: Reader): void {
  while (nextConstant(reader) !== 0x0b);
}

/**
 * Steps over one operator of a constant expression.
 *
 * @returns its opcode's first byte; 0x0b ends the expression
 */
export function nextConstant(reader: Reader): number {
  const code = reader.byte();
  if (code === 0x0b || (code >= 0x6a && code <= 0x7e)) return code; // end; extended constants
  if (code === 0x41 || code === 0x42 || code === 0xd0) reader.skipLeb();
  else if (code === 0x43) reader.skip(4);
  else if (code === 0x44) reader.skip(8);
  else if (code === 0x23 || code === 0xd2) reader.u32();
  else if (code === 0xfd) {
    reader.u32();
    reader.skip(16);
  } else if (code === 0xfb) {
    const sub = reader.u32();
    if (sub <= 8) reader.u32();
    if (sub === 8) reader.u32();
  } else {
    throw refuseComponent(
      `Cannot meter wasm module: operator 0x${code.toString(16)} in a constant expression at ${reader.pos}`,
    );
  }
  return code;
}

function readSections(bytes: Uint8Array): Section[] {
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  if (header.some((byte, i) => bytes[i] !== byte)) {
    throw refuseComponent("Cannot meter wasm: it is not a core module of version 1");
  }
  const reader = new Reader(bytes, header.length);
  const sections: Section[] = [];
  while (!reader.done) {
    const id = reader.byte();
    const size = reader.u32();
    const content = reader.pos;
    reader.skip(size);
    if (id > SECTION.tag)
      throw refuseComponent(`Cannot meter wasm module: unknown section ${id} at ${content}`);
    let start = content;
    let name = "";
    if (id === SECTION.custom) {
      const inner = new Reader(bytes, content, reader.pos);
      name = inner.name();
      start = inner.pos;
    }
    sections.push({ id, start, end: reader.pos, name });
  }
  return sections;
}

function withSection<T>(
  bytes: Uint8Array,
  sections: readonly Section[],
  id: number,
  read: (reader: Reader) => T,
): T | undefined {
  const section = sections.find((candidate) => candidate.id === id);
  return section && read(new Reader(bytes, section.start, section.end));
}

/**
 * Reads one import.
 *
 * @returns its names, its kind, where its type begins, and what the type adds to an index space
 * @throws `GatewayError` component-refused for kinds that are not metered
 */
export function readImport(reader: Reader): ImportName & {
  readonly typeStart: number;
  readonly limits: Limits | undefined;
  readonly typeIndex: number;
} {
  const module = reader.name();
  const name = reader.name();
  const at = reader.pos;
  const kind = reader.byte();
  let typeStart = reader.pos;
  let limits: Limits | undefined;
  let typeIndex = 0;
  if (kind === 0) typeIndex = reader.u32();
  else if (kind === 1) limits = readTable(reader).limits;
  else if (kind === 2) limits = readLimits(reader);
  else if (kind === 3) {
    skipValueType(reader);
    if (reader.byte() > 1) throw refuseComponent(`Cannot meter wasm module: shared global at ${at}`);
  } else if (kind === 4) {
    reader.byte(); // attribute: an exception
    typeStart = reader.pos;
    typeIndex = reader.u32();
  } else {
    throw refuseComponent(`Cannot meter wasm module: import kind ${kind} of "${module}" "${name}"`, [module]);
  }
  return { module, name, kind, typeStart, limits, typeIndex };
}

function readExportNames(reader: Reader): string[] {
  const names: string[] = [];
  for (let count = reader.u32(); count > 0; count -= 1) {
    names.push(reader.name());
    reader.byte();
    reader.u32();
  }
  return names;
}

function readBodies(reader: Reader): { start: number; end: number }[] {
  const bodies: { start: number; end: number }[] = [];
  for (let count = reader.u32(); count > 0; count -= 1) {
    const size = reader.u32();
    bodies.push({ start: reader.pos, end: reader.pos + size });
    reader.skip(size);
  }
  return bodies;
}
