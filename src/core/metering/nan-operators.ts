/**
 * The operators whose NaN results the specification leaves open, and those that do not care which NaN they are given.
 *
 * @see https://webassembly.github.io/spec/core/exec/numerics.html#nan-propagation
 */

import { opcodeOf } from "./binary/operators.ts";

/** What lies on the stack: a float, or a vector with lanes of one. */
export type FloatShape = "f32" | "f64" | "f32x4" | "f64x2";

/** `[shape of the operand on top, first opcode, last opcode, shape of a result that may be an open NaN]` */
type Row = readonly [FloatShape, number, number, FloatShape | undefined];

const simd = (sub: number): number => opcodeOf(0xfd, sub);

/**
 * INVARIANT: each row's operators take a value of the first shape from the top of the stack, and neither their result
 * nor whether they trap depends on the bits of a NaN in it, but for those of the NaN that comes out; rows whose
 * result is a float are therefore replaced in turn. Operators that let bits through (neg, abs, copysign, pmin, pmax,
 * stores, reinterpretations) are in no row.
 */
const ROWS: readonly Row[] = [
  ["f32", 0x5b, 0x60, undefined], // f32.eq … f32.ge
  ["f64", 0x61, 0x66, undefined], // f64.eq … f64.ge
  ["f32", 0x8d, 0x97, "f32"], // ceil, floor, trunc, nearest, sqrt, add, sub, mul, div, min, max
  ["f64", 0x9b, 0xa5, "f64"],
  ["f32", 0xa8, 0xa9, undefined], // i32.trunc_f32: traps on any NaN
  ["f64", 0xaa, 0xab, undefined],
  ["f32", 0xae, 0xaf, undefined], // i64.trunc_f32
  ["f64", 0xb0, 0xb1, undefined],
  ["f64", 0xb6, 0xb6, "f32"], // f32.demote_f64
  ["f32", 0xbb, 0xbb, "f64"], // f64.promote_f32
  ["f32", opcodeOf(0xfc, 0), opcodeOf(0xfc, 1), undefined], // i32.trunc_sat_f32: 0 for any NaN
  ["f64", opcodeOf(0xfc, 2), opcodeOf(0xfc, 3), undefined],
  ["f32", opcodeOf(0xfc, 4), opcodeOf(0xfc, 5), undefined], // i64.trunc_sat_f32
  ["f64", opcodeOf(0xfc, 6), opcodeOf(0xfc, 7), undefined],
  ["f32x4", simd(65), simd(70), undefined], // eq … ge
  ["f64x2", simd(71), simd(76), undefined],
  ["f64x2", simd(94), simd(94), "f32x4"], // f32x4.demote_f64x2_zero
  ["f32x4", simd(95), simd(95), "f64x2"], // f64x2.promote_low_f32x4
  ["f32x4", simd(103), simd(106), "f32x4"], // ceil, floor, trunc, nearest
  ["f64x2", simd(116), simd(117), "f64x2"], // ceil, floor
  ["f64x2", simd(122), simd(122), "f64x2"], // trunc
  ["f64x2", simd(148), simd(148), "f64x2"], // nearest
  ["f32x4", simd(227), simd(233), "f32x4"], // sqrt, add, sub, mul, div, min, max
  ["f64x2", simd(239), simd(245), "f64x2"],
  ["f32x4", simd(248), simd(249), undefined], // i32x4.trunc_sat_f32x4
  ["f64x2", simd(252), simd(253), undefined], // i32x4.trunc_sat_f64x2_zero
  ["f32x4", simd(261), simd(262), "f32x4"], // relaxed_madd, relaxed_nmadd
  ["f64x2", simd(263), simd(264), "f64x2"],
  ["f32x4", simd(269), simd(270), "f32x4"], // relaxed_min, relaxed_max
  ["f64x2", simd(271), simd(272), "f64x2"],
];

const BY_OPCODE = new Map(
  ROWS.flatMap(([takes, first, last, gives]) =>
    Array.from({ length: last - first + 1 }, (_, i) => [first + i, { takes, gives }] as const),
  ),
);

/** @returns the shape of an operator's result where that may be any of several NaNs */
export function nanOf(opcode: number): FloatShape | undefined {
  return BY_OPCODE.get(opcode)?.gives;
}

/** Whether an operator takes a value of the shape from the top of the stack and does not care which NaN it is. */
export function ignoresNanBits(opcode: number, shape: FloatShape): boolean {
  return BY_OPCODE.get(opcode)?.takes === shape;
}
