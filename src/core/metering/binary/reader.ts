/**
 * Reads the primitive encodings of the WebAssembly binary format: bytes, LEB128 integers, names, vectors of bytes.
 *
 * The bytes are attacker-controlled. Whoever meters a module has validated it first, so a malformed encoding here
 * means a caller skipped that step; it still ends as a refusal, never as an out-of-range read.
 *
 * @see https://webassembly.github.io/spec/core/binary/values.html
 */

import { refuseComponent } from "../../errors.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A cursor over part of a module. All positions are offsets into the whole module. */
export class Reader {
  readonly bytes: Uint8Array;
  /** One past the last byte that may be read. */
  readonly end: number;
  /** Offset of the next byte. Writable, so that a walker can step back or jump. */
  pos: number;

  /**
   * @param bytes the whole module
   * @param pos the first byte to read; default 0
   * @param end one past the last; default the module's end
   */
  constructor(bytes: Uint8Array, pos = 0, end = bytes.length) {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
  }

  /** Whether every byte has been read. */
  get done(): boolean {
    return this.pos >= this.end;
  }

  /** Reads one byte. @throws `GatewayError` component-refused at the end */
  byte(): number {
    const value = this.pos < this.end ? this.bytes[this.pos] : undefined;
    if (value === undefined)
      throw refuseComponent(`Cannot read wasm byte at ${this.pos}: the section ends there`);
    this.pos += 1;
    return value;
  }

  /** Reads an unsigned LEB128 integer below 2^32. */
  u32(): number {
    const first = this.byte();
    if (first < 0x80) return first; // nearly always
    let value = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const next = this.byte();
      if (shift === 28 && next > 0xf) break;
      value |= (next & 0x7f) << shift;
      if (next < 0x80) return value >>> 0;
    }
    throw refuseComponent(`Cannot read wasm integer at ${this.pos}: it exceeds 32 bits`);
  }

  /** Reads an unsigned LEB128 integer below 2^64, as the limits of 64-bit memories have them. */
  u64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const next = this.byte();
      value |= BigInt(next & 0x7f) << shift;
      if (next < 0x80) return BigInt.asUintN(64, value);
    }
    throw refuseComponent(`Cannot read wasm integer at ${this.pos}: it exceeds 64 bits`);
  }

  /** Reads a signed LEB128 integer of at most 33 bits: a heap type, or a block type given by type index. */
  s33(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const next = this.byte();
      value += (next & 0x7f) * 2 ** shift;
      if (next < 0x80) return next & 0x40 ? value - 2 ** (shift + 7) : value;
    }
    throw refuseComponent(`Cannot read wasm integer at ${this.pos}: it exceeds 33 bits`);
  }

  /** Steps over a LEB128 integer of any width up to 64 bits. */
  skipLeb(): void {
    for (let count = 0; count < 10; count += 1) if (this.byte() < 0x80) return;
    throw refuseComponent(`Cannot read wasm integer at ${this.pos}: it exceeds 64 bits`);
  }

  /** Steps over `count` bytes. */
  skip(count: number): void {
    if (count > this.end - this.pos) {
      throw refuseComponent(
        `Cannot read ${count} wasm bytes at ${this.pos}: ${this.end - this.pos} are left`,
      );
    }
    this.pos += count;
  }

  /** Reads a name: length-prefixed UTF-8. */
  name(): string {
    const length = this.u32();
    const start = this.pos;
    this.skip(length);
    try {
      return utf8.decode(this.bytes.subarray(start, this.pos));
    } catch (cause) {
      throw refuseComponent(`Cannot read wasm name at ${start}: it is not UTF-8 (${String(cause)})`);
    }
  }
}
