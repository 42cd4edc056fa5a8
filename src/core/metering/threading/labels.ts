/**
 * The labels around an operator while its body is written anew: which of them exceptions may land on, and how far they
 * are once metering has put labels of its own between them.
 */

import { OP } from "../binary/walker.ts";

/** A label around the operator. */
export interface Label {
  /** An exception may land there. */
  readonly landing: boolean;
  readonly loop: boolean;
  /** It is a loop that metering wrapped in {@link AROUND_TIGHT} labels. */
  readonly tight: boolean;
  /** Units charged at a tight loop's header, once that is written. */
  headerUnits?: number;
}

const PLAIN: Label = { landing: false, loop: false, tight: false };

/** Labels that metering puts around a tight loop. */
export const AROUND_TIGHT = 3;

/** A stack of labels, the innermost last. */
export class Labels {
  readonly #labels: Label[] = [];
  /** Where the tight loop stands that is open, or -1. A tight loop holds no other. */
  #tight = -1;

  /** How many there are, the body's own among them. */
  get count(): number {
    return this.#labels.length;
  }

  /** The innermost. */
  get innermost(): Label | undefined {
    return this.#labels[this.#labels.length - 1];
  }

  /** Opens one. */
  open(landing: boolean, loop: boolean, tight: boolean): void {
    if (tight) this.#tight = this.#labels.length;
    this.#labels.push(landing || tight ? { landing, loop, tight } : PLAIN);
  }

  /** Closes the innermost. */
  pop(): Label | undefined {
    const label = this.#labels.pop();
    if (label?.tight === true) this.#tight = -1;
    return label;
  }

  /** Whether an exception may land on a label, numbered from the innermost. */
  lands(label: number): boolean {
    return this.#labels[this.#labels.length - 1 - label]?.landing ?? false;
  }

  /** The same of several. */
  landsAny(labels: readonly number[]): boolean {
    return labels.some((label) => this.lands(label));
  }

  /** Whether any of some labels has another number in the metered body. */
  movesAny(labels: readonly number[]): boolean {
    return labels.some((label) => this.moved(label) !== label);
  }

  /**
   * Whether an operator stays as it is in a body where no exception lands; its label is counted all the same. This is for
   * speed: most operators that metering looks at are such, and what is done for others would not change them.
   */
  passes(bytes: Uint8Array, at: number, tightLoops: ReadonlySet<number>): boolean {
    if (this.#tight >= 0) return false;
    const next = bytes[at + 1] ?? 0;
    const opcode = bytes[at];
    switch (opcode) {
      case OP.block:
      case OP.loop:
      case OP.if:
        if (opcode === OP.loop && tightLoops.has(at)) return false;
        if (next < 0x40 || next >= 0x80) return false; // a block type by index
        this.#labels.push(PLAIN);
        return true;
      case OP.end:
        if (this.#labels.length === 1) return false; // the body's own
        this.#labels.pop();
        return true;
      case OP.else:
      case OP.br:
      case OP.brIf:
      case OP.brTable:
        return true;
      default:
        return false;
    }
  }

  /** The number that a label has in the metered body. Constant time: a hostile br_table may name all of 65,000. */
  moved(label: number): number {
    return this.#tight > this.#labels.length - 1 - label ? label + AROUND_TIGHT : label;
  }
}
