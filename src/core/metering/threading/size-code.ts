/**
 * The code that turns a size operand into units.
 */

import { OP } from "../binary/walker.ts";
import type { Writer } from "../binary/writer.ts";
import { LARGEST_SIZE } from "../costs.ts";
import { REFUSED_GROWTH } from "../fuel-import.ts";
import type { SizeCharge } from "../placement/sizes.ts";
import { i32, i64, op, TYPE, type WordCode } from "./word-code.ts";

/**
 * Writes the charge of an operator whose size operand is on the stack; it stays there.
 *
 * @param size a local that holds it meanwhile
 * @param pay the function of `helpers.ts` that takes the units
 */
export function writeSizeCharge(
  writer: Writer,
  word: WordCode,
  charge: SizeCharge,
  size: number,
  pay: number,
): void {
  op(writer, OP.localSet, size);
  word.move();
  pushSizeUnits(writer, charge, size);
  op(writer, OP.call, pay);
  word.set();
  op(writer, OP.localGet, size);
}

/**
 * Writes behind a growth, whose result is on the stack and stays there, that a failure is noted.
 *
 * @param kind what would have grown
 * @param size a local that holds it meanwhile
 * @param refused the global that says so
 * @returns the offset of the branch, which is hardly ever taken
 */
export function writeRefusalNote(
  writer: Writer,
  { wide }: SizeCharge,
  kind: keyof typeof REFUSED_GROWTH,
  size: number,
  refused: number,
): number {
  op(writer, OP.localTee, size);
  if (wide) i64(writer, -1);
  else i32(writer, -1);
  writer.byte(wide ? 0x51 : 0x46); // eq
  const branch = writer.length;
  writer.bytes(OP.if, TYPE.empty);
  i32(writer, REFUSED_GROWTH[kind]);
  op(writer, OP.globalSet, refused);
  writer.byte(OP.end);
  op(writer, OP.localGet, size);
  return branch;
}

/** Pushes the units for the size in a local: below 2^46, so that no size overflows the host's counter. */
function pushSizeUnits(writer: Writer, charge: SizeCharge, size: number): void {
  pushSize(writer, charge, size);
  if (charge.wide) {
    i64(writer, LARGEST_SIZE);
    pushSize(writer, charge, size);
    i64(writer, LARGEST_SIZE);
    writer.bytes(0x54, 0x1b); // i64.lt_u, select: a larger size fails or traps after the charge
  }
  if (charge.itemsPerUnit > 1) {
    i64(writer, Math.log2(charge.itemsPerUnit));
    writer.byte(0x88); // i64.shr_u
  } else {
    i64(writer, charge.unitsPerItem);
    writer.byte(0x7e); // i64.mul
  }
  if (charge.growth === undefined) return;
  i64(writer, 0);
  pushRoom(writer, charge, charge.growth);
  pushSize(writer, charge, size);
  writer.bytes(0x5a, 0x1b); // i64.ge_u, select: growth past the maximum fails and takes nothing
}

/** Pushes how much room a memory or table has left to grow. */
function pushRoom(
  writer: Writer,
  charge: SizeCharge,
  { kind, index, maximum }: NonNullable<SizeCharge["growth"]>,
): void {
  i64(writer, Number(maximum));
  if (kind === "memory") writer.byte(OP.memorySize);
  else writer.bytes(0xfc, 0x10); // table.size
  writer.u32(index);
  if (!charge.wide) writer.byte(0xad); // i64.extend_i32_u
  writer.byte(0x7d); // i64.sub
}

function pushSize(writer: Writer, charge: SizeCharge, size: number): void {
  op(writer, OP.localGet, size);
  if (!charge.wide) writer.byte(0xad); // i64.extend_i32_u
}
