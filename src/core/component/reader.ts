/**
 * Reads the primitives of the binary format: bytes, LEB128 integers, names, vectors. A reader never leaves its
 * window, and every complaint names the section and the byte offset in the whole file, so that a vendor can
 * find the place with `wasm-tools dump`.
 */
import { type GatewayError, refuseComponent } from "../errors.ts";
import { type Budget, LIMITS } from "./limits.ts";
import { nameFault } from "./name-gate.ts";

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A window of the component's bytes with a position. The bytes are attacker-controlled. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly budget: Budget;
  /** What is being read, for messages: `type section`. */
  readonly place: string;
  /** First byte after the window, as an offset in the file. */
  readonly end: number;
  /** Next byte to read, as an offset in the file. */
  at: number;

  /**
   * @param bytes the whole file
   * @param budget shared by the whole decoding
   * @param place for messages
   * @param at offset of the window's first byte
   * @param end offset after its last byte; at most `bytes.length`
   */
  constructor(bytes: Uint8Array, budget: Budget, place: string, at: number, end: number) {
    this.bytes = bytes;
    this.budget = budget;
    this.place = place;
    this.at = at;
    this.end = end;
  }

  /** Whether the window is read to its end. */
  get done(): boolean {
    return this.at >= this.end;
  }

  /**
   * Makes the refusal for something wrong at a place of the binary.
   *
   * @param what the fault in words: quoted value, found and wanted state
   * @param at offset of the fault; the current position by default
   */
  refusal(what: string, at: number = this.at): GatewayError {
    return refuseComponent(
      `Cannot decode component: ${this.place} at byte 0x${at.toString(16)} (${at}): ${what}`,
    );
  }

  /** @throws GatewayError `component-refused` at the window's end */
  byte(): number {
    const value = this.at < this.end ? this.bytes[this.at] : undefined;
    if (value === undefined) throw this.refusal("unexpected end");
    this.at++;
    return value;
  }

  /** The next byte without taking it; `undefined` at the end. */
  peek(): number | undefined {
    return this.at < this.end ? this.bytes[this.at] : undefined;
  }

  /**
   * Reads an unsigned LEB128 number of 32 bits: at most five bytes, no bits beyond the 32nd.
   *
   * @throws GatewayError `component-refused`
   */
  u32(): number {
    const start = this.at;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) throw this.refusal("integer longer than 32 bits", start);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw this.refusal("integer longer than 32 bits", start);
  }

  /** Passes over an unsigned LEB128 number of 64 bits (limits of 64-bit memories). */
  skipU64(): void {
    const start = this.at;
    for (let i = 0; i < 10; i++) if (this.byte() < 0x80) return;
    throw this.refusal("integer longer than 64 bits", start);
  }

  /**
   * Reads a vector's length.
   *
   * @param entryBytes the fewest bytes one entry takes; a length that can not fit is refused before any work
   */
  count(entryBytes = 1): number {
    const start = this.at;
    const count = this.u32();
    if (count * entryBytes > this.end - this.at) {
      throw this.refusal(`vector of ${count} entries does not fit into what is left`, start);
    }
    this.budget.spend("items", count);
    return count;
  }

  /** Reads a vector: its length, then each entry with `entry`. */
  vector<T>(entry: () => T, entryBytes = 1): T[] {
    const count = this.count(entryBytes);
    const list: T[] = [];
    for (let i = 0; i < count; i++) list.push(entry());
    return list;
  }

  /** Reads a byte that must be one of a few values. */
  oneOf(allowed: readonly number[], what: string): number {
    const start = this.at;
    const value = this.byte();
    if (!allowed.includes(value)) throw this.refusal(`unknown ${what} 0x${value.toString(16)}`, start);
    return value;
  }

  /**
   * Reads a name that will end up in messages or a manifest, and puts it through the gate.
   *
   * @throws GatewayError `component-refused` when it is no UTF-8 or outside the alphabet of `name-gate.ts`
   */
  name(): string {
    const start = this.at;
    const text = this.text();
    const fault = nameFault(text);
    if (fault !== undefined) throw this.refusal(`name ${JSON.stringify(text)} ${fault}`, start);
    return text;
  }

  /** Reads a name without the gate: for custom sections, which are shown but never pasted anywhere. */
  text(): string {
    const start = this.at;
    const length = this.u32();
    if (length > LIMITS.nameBytes) {
      throw this.refusal(`name of ${length} bytes, more than ${LIMITS.nameBytes}`, start);
    }
    if (length > this.end - this.at) throw this.refusal("unexpected end inside a name", start);
    const from = this.at;
    this.at += length;
    try {
      return strictUtf8.decode(this.bytes.subarray(from, this.at));
    } catch {
      throw this.refusal("name is not UTF-8", start);
    }
  }

  /**
   * Takes the next `length` bytes as a reader of their own.
   *
   * @throws GatewayError `component-refused` when fewer bytes are left
   */
  window(length: number, place: string): Reader {
    if (length > this.end - this.at) {
      throw this.refusal(`${place} of ${length} bytes does not fit into the ${this.end - this.at} left`);
    }
    const from = this.at;
    this.at += length;
    return new Reader(this.bytes, this.budget, place, from, this.at);
  }

  /** @throws GatewayError `component-refused` when bytes are left over */
  finish(): void {
    if (!this.done) throw this.refusal(`${this.end - this.at} bytes are left over`);
  }
}
