/**
 * The functions that metering adds: where the fuel word leaves the threaded world and comes back into it.
 *
 * - `stop` ends an exhausted guest: it tells the host, and the caller traps.
 * - An import wrapper has a threaded type, writes the word to the host's globals, calls the import, reads it back.
 * - An export wrapper has the plain type, reads the globals into a word, calls the function, writes it back.
 *
 * They are numbered behind the module's own functions, so no index of a function moves.
 */

import { Writer } from "./binary/writer.ts";
import type { WasmModule } from "./module.ts";
import { functionType } from "./module.ts";
import type { Signatures } from "./signatures.ts";
import { OP } from "./walker.ts";
import { DEPTH_BITS, DEPTH_GUARD, DEPTH_MASK } from "./word.ts";
import type { Counters } from "./word-code.ts";
import { i32, i64, op, pushCounted, WordCode } from "./word-code.ts";

const I64 = 0x7e;
const EMPTY = 0x40;

/** An exhausted guest reports no more than this below zero, however much it asked for. */
const MOST_BELOW_ZERO = -200;

/** The added functions, made when they are first asked for. */
export class Wrappers {
  readonly #module: WasmModule;
  readonly #signatures: Signatures;
  readonly #counters: Counters;
  readonly #types: number[] = [];
  readonly #bodies: Uint8Array[] = [];
  readonly #imports = new Map<number, number>();
  readonly #exports = new Map<number, number>();
  #stop: number | undefined;

  constructor(module: WasmModule, signatures: Signatures, counters: Counters) {
    this.#module = module;
    this.#signatures = signatures;
    this.#counters = counters;
  }

  /** How many functions are added. */
  get count(): number {
    return this.#types.length;
  }

  /** The function that reports exhaustion: takes the word, returns; its caller traps. */
  get stop(): number {
    this.#stop ??= this.#add(this.#signatures.ofParams(1), this.#stopBody());
    return this.#stop;
  }

  /** The function to call or reference inside for a function of the module: an import gets its wrapper. */
  inside(index: number): number {
    if (index >= this.#module.importedFunctions) return index;
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
    return this.#module.functions.length + this.#types.length - 1;
  }

  #stopBody(): Uint8Array {
    const writer = new Writer();
    writer.byte(0);
    // Depth that was taken too far has borrowed from the units: round it back.
    op(writer, OP.localGet, 0);
    i64(writer, DEPTH_GUARD);
    writer.byte(0x7c); // i64.add
    i64(writer, DEPTH_BITS);
    writer.byte(0x87); // i64.shr_s
    op(writer, OP.globalGet, this.#counters.left);
    pushCounted(writer, this.#counters);
    writer.bytes(0x7d, 0x7c); // i64.sub, i64.add
    op(writer, OP.localTee, 0);
    i64(writer, MOST_BELOW_ZERO);
    op(writer, OP.localGet, 0);
    i64(writer, MOST_BELOW_ZERO);
    writer.bytes(0x55, 0x1b); // i64.gt_s, select
    op(writer, OP.globalSet, this.#counters.left);
    // Only depth stops a guest that has units left; local 0 holds the units by now.
    op(writer, OP.localGet, 0);
    i64(writer, 0);
    writer.bytes(0x59, OP.if, EMPTY); // i64.ge_s
    i32(writer, -1);
    op(writer, OP.globalSet, this.#counters.depth);
    writer.bytes(OP.end, OP.end);
    return writer.toBytes();
  }

  #importBody(index: number, typeIndex: number): Uint8Array {
    const { params } = functionType(this.#module, typeIndex);
    const { depth, maxCallDepth } = this.#counters;
    const writer = new Writer();
    const word = new WordCode(writer, this.#counters, params.count);
    writer.byte(0);
    word.spill();
    word.reload();
    word.show(); // what the host reads should the import trap
    i32(writer, maxCallDepth);
    word.get();
    writer.byte(0xa7); // i32.wrap_i64
    i32(writer, DEPTH_MASK);
    writer.bytes(0x71, 0x6b); // i32.and, i32.sub
    op(writer, OP.globalSet, depth);
    for (let i = 0; i < params.count; i += 1) op(writer, OP.localGet, i);
    op(writer, OP.call, index);
    word.reload();
    word.get();
    writer.byte(OP.end);
    return writer.toBytes();
  }

  #exportBody(index: number, typeIndex: number): Uint8Array {
    const { params } = functionType(this.#module, typeIndex);
    const { left, depth, maxCallDepth } = this.#counters;
    const writer = new Writer();
    const word = new WordCode(writer, this.#counters, params.count);
    const outer = params.count + 1;
    writer.bytes(1, 2, I64);
    // A call costs a unit at least, and a small function does not check for itself: nothing runs on nothing.
    op(writer, OP.globalGet, left);
    i64(writer, 1);
    writer.bytes(0x53, OP.if, EMPTY); // i64.lt_s
    i64(writer, -1);
    op(writer, OP.globalSet, left);
    writer.bytes(OP.unreachable, OP.end);
    pushCounted(writer, this.#counters);
    i64(writer, DEPTH_BITS);
    writer.byte(0x86); // i64.shl
    i64(writer, maxCallDepth);
    op(writer, OP.globalGet, depth);
    writer.bytes(0xac, 0x7d); // i64.extend_i32_s, i64.sub
    op(writer, OP.localTee, outer);
    writer.byte(0x7c); // i64.add
    word.set();
    op(writer, OP.localGet, outer);
    i64(writer, 0);
    writer.byte(0x53); // i64.lt_s
    this.#stopIf(writer, word);
    for (let i = 0; i < params.count; i += 1) op(writer, OP.localGet, i);
    word.get();
    op(writer, OP.call, index);
    word.set();
    // A guest that ends past its budget has not ended.
    word.isNegative();
    this.#stopIf(writer, word);
    word.spill();
    i64(writer, maxCallDepth);
    op(writer, OP.localGet, outer);
    writer.bytes(0x7d, 0xa7); // i64.sub, i32.wrap_i64
    op(writer, OP.globalSet, depth);
    writer.byte(OP.end);
    return writer.toBytes();
  }

  /** Stops the guest if the condition on the stack holds. */
  #stopIf(writer: Writer, word: WordCode): void {
    writer.bytes(OP.if, EMPTY);
    word.get();
    op(writer, OP.call, this.stop);
    writer.bytes(OP.unreachable, OP.end);
  }
}
