/**
 * The locals that metering adds to one body, made when they are first asked for.
 */

import { Writer } from "../binary/writer.ts";

/** Locals behind the function's own: one per value type, as each is read right behind where it is set. */
export class AddedLocals {
  readonly #first: number;
  readonly #byType = new Map<number | string, number>();
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
    const known = this.#byType.get(key);
    if (known !== undefined) return known;
    const index = this.#first + this.#types.length;
    this.#types.push(type);
    this.#byType.set(key, index);
    return index;
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
