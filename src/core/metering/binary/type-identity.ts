/**
 * What a recursion group is, in a form that tells it from every group that is not equal to it: for the plain copies of
 * `signatures.ts`, whose references mean other types than the original's did, so that unequal groups could have copies
 * that are equal, and functions would link that must not.
 *
 * * Types are equal where their groups are spelled alike, with references into the group by position and to others by what
 * those are. A digest of 64 bits stands for that. It is no secret and no proof: whoever finds two groups of one digest has
 * made functions link whose types are equal but for names, and calls between them are as well typed as any.
 *
 * @see https://webassembly.github.io/spec/core/valid/conventions.html#defined-types
 */

import type { WasmModule } from "./module.ts";
import { Reader } from "./reader.ts";

type Digest = readonly [low: number, high: number];
const EMPTY: Digest = [0x811c9dc5, 0x2c1b3c6d];

/** The digests of a module's recursion groups, made when they are first asked for. */
export class TypeIdentity {
  readonly #module: WasmModule;
  /** By type index of the group's first member. */
  readonly #digests = new Map<number, Digest>();

  constructor(module: WasmModule) {
    this.#module = module;
  }

  /** Whether a member names a member of the same group in a parameter, a result or a field. */
  namesItself(first: number): boolean {
    const size = this.#module.types[first]?.group.size ?? 0;
    let found = false;
    for (let index = first; index < first + size; index += 1) {
      this.#read(index, (reference, isSuper) => {
        if (!isSuper && reference >= first && reference < first + size) found = true;
      });
    }
    return found;
  }

  /** A struct type, spelled, whose fields are the bits of a group's digest. */
  marker(first: number): Uint8Array {
    const bits = this.#digestOf(first).flatMap((half) =>
      Array.from({ length: 32 }, (_, i) => (half >>> i) & 1),
    );
    return Uint8Array.of(0x5f, bits.length, ...bits.flatMap((bit) => [bit === 0 ? 0x7f : 0x7e, 0x00]));
  }

  /** Groups name earlier ones only: so all are read once, in order, and a long chain of them is no deep recursion. */
  #digestOf(group: number): Digest {
    if (this.#digests.size === 0) {
      for (const { group: each } of this.#module.types) {
        if (!this.#digests.has(each.first))
          this.#digests.set(each.first, this.#digest(each.first, each.size));
      }
    }
    return this.#digests.get(group) ?? EMPTY;
  }

  #digest(first: number, size: number): Digest {
    const { bytes, types } = this.#module;
    let digest = EMPTY;
    for (let index = first; index < first + size; index += 1) {
      const type = types[index];
      if (type === undefined) continue;
      let copied = type.entryStart;
      this.#read(index, (reference, _, start, end) => {
        digest = mix(digest, bytes.subarray(copied, start));
        copied = end;
        if (reference >= first && reference < first + size) {
          digest = mix(digest, [1, ...numbers(reference - first)]);
          return;
        }
        const outer = types[reference]?.group.first ?? 0;
        const [low, high] = this.#digests.get(outer) ?? EMPTY;
        digest = mix(digest, [2, ...numbers(reference - outer), ...numbers(low), ...numbers(high)]);
      });
      digest = mix(digest, bytes.subarray(copied, type.entryEnd));
      digest = mix(digest, [3]);
    }
    return digest;
  }

  /** Tells where a type names types by index. */
  #read(index: number, see: (reference: number, isSuper: boolean, start: number, end: number) => void): void {
    const type = this.#module.types[index];
    if (type === undefined) return;
    const reader = new Reader(this.#module.bytes, type.entryStart, type.entryEnd);
    const reference = (isSuper: boolean): void => {
      const start = reader.pos;
      const value = reader.s33();
      if (value >= 0) see(value, isSuper, start, reader.pos);
    };
    const valueTypes = (count: number, isField: boolean): void => {
      for (let i = 0; i < count; i += 1) {
        const code = reader.byte();
        if (code === 0x63 || code === 0x64) reference(false);
        if (isField) reader.byte(); // mutability
      }
    };
    let code = reader.byte();
    if (code === 0x50 || code === 0x4f) {
      for (let count = reader.u32(); count > 0; count -= 1) reference(true);
      code = reader.byte();
    }
    if (code === 0x60) {
      valueTypes(reader.u32(), false);
      valueTypes(reader.u32(), false);
    } else valueTypes(code === 0x5e ? 1 : reader.u32(), true);
  }
}

/** FNV-1a in two halves, the second of which hears every byte another way. */
function mix([low, high]: Digest, bytes: Iterable<number>): Digest {
  let [a, b] = [low, high];
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul((b << 5) ^ (b >>> 27) ^ byte ^ 0x5bd1e995, 0x9e3779b1);
  }
  return [a, b];
}

function numbers(value: number): readonly number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}
