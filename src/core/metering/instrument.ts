/**
 * Turns a core module into a metered one: the whole pass, section by section.
 *
 * What the host does with the result is said at {@link FUEL_IMPORT}.
 */

import { refuseComponent } from "../errors.ts";
import { Writer } from "./binary/writer.ts";
import type { FunctionBody } from "./body.ts";
import { readBody } from "./body.ts";
import { instantiationCost } from "./costs.ts";
import type { InjectContext } from "./inject.ts";
import { injectBody } from "./inject.ts";
import { checkSize, DEFAULT_MAX_TABLE_ELEMENTS, decideMaxima, MAX_BODY_BYTES } from "./limits.ts";
import type { Section, WasmModule } from "./module.ts";
import { readModule, SECTION } from "./module.ts";
import { writeNames } from "./names.ts";
import type { IndexMap } from "./sections.ts";
import {
  survives,
  writeData,
  writeElements,
  writeExports,
  writeGlobals,
  writeMemories,
  writeTables,
} from "./sections.ts";
import type { Maxima } from "./sizes.ts";

/** What a caller may choose. */
export interface MeterOptions {
  /** Cap on all memories that the module defines together, in bytes; rounded down to pages of 64 KiB. */
  readonly maxMemoryBytes: number;
  /** Cap on all tables that the module defines together, in elements. Default {@link DEFAULT_MAX_TABLE_ELEMENTS}. */
  readonly maxTableElements?: number;
  /** Frames a call may nest; a frame with many locals counts several times. Default {@link DEFAULT_MAX_CALL_DEPTH}. */
  readonly maxCallDepth?: number;
  /** Lets relaxed SIMD pass, whose results differ between machines. Default false. */
  readonly allowRelaxedSimd?: boolean;
}

/** What the pass found and did. */
export interface MeterStats {
  readonly functions: number;
  readonly charges: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Units for segments and tables; the host charges them before it instantiates. */
  readonly instantiationFuel: number;
}

/** The result of {@link instrument}. */
export interface MeteredModule {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly stats: MeterStats;
}

/** Where the caller names no depth. */
export const DEFAULT_MAX_CALL_DEPTH = 4096;

/**
 * What a metered module imports. All core modules of one component share the same two globals.
 *
 * ```js
 * const left = new WebAssembly.Global({ value: "i64", mutable: true }, budget);
 * const depth = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
 * imports["writ:fuel"] = { left, depth };
 * ```
 *
 * - `left`: units left. The host sets it to the budget (0 ≤ budget < 2^62) before it instantiates (start functions
 *   are metered), and may lower it between calls or inside an import to charge for its own work.
 *   Fuel used is budget − left, at any time, after a normal end as after a trap.
 *   `left < 0` means exhausted, and only that: the guest was stopped by a trap
 *   (`WebAssembly.RuntimeError`, unreachable) and used is the budget.
 * - `depth`: frames in use. The host sets it to 0 before each call that no guest frame is under; after a trap it
 *   holds whatever it held. `depth < 0` after a trap means that the call depth limit stopped the guest.
 *
 * An instance that has been exhausted or has trapped must not be called again.
 */
export const FUEL_IMPORT = {
  module: "writ:fuel",
  left: { name: "left", type: "i64", mutable: true },
  depth: { name: "depth", type: "i32", mutable: true },
} as const;

/**
 * Meters a core module.
 *
 * The caller validates the ORIGINAL bytes first (`WebAssembly.validate`): some invalid modules would become valid
 * by being rewritten, among them ones that name the meter's own locals.
 *
 * Exactness: an operator is paid for before it runs, together with the rest of its region (a run of operators that
 * no branch, label or call interrupts, at most about 100 units). A trap inside a region leaves the region paid whole.
 * Exhaustion stops the guest before anything it can not pay for.
 *
 * @param wasm a valid core module
 * @param options limits; see {@link MeterOptions}
 * @returns the metered module and figures about it
 * @throws `GatewayError` component-refused for what is not understood or exceeds a limit, by name
 */
export function instrument(wasm: Uint8Array, options: MeterOptions): MeteredModule {
  checkSize(wasm);
  const module = readModule(wasm);
  refuseFuelImports(module);
  const maxima = decideMaxima(
    module,
    options.maxMemoryBytes,
    options.maxTableElements ?? DEFAULT_MAX_TABLE_ELEMENTS,
  );
  const { importedGlobals } = module;
  const global = (index: number): number => (index < importedGlobals ? index : index + 2);
  const blockTypes = new BlockTypes(module);
  const context: InjectContext = {
    module,
    maxima,
    relaxedSimd: options.allowRelaxedSimd ?? false,
    maxCallDepth: options.maxCallDepth ?? DEFAULT_MAX_CALL_DEPTH,
    leftGlobal: importedGlobals,
    depthGlobal: importedGlobals + 1,
    global,
    resultBlockType: (body) => blockTypes.ofResults(body),
  };
  const { content: code, charges } = writeCode(context);
  const map: IndexMap = { global, reference: (index) => index, export: (index) => index };
  const { out, instantiationFuel } = assemble(module, maxima, map, blockTypes, code);
  return {
    wasm: out,
    stats: {
      functions: module.bodies.length,
      charges,
      bytesBefore: wasm.length,
      bytesAfter: out.length,
      instantiationFuel,
    },
  };
}

/** A guest that could import the counter could refill it. */
function refuseFuelImports(module: WasmModule): void {
  const names = module.imports.filter((each) => each.module === FUEL_IMPORT.module).map((each) => each.name);
  if (names.length === 0) return;
  throw refuseComponent(
    `Cannot meter wasm module: it imports "${names.join('", "')}" of ${FUEL_IMPORT.module}, which is the host's own`,
    names.map((name) => `${FUEL_IMPORT.module}/${name}`),
  );
}

function writeCode(context: InjectContext): { readonly content: Writer; readonly charges: number } {
  const { module } = context;
  const last = module.bodies[module.bodies.length - 1];
  const content = new Writer((last?.end ?? 0) * 2);
  const scratch = new Writer(4096);
  content.u32(module.bodies.length);
  let charges = 0;
  for (let position = 0; position < module.bodies.length; position += 1) {
    const body = readBody(module, position);
    scratch.clear();
    charges += injectBody(context, body, scratch);
    if (scratch.length > MAX_BODY_BYTES) {
      throw refuseComponent(
        `Cannot meter wasm function ${body.index}: ${scratch.length} bytes exceed the limit of ${MAX_BODY_BYTES}`,
      );
    }
    content.sized(scratch);
  }
  return { content, charges };
}

/** Block types for the block that metering puts around a body; types it adds stand behind the module's own. */
class BlockTypes {
  readonly #module: WasmModule;
  readonly #added = new Map<string, number>();
  readonly content = new Writer();

  constructor(module: WasmModule) {
    this.#module = module;
  }

  /** Recursion groups added. */
  get count(): number {
    return this.#added.size;
  }

  ofResults({ type }: FunctionBody): Uint8Array {
    const { count, start, end } = type.results;
    if (count === 0) return Uint8Array.of(0x40);
    const spelled = this.#module.bytes.subarray(start, end);
    if (count === 1) return spelled;
    const key = spelled.join();
    let index = this.#added.get(key);
    if (index === undefined) {
      index = this.#module.types.length + this.#added.size;
      this.#added.set(key, index);
      this.content.bytes(0x60, 0x00);
      this.content.u32(count);
      this.content.copy(spelled);
    }
    const writer = new Writer(8);
    writer.signed(index);
    return writer.toBytes();
  }
}

/** Where a section stands among the others; custom sections stand anywhere. */
const ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

function assemble(
  module: WasmModule,
  maxima: Maxima,
  map: IndexMap,
  blockTypes: BlockTypes,
  code: Writer,
): { readonly out: Uint8Array<ArrayBuffer>; readonly instantiationFuel: number } {
  const writer = new Writer(module.bytes.length + code.length);
  writer.copy(module.bytes, 0, 8);
  const sizes = { dataBytes: 0, elements: 0 };
  let imported = false;
  const imports = (section: Section | undefined): void => {
    if (!imported) writer.section(SECTION.import, writeImports(module, section));
    imported = true;
  };
  for (const section of module.sections) {
    if (section.id === SECTION.import) {
      imports(section);
      continue;
    }
    if (section.id !== SECTION.custom && ORDER.indexOf(section.id) > ORDER.indexOf(SECTION.import))
      imports(undefined);
    if (!survives(section)) continue;
    writer.section(section.id, content(section));
  }
  imports(undefined);
  const definedTables = module.tables.slice(module.importedTables);
  const tableElements = definedTables.reduce((sum, limits) => sum + Number(limits.minimum), 0);
  return {
    out: writer.toBytes(),
    instantiationFuel: instantiationCost(sizes.dataBytes, sizes.elements, tableElements),
  };

  function content(section: Section): Writer {
    switch (section.id) {
      case SECTION.type:
        return writeTypes(module, section, blockTypes);
      case SECTION.table:
        return writeTables(module, section, maxima, map);
      case SECTION.memory:
        return writeMemories(module, section, maxima);
      case SECTION.global:
        return writeGlobals(module, section, map);
      case SECTION.export:
        return writeExports(module, section, map);
      case SECTION.element: {
        const written = writeElements(module, section, map);
        sizes.elements = written.elements;
        return written.content;
      }
      case SECTION.code:
        return code;
      case SECTION.data: {
        const written = writeData(module, section, map);
        sizes.dataBytes = written.dataBytes;
        return written.content;
      }
      case SECTION.custom:
        return writeCustom(module, section, map);
      default:
        return copySection(module, section);
    }
  }
}

function copySection(module: WasmModule, section: Section): Writer {
  const writer = new Writer(section.end - section.start);
  writer.copy(module.bytes, section.start, section.end);
  return writer;
}

function writeCustom(module: WasmModule, section: Section, map: IndexMap): Writer {
  const writer = new Writer(section.end - section.start + 16);
  writer.name(section.name);
  if (section.name === "name") {
    writer.copy(writeNames(module, section, { global: map.global, local: (_, index) => index }).view);
  } else {
    writer.copy(module.bytes, section.start, section.end);
  }
  return writer;
}

/** Copies a section that is a vector, and appends `added` entries. */
function appendTo(module: WasmModule, section: Section | undefined, added: number, entries: Writer): Writer {
  const writer = new Writer(64 + entries.length + (section ? section.end - section.start : 0));
  if (section === undefined) {
    writer.u32(added);
  } else {
    const { count, rest } = vectorHead(module.bytes, section);
    writer.u32(count + added);
    writer.copy(module.bytes, rest, section.end);
  }
  writer.copy(entries.view);
  return writer;
}

function vectorHead(bytes: Uint8Array, section: Section): { readonly count: number; readonly rest: number } {
  let count = 0;
  let rest = section.start;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[rest] ?? 0;
    rest += 1;
    count += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { count, rest };
  }
}

function writeTypes(module: WasmModule, section: Section, blockTypes: BlockTypes): Writer {
  return appendTo(module, section, blockTypes.count, blockTypes.content);
}

function writeImports(module: WasmModule, section: Section | undefined): Writer {
  const entries = new Writer(64);
  for (const { name, type } of [FUEL_IMPORT.left, FUEL_IMPORT.depth]) {
    entries.name(FUEL_IMPORT.module);
    entries.name(name);
    entries.bytes(0x03, type === "i64" ? 0x7e : 0x7f, 0x01);
  }
  return appendTo(module, section, 2, entries);
}
