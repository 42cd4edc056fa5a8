/**
 * The wrapping of tight loops: those that hold nothing but plain operators and branches. Their check leaves the loop
 * where a slice is spent, and control comes back to the header:
 *
 *     block  loop  block  (loop … br_if 1 …)  br 2  end  more, units back  br 0  end  end
 *
 * A call inside would keep engines from unrolling such a loop, and its registers busy.
 */

import type { Walker } from "../binary/walker.ts";
import { OP } from "../binary/walker.ts";
import type { Writer } from "../binary/writer.ts";
import { op, TYPE, type WordCode } from "./word-code.ts";

/** The label of the wrapping that a check at the loop's header branches to. */
export const TIGHT_EXIT = 1;

/** Whether the wrapping can have the loop's type: one without parameters, spelled out. */
export function canWrap(bytes: Uint8Array, walker: Walker): boolean {
  const code = bytes[walker.blockTypeStart] ?? 0;
  return code >= 0x40 && code < 0x80;
}

/** Writes what stands in front of a tight loop. */
export function openTight(writer: Writer, bytes: Uint8Array, walker: Walker): void {
  for (const opcode of [OP.block, OP.loop]) {
    writer.byte(opcode);
    writer.copy(bytes, walker.blockTypeStart, walker.blockTypeEnd);
  }
  writer.bytes(OP.block, TYPE.empty);
}

/**
 * Writes what stands behind a tight loop.
 *
 * @param headerUnits charged before the check, and once more at the header when control comes back
 */
export function closeTight(writer: Writer, word: WordCode, more: number, headerUnits: number): void {
  op(writer, OP.br, 2);
  writer.byte(OP.end);
  word.through(more);
  word.take(-headerUnits);
  op(writer, OP.br, 0);
  writer.bytes(OP.end, OP.end);
}
