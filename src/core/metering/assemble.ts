/**
 * Puts the metered module together: sections in their order, those that metering adds where they belong.
 */

import type { IndexMap } from "./binary/index-map.ts";
import type { Section } from "./binary/module.ts";
import { SECTION } from "./binary/module.ts";
import { Writer } from "./binary/writer.ts";
import { instantiationCost } from "./costs.ts";
import { FUEL_IMPORT } from "./fuel-import.ts";
import { writeNames } from "./sections/names.ts";
import {
  survives,
  writeExports,
  writeFunctions,
  writeGlobals,
  writeImports,
  writeMemories,
  writeTables,
  writeTags,
} from "./sections/sections.ts";
import { writeData, writeElements } from "./sections/segments.ts";
import type { InjectContext } from "./threading/rewrite-context.ts";
import { FIRST_SLICE } from "./word.ts";

/** The order that the format asks of sections; custom sections stand anywhere. */
const ORDER: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

/**
 * Assembles the metered module.
 *
 * @param context whose wrappers and signatures the code has asked for what it needs
 * @param bodies the module's own bodies, metered, each behind its size, in pieces that are given back
 * @param codeBytes that instantiation is charged for
 */
export function assemble(
  context: InjectContext,
  bodies: readonly Writer[],
  codeBytes: number,
): { readonly out: Uint8Array<ArrayBuffer>; readonly instantiationFuel: number } {
  const { module } = context;
  const { contents, instantiationFuel } = writeContents(context, bodies, codeBytes);
  const hints = context.hints.write();
  const sections: WrittenSection[] = [];
  let next = 0;
  const writeUpTo = (rank: number): void => {
    for (; next <= rank; next += 1) {
      const id = ORDER[next] ?? 0;
      if (id === SECTION.code && hints !== undefined) sections.push({ id: SECTION.custom, parts: [hints] });
      const parts = contents.get(id);
      if (parts !== undefined) sections.push({ id, parts });
    }
  };
  for (const section of module.sections) {
    if (section.id !== SECTION.custom) writeUpTo(ORDER.indexOf(section.id));
    else if (survives(section)) sections.push({ id: SECTION.custom, parts: [writeCustom(context, section)] });
  }
  writeUpTo(ORDER.length - 1);
  return { out: join(module.bytes.subarray(0, 8), sections), instantiationFuel };
}

interface WrittenSection {
  readonly id: number;
  readonly parts: readonly Writer[];
}

/**
 * Puts sections behind each other in bytes of exactly their length, and gives each part back once it is there: a second
 * copy of a large module would be one too many.
 */
function join(preamble: Uint8Array, sections: readonly WrittenSection[]): Uint8Array<ArrayBuffer> {
  const heads = sections.map(({ id, parts }) => {
    const head = new Writer(16);
    head.byte(id);
    head.u32(parts.reduce((sum, { length }) => sum + length, 0));
    return head;
  });
  const pieces = sections.flatMap(({ parts }, i) => [heads[i] ?? new Writer(), ...parts]);
  const out = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, preamble.length));
  out.set(preamble);
  let at = preamble.length;
  for (const piece of pieces) {
    out.set(piece.view, at);
    at += piece.length;
    piece.release();
  }
  return out;
}

/** The contents of all sections that the metered module has, by id. */
function writeContents(
  context: InjectContext,
  bodies: readonly Writer[],
  codeBytes: number,
): { readonly contents: ReadonlyMap<number, readonly Writer[]>; readonly instantiationFuel: number } {
  const { module, maxima, signatures, wrappers, references, global } = context;
  const sections = new Map(module.sections.map((section) => [section.id, section]));
  const map: IndexMap = {
    global,
    reference: (index) => wrappers.inside(index),
    export: (index) => wrappers.outside(index),
  };
  const plainOf = (typeIndex: number): number => signatures.plainOf(typeIndex);
  const contents = new Map<number, readonly Writer[]>();
  const write = (id: number, content: (section: Section) => Writer): void => {
    const section = sections.get(id);
    if (section !== undefined) contents.set(id, [content(section)]);
  };
  // Whatever may ask for a wrapper or a plain type comes before the sections that list them.
  const refillType = context.refill ? signatures.plain([], []) : undefined;
  const entries = counterImports(refillType, context.refused !== undefined);
  const added = 2 + (context.refill ? 1 : 0) + (context.refused === undefined ? 0 : 1);
  const imports = writeImports(module, sections.get(SECTION.import), plainOf, added, entries);
  contents.set(SECTION.import, [imports]);
  write(SECTION.table, (section) => writeTables(module, section, maxima, map));
  write(SECTION.memory, (section) => writeMemories(module, section, maxima));
  write(SECTION.tag, (section) => writeTags(module, section, plainOf));
  contents.set(SECTION.global, [writeGlobals(module, sections.get(SECTION.global), map, FIRST_SLICE)]);
  write(SECTION.export, (section) => writeExports(module, section, map));
  let elements = 0;
  if (sections.has(SECTION.element) || references.size > 0) {
    const written = writeElements(module, sections.get(SECTION.element), map, references);
    contents.set(SECTION.element, [written.content]);
    elements = written.elements;
  }
  write(SECTION.dataCount, (section) => copySection(module.bytes, section));
  let dataBytes = 0;
  write(SECTION.data, (section) => {
    const written = writeData(module, section, map);
    dataBytes = written.dataBytes;
    return written.content;
  });
  if (module.start !== undefined) {
    const start = new Writer(8);
    start.u32(wrappers.outside(module.start));
    contents.set(SECTION.start, [start]);
  }
  const types = new Writer(4096);
  wrappers.writeTypes(types);
  if (module.bodies.length + wrappers.count > 0) {
    contents.set(SECTION.function, [writeFunctions(module, wrappers.count, types)]);
    const count = new Writer(8);
    count.u32(module.bodies.length + wrappers.count);
    const added = new Writer(65_536);
    wrappers.writeBodies(added);
    contents.set(SECTION.code, [count, ...bodies, added]);
  }
  const signed = signatures.write(sections.get(SECTION.type));
  if (signed.length > 1) contents.set(SECTION.type, [signed]);
  const definedTables = module.tables.slice(module.importedTables);
  const tableElements = definedTables.reduce((sum, limits) => sum + Number(limits.minimum), 0);
  return { contents, instantiationFuel: instantiationCost(codeBytes, dataBytes, elements, tableElements) };
}

/**
 * @param refillType the type of the refill hook where it is imported
 * @param refusals whether the note of refused growth is
 */
function counterImports(refillType: number | undefined, refusals: boolean): Writer {
  const entries = new Writer(64);
  const { left, depth, refused } = FUEL_IMPORT;
  for (const { name, type } of refusals ? [left, depth, refused] : [left, depth]) {
    entries.name(FUEL_IMPORT.module);
    entries.name(name);
    entries.bytes(0x03, type === "i64" ? 0x7e : 0x7f, 0x01);
  }
  if (refillType !== undefined) {
    entries.name(FUEL_IMPORT.module);
    entries.name(FUEL_IMPORT.refill.name);
    entries.byte(0x00);
    entries.u32(refillType);
  }
  return entries;
}

function copySection(bytes: Uint8Array, section: Section): Writer {
  const writer = new Writer(section.end - section.start);
  writer.copy(bytes, section.start, section.end);
  return writer;
}

function writeCustom(context: InjectContext, section: Section): Writer {
  const { module, global, wrappers } = context;
  const writer = new Writer(section.end - section.start + 16);
  writer.name(section.name);
  if (section.name !== "name") {
    writer.copy(module.bytes, section.start, section.end);
    return writer;
  }
  const local = (functionIndex: number, index: number): number => {
    const type = module.types[module.functions[functionIndex] ?? -1];
    return type?.kind === "func" && index >= type.params.count ? index + 1 : index;
  };
  writer.copy(
    writeNames(module, section, { function: (index) => wrappers.moved(index), global, local }).view,
  );
  return writer;
}
