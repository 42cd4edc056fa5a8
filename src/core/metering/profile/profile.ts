/**
 * Makes a module tell the host which function it is in, so that fuel can be told by function.
 *
 * A pass before metering: it adds calls of three imports to every body, and metering then counts the module like any
 * other. At a call of an import the host's counter is exact, so what was spent between two such calls is what the
 * function on top spent. What the added operators themselves take is stated in the calls, and the host gives it back:
 * a profiled run takes the fuel of a plain one, to the unit, and ends where that ends.
 *
 * | event | said | behind it |
 * |---|---|---|
 * | `enter(function, own, added)` | first in a body, and before a call of an import | `function` is on top |
 * | `leave(frame, added)` | before every way out | the frame below is |
 * | `resume(frame, added)` | behind a call of an import, and where an exception lands | that frame is, whatever was above |
 *
 * A frame is the number that `enter` gave. A function is `module` × 2^20 + its index as the module spelled it; `own`
 * is its entry cost, which was taken before the event and is not the caller's, and 0 for an import; `added` is what
 * the event and its surroundings take.
 *
 * Function indices move up by three; whoever wants names reads them from the module as it was ({@link functionNames}).
 * Custom sections are dropped. Call depth may end earlier than in a plain run, as no function is small any more.
 */

import { refuseComponent } from "../../errors.ts";
import { readTable } from "../binary/entities.ts";
import type { IndexMap } from "../binary/index-map.ts";
import { copyExpression } from "../binary/index-map.ts";
import type { Section, WasmModule } from "../binary/module.ts";
import { readModule, SECTION, sectionReader } from "../binary/module.ts";
import { Reader } from "../binary/reader.ts";
import { Writer } from "../binary/writer.ts";
import { writeExports, writeGlobals, writeImports } from "../sections/sections.ts";
import { writeData, writeElements } from "../sections/segments.ts";
import { writeProfiledBody } from "./profile-body.ts";
import { PROFILE_IMPORT, PROFILED_FUNCTIONS } from "./profile-events.ts";

const I32 = 0x7f;
const ORDER: readonly number[] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
const EVENTS = 3;

/**
 * Adds the events.
 *
 * @param wasm a valid core module
 * @param ordinal tells the modules of one component apart, 0 to 1023
 * @returns a module to be metered
 * @throws `GatewayError` component-refused for what is not understood, and for a module with such imports already
 */
export function addProfile(wasm: Uint8Array, ordinal: number): Uint8Array<ArrayBuffer> {
  const module = readModule(wasm);
  if (module.imports.some((each) => each.module === PROFILE_IMPORT.module)) {
    throw refuseComponent(
      `Cannot profile wasm module: it imports from "${PROFILE_IMPORT.module}", which is the host's own`,
    );
  }
  const { importedFunctions } = module;
  const moved = (index: number): number => (index < importedFunctions ? index : index + EVENTS);
  const map: IndexMap = { global: (index) => index, reference: moved, export: moved };
  const types = new AddedTypes(module.types.length);
  const events = [types.of(3, 1), types.of(2, 0), types.of(2, 0)];
  const code = writeCode(module, ordinal, moved, types);
  const sections = new Map(module.sections.map((section) => [section.id, section]));
  const writer = new Writer(wasm.length * 1.5);
  writer.copy(wasm, 0, 8);
  for (const id of ORDER) {
    const content = contentOf(id, sections.get(id), { module, map, types, events, code });
    if (content !== undefined) writer.section(id, content);
  }
  return writer.toBytes();
}

interface Parts {
  readonly module: WasmModule;
  readonly map: IndexMap;
  readonly types: AddedTypes;
  readonly events: readonly number[];
  readonly code: Writer;
}

function contentOf(id: number, section: Section | undefined, parts: Parts): Writer | undefined {
  const { module, map, types, events, code } = parts;
  const same = (index: number): number => index;
  switch (id) {
    case SECTION.type:
      return types.write(module, section);
    case SECTION.import:
      return writeImports(module, section, same, EVENTS, eventImports(events));
    default:
      if (section === undefined) return undefined;
  }
  switch (id) {
    case SECTION.table:
      return writeTables(module, section, map);
    case SECTION.global:
      return writeGlobals(module, section, map);
    case SECTION.export:
      return writeExports(module, section, map);
    case SECTION.start: {
      const start = new Writer(8);
      start.u32(map.export(module.start ?? 0));
      return start;
    }
    case SECTION.element:
      return writeElements(module, section, map, new Set()).content;
    case SECTION.data:
      return writeData(module, section, map).content;
    case SECTION.code:
      return code;
    default: {
      const content = new Writer(section.end - section.start);
      content.copy(module.bytes, section.start, section.end);
      return content;
    }
  }
}

function writeCode(
  module: WasmModule,
  ordinal: number,
  moved: (index: number) => number,
  types: AddedTypes,
): Writer {
  const content = new Writer(module.bytes.length * 1.5);
  const body = new Writer(65_536);
  content.u32(module.bodies.length);
  const context = {
    module,
    moved,
    firstFunction: ordinal * PROFILED_FUNCTIONS,
    blockOf: (start: number, end: number, count: number) => types.block(module.bytes, start, end, count),
  };
  module.bodies.forEach((_, position) => {
    body.clear();
    writeProfiledBody(context, position, body);
    content.sized(body);
  });
  return content;
}

/** Table section with its limits as they are, and functions in initialisers moved. */
function writeTables(module: WasmModule, section: Section, map: IndexMap): Writer {
  const reader = sectionReader(module, section);
  const writer = new Writer(section.end - section.start + 16);
  const count = reader.u32();
  writer.u32(count);
  for (let i = 0; i < count; i += 1) {
    const start = reader.pos;
    const { expressionStart } = readTable(reader);
    writer.copy(module.bytes, start, expressionStart ?? reader.pos);
    if (expressionStart !== undefined) {
      copyExpression(new Reader(module.bytes, expressionStart, reader.pos), writer, map);
    }
  }
  return writer;
}

function eventImports(types: readonly number[]): Writer {
  const writer = new Writer(128);
  [PROFILE_IMPORT.enter, PROFILE_IMPORT.leave, PROFILE_IMPORT.resume].forEach((name, i) => {
    writer.name(PROFILE_IMPORT.module);
    writer.name(name);
    writer.byte(0);
    writer.u32(types[i] ?? 0);
  });
  return writer;
}

/** Function types behind the module's own. */
class AddedTypes {
  readonly #first: number;
  readonly #spelled = new Map<string, number>();
  readonly #content = new Writer(256);

  constructor(first: number) {
    this.#first = first;
  }

  /** @returns the type of so many i32 parameters and results */
  of(params: number, results: number): number {
    const i32s = (count: number): number[] => new Array<number>(count).fill(I32);
    return this.#append([0x60, params, ...i32s(params), results, ...i32s(results)]);
  }

  /** @returns a block type without parameters and with the results that are spelled there */
  block(bytes: Uint8Array, start: number, end: number, count: number): Uint8Array {
    const writer = new Writer(16);
    if (count === 0) writer.byte(0x40);
    else if (count === 1) writer.copy(bytes, start, end);
    else {
      const type = new Writer(32);
      type.bytes(0x60, 0);
      type.u32(count);
      type.copy(bytes, start, end);
      writer.signed(this.#append([...type.view]));
    }
    return writer.toBytes();
  }

  write(module: WasmModule, section: Section | undefined): Writer {
    const reader = sectionReader(module, section);
    const writer = new Writer(reader.end - reader.pos + this.#content.length + 16);
    writer.u32((section === undefined ? 0 : reader.u32()) + this.#spelled.size);
    writer.copy(module.bytes, reader.pos, reader.end);
    writer.copy(this.#content.view);
    return writer;
  }

  #append(spelled: readonly number[]): number {
    const key = spelled.join();
    const known = this.#spelled.get(key);
    if (known !== undefined) return known;
    const index = this.#first + this.#spelled.size;
    this.#spelled.set(key, index);
    this.#content.bytes(...spelled);
    return index;
  }
}

/**
 * The names of a module's functions: of imports where they come from, of others what the name section or else an
 * export says.
 *
 * @param wasm the module as it was, before any pass
 * @returns by function index; functions that nothing names are not in it
 */
export function functionNames(wasm: Uint8Array): ReadonlyMap<number, string> {
  const module = readModule(wasm);
  const names = new Map<number, string>();
  const exports = sectionReader(
    module,
    module.sections.find(({ id }) => id === SECTION.export),
  );
  if (!exports.done) {
    for (let count = exports.u32(); count > 0; count -= 1) {
      const name = exports.name();
      const kind = exports.byte();
      const index = exports.u32();
      if (kind === 0 && !names.has(index)) names.set(index, name);
    }
  }
  for (const [index, name] of namesInSection(module)) names.set(index, name);
  module.imports
    .filter(({ kind }) => kind === 0)
    .forEach((each, index) => {
      names.set(index, `${each.module} ${each.name}`);
    });
  return names;
}

/** A name section is for people: one that does not decode names nothing. */
function namesInSection(module: WasmModule): readonly (readonly [number, string])[] {
  const section = module.sections.find(({ name, id }) => id === SECTION.custom && name === "name");
  const reader = sectionReader(module, section);
  const names: [number, string][] = [];
  try {
    while (!reader.done) {
      const id = reader.byte();
      const size = reader.u32();
      const end = reader.pos + size;
      if (id === 1)
        for (let count = reader.u32(); count > 0; count -= 1) names.push([reader.u32(), reader.name()]);
      reader.pos = end;
    }
  } catch {
    return names;
  }
  return names;
}
