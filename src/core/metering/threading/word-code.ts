/**
 * The code that works on the fuel word where it lives in a local, and the spelling of the few operators that metering
 * adds most.
 */

import { OP } from "../binary/walker.ts";
import type { Writer } from "../binary/writer.ts";
import { framesInWord, UNIT_BITS } from "../word.ts";

/** Value types and the empty block type, as the format spells them. */
export const TYPE = { i32: 0x7f, i64: 0x7e, empty: 0x40 } as const;

/** What a check asks of: `depth` may find nothing left, and be sent through, where only the units owe. */
export type WordPart = "units" | "depth" | "both";

/**
 * Writes what happens to the fuel word of one function, which lives in a local.
 *
 * A word that was set by the operator before is taken from the operand stack instead of the local. That is not for
 * the machine code, which comes out alike, but for its size: engines decide by a body's bytes what they inline, and
 * what a meter adds to small functions costs most where it keeps them from being inlined.
 */
export class WordCode {
  readonly #writer: Writer;
  /** Where the last local.set of the word begins and ends. Nothing stands behind it while the writer ends there. */
  #setStart = -1;
  #setEnd = -1;
  /** The local that holds the word. */
  readonly local: number;

  constructor(writer: Writer, local: number) {
    this.#writer = writer;
    this.local = local;
  }

  /** Pushes the word. */
  get(): void {
    if (this.#isJustSet()) op(this.#writer, OP.localTee, this.local);
    else op(this.#writer, OP.localGet, this.local);
  }

  /** Pushes the word where the local is not read again before it is set, or never. */
  move(): void {
    if (!this.#isJustSet()) op(this.#writer, OP.localGet, this.local);
  }

  /** Pops the word. */
  set(): void {
    this.#setStart = this.#writer.length;
    op(this.#writer, OP.localSet, this.local);
    this.#setEnd = this.#writer.length;
  }

  /**
   * Subtracts units, and frames of the call depth. Negative ones are given back. Units by themselves are small integers:
   * engines calculate with them sooner.
   */
  take(units: number, frames = 0): void {
    if (units === 0 && frames === 0) return;
    this.move();
    if (frames === 0 && units >= -0x40 && units < 0x40) {
      this.#subtract(units & 0x7f);
      return;
    }
    i64(this.#writer, units + framesInWord(frames));
    this.#writer.byte(0x7d); // i64.sub
    this.set();
  }

  /** Nearly always units take one byte, and are written at once. */
  #subtract(units: number): void {
    const writer = this.#writer;
    const at = writer.extend(3);
    const { buffer } = writer;
    buffer[at] = OP.i64Const;
    buffer[at + 1] = units;
    buffer[at + 2] = 0x7d; // i64.sub
    this.set();
  }

  /** Sends the word through a function of `Wrappers`. */
  through(functionIndex: number): void {
    this.move();
    op(this.#writer, OP.call, functionIndex);
    this.set();
  }

  /** Pushes whether a part of the word is below zero. */
  test(part: WordPart): void {
    this.get();
    if (part === "both") {
      op(this.#writer, OP.localGet, this.local);
      i64(this.#writer, UNIT_BITS);
      this.#writer.byte(0x86); // i64.shl
      this.#writer.byte(0x84); // i64.or
    }
    if (part === "units") {
      this.#writer.byte(0xa7); // i32.wrap_i64
      this.#writer.op(OP.i32Const, 0);
      this.#writer.byte(0x48); // i32.lt_s
    } else {
      this.#writer.op(OP.i64Const, 0);
      this.#writer.byte(0x53); // i64.lt_s
    }
  }

  /**
   * Sends the word through a function where a part of it is below zero.
   *
   * @param functionIndex whom to ask for more
   * @returns the offset of the branch, which is hardly ever taken
   */
  ask(part: WordPart, functionIndex: number): number {
    this.test(part);
    return this.#throughIf(functionIndex);
  }

  /** Pushes the word, and sends it through a function before where it owes depth. @returns as {@link ask} does */
  askDepth(functionIndex: number): number {
    const branch = this.ask("depth", functionIndex);
    this.get();
    return branch;
  }

  /**
   * Pushes the word without some frames, and sends it through a function before where it has not as many.
   *
   * @returns the offset of the branch, which is hardly ever taken
   */
  askFrames(frames: number, functionIndex: number): number {
    const writer = this.#writer;
    this.get();
    i64(writer, framesInWord(frames));
    writer.byte(0x53); // i64.lt_s
    const branch = this.#throughIf(functionIndex);
    this.get();
    i64(writer, framesInWord(frames));
    writer.byte(0x7d); // i64.sub
    return branch;
  }

  /** Adds frames to the word that is on the stack. */
  giveFrames(frames: number): void {
    i64(this.#writer, framesInWord(frames));
    this.#writer.byte(0x7c); // i64.add
  }

  /** Sends the word through a function if what is on the stack says so. @returns the offset of the branch */
  #throughIf(functionIndex: number): number {
    const writer = this.#writer;
    const branch = writer.length;
    writer.op(OP.if, TYPE.empty);
    this.through(functionIndex);
    writer.byte(OP.end);
    this.#setEnd = -1; // the end stands behind what was set
    return branch;
  }

  /** Whether the last operator written set the word; if so it is taken back, and the word is on the stack. */
  #isJustSet(): boolean {
    if (this.#setEnd !== this.#writer.length) return false;
    this.#writer.truncate(this.#setStart);
    this.#setEnd = -1;
    return true;
  }
}

/** Pushes the units of the word in a local, sign extended. */
export function pushUnits(writer: Writer, local: number): void {
  op(writer, OP.localGet, local);
  writer.bytes(0xa7, 0xac); // i32.wrap_i64, i64.extend_i32_s
}

/** Pushes the word in a local without its units: its call depth, in place. */
export function pushDepth(writer: Writer, local: number): void {
  op(writer, OP.localGet, local);
  pushUnits(writer, local);
  writer.byte(0x7d); // i64.sub
}

/** Writes an operator with one index. */
export function op(writer: Writer, opcode: number, index: number): void {
  writer.op(opcode, index);
}

/** Writes i64.const. */
export function i64(writer: Writer, value: number): void {
  writer.byte(OP.i64Const);
  writer.signed(value);
}

/** Writes i32.const. */
export function i32(writer: Writer, value: number): void {
  writer.byte(OP.i32Const);
  writer.signed(value);
}
