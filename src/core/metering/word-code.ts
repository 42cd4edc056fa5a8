/**
 * The code that moves the fuel word between a local and the host's counters, and the spelling of the few operators
 * that metering adds most.
 */

import type { Writer } from "./binary/writer.ts";
import { OP } from "./walker.ts";
import { DEPTH_BITS, DEPTH_MASK, MAX_UNITS } from "./word.ts";

/** Where the counters are, and the depth a run begins with. */
export interface Counters {
  readonly left: number;
  readonly depth: number;
  /** The word as the last check saw it: a global of the module itself, which is cheaper to write. */
  readonly seen: number;
  readonly maxCallDepth: number;
}

/**
 * Writes what happens to the fuel word of one function, which lives in a local.
 *
 * A word that was set by the operator before is taken from the operand stack instead of the local. That is not for
 * the machine code, which comes out alike, but for its size: engines decide by a body's bytes what they inline, and
 * what a meter adds to small functions costs most where it keeps them from being inlined.
 */
export class WordCode {
  readonly #writer: Writer;
  readonly #counters: Counters;
  /** Where the last local.set of the word begins and ends. Nothing stands behind it while the writer ends there. */
  #setStart = -1;
  #setEnd = -1;
  /** The local that holds the word. */
  readonly local: number;

  constructor(writer: Writer, counters: Counters, local: number) {
    this.#writer = writer;
    this.#counters = counters;
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

  /** Subtracts a constant, in the word's own measure. Negative ones are given back. */
  take(amount: number): void {
    if (amount === 0) return;
    this.move();
    i64(this.#writer, amount);
    this.#writer.byte(0x7d); // i64.sub
    this.set();
  }

  /** Pushes whether the word is negative: exhausted. */
  isNegative(): void {
    this.get();
    i64(this.#writer, 0);
    this.#writer.byte(0x53); // i64.lt_s
  }

  /** Leaves the word where the host finds it after a trap, which takes all locals with it. */
  show(): void {
    this.get();
    op(this.#writer, OP.globalSet, this.#counters.seen);
  }

  /**
   * Writes the units of the word to the host's counter.
   *
   * INVARIANT: `reload` comes next, before another `spill`, wherever the frame goes on: what the word does not hold of
   * a budget above `MAX_UNITS` is found from the counter's value when the word was read.
   */
  spill(): void {
    op(this.#writer, OP.globalGet, this.#counters.left);
    pushCounted(this.#writer, this.#counters);
    this.#writer.byte(0x7d); // i64.sub
    this.get();
    i64(this.#writer, DEPTH_BITS);
    this.#writer.bytes(0x87, 0x7c); // i64.shr_s, i64.add
    op(this.#writer, OP.globalSet, this.#counters.left);
  }

  /** Reads the units of the host's counter into the word; its call depth is the frame's own and stays. */
  reload(): void {
    pushCounted(this.#writer, this.#counters);
    i64(this.#writer, DEPTH_BITS);
    this.#writer.byte(0x86); // i64.shl
    this.get();
    i64(this.#writer, DEPTH_MASK);
    this.#writer.bytes(0x83, 0x84); // i64.and, i64.or
    this.set();
  }

  /** Whether the last operator written set the word; if so it is taken back, and the word is on the stack. */
  #isJustSet(): boolean {
    if (this.#setEnd !== this.#writer.length) return false;
    this.#writer.truncate(this.#setStart);
    this.#setEnd = -1;
    return true;
  }
}

/** Pushes the units of the host's counter that the word can hold. */
export function pushCounted(writer: Writer, { left }: Counters): void {
  op(writer, OP.globalGet, left);
  i64(writer, MAX_UNITS);
  op(writer, OP.globalGet, left);
  i64(writer, MAX_UNITS);
  writer.bytes(0x53, 0x1b); // i64.lt_s, select
}

/** Writes an operator with one index. */
export function op(writer: Writer, opcode: number, index: number): void {
  writer.byte(opcode);
  writer.u32(index);
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
