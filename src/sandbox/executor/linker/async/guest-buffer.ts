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
  const size = element?.size ?? 0;
  if (element !== undefined && length > 0) {
    passage.refresh();
    passage.require(at, length * size, element.alignment);
  }
  let progress = 0;
  return {
    isZeroLength: length === 0,
    get progress() {
      return progress;
    },
    get remain() {
      return length - progress;
    },
    read(count) {
      const from = at + progress * size;
      progress += count;
      if (element === undefined) return count;
      passage.refresh();
      return element.range.load(passage, from, count);
    },
    write(values) {
      const to = at + progress * size;
      progress += countOf(values);
      if (element === undefined || typeof values === "number") return;
      element.range.charge(passage, values);
      passage.meter.beforeGuest();
      passage.refresh();
      element.range.store(passage, to, values);
    },
  };
}

function countOf(values: Values): number {
  return typeof values === "number" ? values : values.length;
}
