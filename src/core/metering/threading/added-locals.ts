/**
 * The locals that metering adds to one body, made when they are first asked for.
 */

import { Writer } from "../binary/writer.ts";
import { TYPE } from "./word-code.ts";

/** Locals behind the function's own: one per value type, as each is read right behind where it is set. */
export class AddedLocals {
  readonly #first: number;
  /** Made for the first: most bodies have none. */
  #byType: Map<number | string, number> | undefined;
  readonly #types: (readonly number[])[] = [];

  /** @param first the index that the first one gets */
  constructor(first: number) {
    this.#first = first;
  }

  /** How many there are, each a group of its own. */
  get count(): number {
    return this.#types.length;
  }

  /** @returns the index of the local of a value type, spelled as the format does */
  of(type: readonly number[]): number {
    const [only = 0] = type;
    const key = type.length === 1 ? only : type.join();
    this.#byType ??= new Map();
    const known = this.#byType.get(key);
    if (known !== undefined) return known;
    const index = this.#first + this.#types.length;
    this.#types.push(type);
    this.#byType.set(key, index);
    return index;
  }

  /** @returns the index of the local of an address or a size: an i64 where it is wide, else an i32 */
  ofSize(isWide: boolean): number {
    return this.of([isWide ? TYPE.i64 : TYPE.i32]);
  }

  /** Writes their declarations. */
  write(writer: Writer): void {
    for (const type of this.#types) writer.bytes(1, ...type);
  }
}

/** The value type of a nullable reference to a type of the module: one that a local can begin with. */
export function nullableReference(typeIndex: number): number[] {
  const writer = new Writer(16);
  writer.byte(0x63);
  writer.signed(typeIndex);
  return [...writer.view];
}
