/** A stretch of guest memory that a stream or a future reads values from, or writes them to. */
import { trapIf } from "../abi-trap.ts";
import type { RangeCodec } from "../codec-list.ts";
import type { Passage } from "../passage.ts";
import type { Values } from "./channel.ts";
import type { GuestBuffer } from "./ends.ts";

/** Most values of one buffer. */
const MAX_VALUES = 2 ** 28 - 1;

/** What the values of one stream or future are in memory. */
export interface BufferElement {
  readonly size: number;
  readonly alignment: number;
  readonly range: RangeCodec;
}

/**
 * @param element undefined where there is no payload
 * @param at where the first one is
 * @param length how many there may be
 * @throws AbiTrap when they are not all in memory
 */
export function guestBuffer(
  passage: Passage,
  element: BufferElement | undefined,
  at: number,
  length: number,
): GuestBuffer {
  trapIf(length > MAX_VALUES, "buffer-too-long");
  if (element !== undefined && length > 0) {
    passage.refresh();
    passage.require(at, length * element.size, element.alignment);
  }
  return new Stretch(passage, element, at, length);
}

/** A class, because objects written down with getters outlive their call. */
class Stretch implements GuestBuffer {
  progress = 0;
  readonly #passage: Passage;
  readonly #element: BufferElement | undefined;
  readonly #at: number;
  readonly #length: number;

  constructor(passage: Passage, element: BufferElement | undefined, at: number, length: number) {
    this.#passage = passage;
    this.#element = element;
    this.#at = at;
    this.#length = length;
  }

  get isZeroLength(): boolean {
    return this.#length === 0;
  }

  get remain(): number {
    return this.#length - this.progress;
  }

  read(count: number): Values {
    const from = this.#next();
    this.progress += count;
    if (this.#element === undefined) return count;
    this.#passage.refresh();
    return this.#element.range.load(this.#passage, from, count);
  }

  write(values: Values): void {
    const to = this.#next();
    this.progress += countOf(values);
    if (this.#element === undefined || typeof values === "number") return;
    this.#element.range.charge(this.#passage, values);
    this.#passage.meter.beforeGuest();
    this.#passage.refresh();
    this.#element.range.store(this.#passage, to, values);
  }

  /** Where the next value is. */
  #next(): number {
    return this.#at + this.progress * (this.#element?.size ?? 0);
  }
}

function countOf(values: Values): number {
  return typeof values === "number" ? values : values.length;
}
