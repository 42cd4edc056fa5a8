/**
 * Threads the fuel word through every function type: one more i64 parameter, one more i64 result, both last.
 *
 * All function types of the module are changed in place, so whatever names one (functions, references, indirect
 * calls, casts, subtyping) goes on to agree. Where the outside or a block needs the type as it was, a plain copy is
 * appended behind the module's own types; it is a recursion group of its own, and so are the copies that another
 * metered module makes of the same type, which keeps them equal across a component.
 */

import { refuseComponent } from "../../errors.ts";
import type { Section, WasmModule } from "../binary/module.ts";
import { functionType } from "../binary/module.ts";
import { Reader } from "../binary/reader.ts";
import { TypeIdentity } from "../binary/type-identity.ts";
import { Writer } from "../binary/writer.ts";

/** The type of the fuel word. */
const WORD = 0x7e;
/** V8 takes no more parameters, nor results. */
const MAX_ARITY = 1000;

/** The type section of the metered module, and the plain types that it appends. */
export class Signatures {
  readonly #module: WasmModule;
  readonly #identity: TypeIdentity;
  readonly #plain = new Map<number, number>();
  readonly #spelled = new Map<string, number>();
  readonly #added = new Writer();
  /** Types and recursion groups appended. */
  #count = 0;
  #groups = 0;

  constructor(module: WasmModule) {
    this.#module = module;
    this.#identity = new TypeIdentity(module);
  }

  /** @returns the type index of a function type as the module spelled it */
  plainOf(typeIndex: number): number {
    const known = this.#plain.get(typeIndex);
    if (known !== undefined) return known;
    const { group } = functionType(this.#module, typeIndex);
    for (let index = group.first; index < group.first + group.size; index += 1) {
      const type = this.#module.types[index];
      if (type?.kind !== "func") continue;
      for (const each of type.supers) if (each < group.first) this.plainOf(each);
    }
    const writer = new Writer();
    // In the copy, what names the group itself means the module's own: a marker says what the original was.
    const isMarked = this.#identity.namesItself(group.first);
    const size = group.size + (isMarked ? 1 : 0);
    if (size > 1) {
      // The whole group is copied: which group a type is of, and where in it, is part of its identity.
      writer.byte(0x4e);
      writer.u32(size);
    }
    for (let index = group.first; index < group.first + group.size; index += 1) this.#copyType(writer, index);
    if (isMarked) writer.copy(this.#identity.marker(group.first));
    const first = this.#append(writer.toBytes(), size);
    for (let i = 0; i < group.size; i += 1) this.#plain.set(group.first + i, first + i);
    return first + typeIndex - group.first;
  }

  /** @returns a block type, spelled out, without parameters and with the results of a function type */
  resultBlockType(typeIndex: number): Uint8Array {
    const { count, start, end } = functionType(this.#module, typeIndex).results;
    const writer = new Writer(16);
    if (count === 0) writer.byte(0x40);
    else if (count === 1) writer.copy(this.#module.bytes, start, end);
    else {
      const type = new Writer();
      type.bytes(0x60, 0);
      type.u32(count);
      type.copy(this.#module.bytes, start, end);
      writer.signed(this.#append(type.toBytes()));
    }
    return writer.toBytes();
  }

  /** @returns the index of a plain type of parameters and results that one byte spells each */
  plain(params: readonly number[], results: readonly number[]): number {
    return this.#append(Uint8Array.of(0x60, params.length, ...params, results.length, ...results));
  }

  /** The type section's content. Call it last, when all plain types have been asked for. */
  write(section: Section | undefined): Writer {
    const { bytes } = this.#module;
    const writer = new Writer(1024);
    if (section === undefined) {
      writer.u32(this.#groups);
    } else {
      const reader = new Reader(bytes, section.start, section.end);
      writer.u32(reader.u32() + this.#groups);
      let copied = reader.pos;
      for (const type of this.#module.types) {
        if (type.kind !== "func") continue;
        const { params, results } = type;
        if (params.count >= MAX_ARITY || results.count >= MAX_ARITY) {
          throw refuseComponent(
            `Cannot meter wasm module: a function type has ${MAX_ARITY} parameters or results, ${MAX_ARITY - 1} are possible`,
          );
        }
        writer.copy(bytes, copied, type.start + 1);
        writer.u32(params.count + 1);
        writer.copy(bytes, params.start, params.end);
        writer.byte(WORD);
        writer.u32(results.count + 1);
        writer.copy(bytes, results.start, results.end);
        writer.byte(WORD);
        copied = type.end;
      }
      writer.copy(bytes, copied, section.end);
    }
    writer.copy(this.#added.view);
    return writer;
  }

  /**
   * Copies one member of a group. Its references go on to mean the module's own types; only supertypes of functions
   * must be plain as well.
   */
  #copyType(writer: Writer, index: number): void {
    const { bytes, types } = this.#module;
    const type = types[index];
    if (type === undefined) return;
    if (type.kind !== "func") {
      writer.copy(bytes, type.entryStart, type.entryEnd);
      return;
    }
    if (!type.final || type.supers.length > 0) {
      const { first, size } = type.group;
      writer.byte(type.final ? 0x4f : 0x50);
      writer.u32(type.supers.length);
      for (const each of type.supers) {
        const isInGroup = each >= first && each < first + size;
        writer.u32(isInGroup ? this.#next + each - first : this.plainOf(each));
      }
    }
    writer.copy(bytes, type.start, type.end);
  }

  /** The index that the next appended type gets. */
  get #next(): number {
    return this.#module.types.length + this.#count;
  }

  /** Appends one recursion group of `size` types. @returns the index of its first */
  #append(spelled: Uint8Array, size = 1): number {
    // Groups that are spelled alike may differ: an index of a member means another type in another group.
    const key = size > 1 ? `group ${this.#next}` : spelled.join();
    const known = this.#spelled.get(key);
    if (known !== undefined) return known;
    const index = this.#next;
    this.#count += size;
    this.#groups += 1;
    this.#added.copy(spelled);
    this.#spelled.set(key, index);
    return index;
  }
}
