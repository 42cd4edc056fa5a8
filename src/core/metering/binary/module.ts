/**
 * Decodes a core module as far as metering needs it: where its sections lie, its index spaces, its bodies.
 *
 * Nothing is interpreted twice: sections that metering leaves alone are remembered by their offsets and copied.
 * Proposals that metering does not understand are refused here, by name.
 *
 * @see https://webassembly.github.io/spec/core/binary/modules.html
 */

import { refuseComponent } from "../../errors.ts";
import type { ImportName, Limits } from "./entities.ts";
import { readGlobals, readImport, readLimits, readTable, readTags } from "./entities.ts";
import { Reader } from "./reader.ts";
import type { FunctionType, TypeDefinition } from "./types.ts";
import { readTypes } from "./types.ts";

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
  /** Type index of every tag. */
  readonly tags: readonly number[];
  /** Whether a type or a global of it has vectors, so that code may hold some without an operator on vectors. */
  readonly vectors: boolean;
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
  const tags: number[] = [];
  let importedGlobals = 0;
  let vectors = types.some(hasVectors);
  withSection(bytes, sections, SECTION.import, (reader) => {
    for (let count = reader.u32(); count > 0; count -= 1) {
      const { module, name, kind, limits, typeIndex, vector } = readImport(reader);
      vectors ||= vector;
      imports.push({ module, name, kind });
      if (kind === 0) functions.push(typeIndex);
      else if (kind === 1 && limits !== undefined) tables.push(limits);
      else if (kind === 2 && limits !== undefined) memories.push(limits);
      else if (kind === 3) importedGlobals += 1;
      else if (kind === 4) tags.push(typeIndex);
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
  const globals = withSection(bytes, sections, SECTION.global, readGlobals);
  tags.push(...(withSection(bytes, sections, SECTION.tag, readTags) ?? []));
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
    definedGlobals: globals?.count ?? 0,
    tags,
    vectors: vectors || globals?.vectors === true,
    exports: withSection(bytes, sections, SECTION.export, readExportNames) ?? [],
    start: withSection(bytes, sections, SECTION.start, (reader) => reader.u32()),
    bodies,
  };
}

/** @returns bytes of all function bodies */
export function bodyBytes({ bodies }: WasmModule): number {
  return bodies.reduce((sum, { start, end }) => sum + end - start, 0);
}

function hasVectors(type: TypeDefinition): boolean {
  if (type.kind === "func") return type.params.vectors + type.results.vectors > 0;
  return type.vectors > 0;
}

/** @returns the function type behind a type index. @throws `GatewayError` component-refused when it is none */
export function functionType(module: WasmModule, typeIndex: number): FunctionType {
  const type = module.types[typeIndex];
  if (type?.kind === "func") return type;
  throw refuseComponent(`Cannot meter wasm module: type ${typeIndex} is no function type`);
}

/** @returns a reader of a section's content; of nothing where there is no such section */
export function sectionReader(module: WasmModule, section: Section | undefined): Reader {
  return new Reader(module.bytes, section?.start ?? 0, section?.end ?? 0);
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
