/**
 * The functions that metering adds: where the fuel word leaves the threaded world and comes back into it.
 *
 * - An import wrapper has a threaded type, gives the word's units to the host's counter, calls the import, takes a new
 *   slice.
 * - An export wrapper has the plain type, takes a slice, calls the function, gives back what is left of it.
 * - Helpers do what both have in common, and what code needs where a slice ends: `helpers.ts`.
 *
 * They are numbered behind the module's own functions, which move only where the refill hook is imported before them.
 */

import type { WasmModule } from "../binary/module.ts";
import { functionType } from "../binary/module.ts";
import { OP } from "../binary/walker.ts";
import { Writer } from "../binary/writer.ts";
import { crossingDepth } from "../placement/frames.ts";
import type { Counters, Helper } from "./helpers.ts";
import { HELPER_TYPES, helperBody } from "./helpers.ts";
import type { Signatures } from "./signatures.ts";
import { op, WordCode } from "./word-code.ts";

/** The added functions, made when they are first asked for. */
export class Wrappers {
  readonly #module: WasmModule;
  readonly #signatures: Signatures;
  readonly #counters: Counters;
  readonly #types: number[] = [];
  readonly #bodies: Uint8Array[] = [];
  readonly #imports = new Map<number, number>();
  readonly #exports = new Map<number, number>();
  readonly #helpers = new Map<Helper, number>();
  /** By how much the module's own functions move. */
  readonly #shift: number;

  constructor(module: WasmModule, signatures: Signatures, counters: Counters) {
    this.#module = module;
    this.#signatures = signatures;
    this.#counters = counters;
    this.#shift = counters.refill === undefined ? 0 : 1;
  }

  /** How many functions are added. */
  get count(): number {
    return this.#types.length;
  }

  /** The index of a helper. */
  helper(name: Helper): number {
    const known = this.#helpers.get(name);
    if (known !== undefined) return known;
    const body = helperBody(name, this.#counters, (other) => this.helper(other));
    const { params, results } = HELPER_TYPES[name];
    const index = this.#add(this.#signatures.plain(params, results), body);
    this.#helpers.set(name, index);
    return index;
  }

  /** The index of a function of the module in the metered one, for a name only: an import stays itself. */
  moved(index: number): number {
    return index < this.#module.importedFunctions ? index : index + this.#shift;
  }

  /** The function to call or reference inside for a function of the module: an import gets its wrapper. */
  inside(index: number): number {
    if (index >= this.#module.importedFunctions) return index + this.#shift;
    const known = this.#imports.get(index);
    if (known !== undefined) return known;
    const typeIndex = this.#module.functions[index] ?? 0;
    const wrapper = this.#add(typeIndex, this.#importBody(index, typeIndex));
    this.#imports.set(index, wrapper);
    return wrapper;
  }

  /** The function to export, or to start with, for a function of the module. */
  outside(index: number): number {
    if (index < this.#module.importedFunctions) return index;
    const known = this.#exports.get(index);
    if (known !== undefined) return known;
    const typeIndex = this.#module.functions[index] ?? 0;
    const wrapper = this.#add(this.#signatures.plainOf(typeIndex), this.#exportBody(index, typeIndex));
    this.#exports.set(index, wrapper);
    return wrapper;
  }

  /** Writes the added entries of the function section. */
  writeTypes(writer: Writer): void {
    for (const type of this.#types) writer.u32(type);
  }

  /** Writes the added bodies of the code section. */
  writeBodies(writer: Writer): void {
    for (const body of this.#bodies) {
      writer.u32(body.length);
      writer.copy(body);
    }
  }

  #add(type: number, body: Uint8Array): number {
    this.#types.push(type);
    this.#bodies.push(body);
    return this.#module.functions.length + this.#shift + this.#types.length - 1;
  }

  #importBody(index: number, typeIndex: number): Uint8Array {
    const type = functionType(this.#module, typeIndex);
    const { params } = type;
    const depth = crossingDepth(type);
    const writer = new Writer();
    const word = new WordCode(writer, params.count);
    writer.byte(0);
    word.take(0, depth);
    word.through(this.helper("out"));
    for (let i = 0; i < params.count; i += 1) op(writer, OP.localGet, i);
    op(writer, OP.call, index);
    word.through(this.helper("draw"));
    word.take(0, -depth);
    word.move();
    writer.byte(OP.end);
    return writer.toBytes();
  }

  #exportBody(index: number, typeIndex: number): Uint8Array {
    const { params } = functionType(this.#module, typeIndex);
    const writer = new Writer();
    writer.byte(0);
    for (let i = 0; i < params.count; i += 1) op(writer, OP.localGet, i);
    op(writer, OP.call, this.helper("enter"));
    op(writer, OP.call, this.moved(index));
    op(writer, OP.call, this.helper("exit"));
    writer.byte(OP.end);
    return writer.toBytes();
  }
}
