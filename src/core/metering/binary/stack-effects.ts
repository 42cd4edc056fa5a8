/**
 * By how many operands each operator changes the stack: what it pushes less what it pops, where that is the same
 * wherever it stands. What a type or a label decides (calls, blocks, branches on casts, made structs) is 0 here and is
 * `placement/operands.ts`'s to know.
 *
 * @see https://webassembly.github.io/spec/core/valid/instructions.html
 */

/** `[first opcode, last opcode, change]`; what no row names changes nothing. */
type Row = readonly [number, number, number];

const ONE_BYTE: readonly Row[] = [
  [0x04, 0x04, -1], // if
  [0x0d, 0x0e, -1], // br_if, br_table
  [0x11, 0x11, -1], // call_indirect: the index, beside what its type says
  [0x14, 0x14, -1], // call_ref: the reference
  [0x1a, 0x1a, -1], // drop
  [0x1b, 0x1c, -2], // select
  [0x20, 0x20, 1], // local.get
  [0x21, 0x21, -1], // local.set
  [0x23, 0x23, 1], // global.get
  [0x24, 0x24, -1], // global.set
  [0x26, 0x26, -2], // table.set
  [0x36, 0x3e, -2], // stores
  [0x3f, 0x3f, 1], // memory.size
  [0x41, 0x44, 1], // constants
  [0x46, 0x4f, -1], // i32 comparisons
  [0x51, 0x66, -1], // i64, f32, f64 comparisons
  [0x6a, 0x78, -1], // i32 add … rotr
  [0x7c, 0x8a, -1], // i64 add … rotr
  [0x92, 0x98, -1], // f32 add … copysign
  [0xa0, 0xa6, -1], // f64 add … copysign
  [0xd0, 0xd0, 1], // ref.null
  [0xd2, 0xd2, 1], // ref.func
  [0xd3, 0xd3, -1], // ref.eq
  [0xd6, 0xd6, -1], // br_on_non_null, where it goes on
];

const GC: readonly Row[] = [
  [0, 1, 1], // struct.new, struct.new_default: the struct, whose fields its type says
  [5, 5, -2], // struct.set
  [6, 6, -1], // array.new
  [8, 8, 1], // array.new_fixed: the array, whose elements the operator counts
  [9, 10, -1], // array.new_data, array.new_elem
  [11, 13, -1], // array.get…
  [14, 14, -3], // array.set
  [16, 16, -4], // array.fill
  [17, 17, -5], // array.copy
  [18, 19, -4], // array.init_data, array.init_elem
];

const MISC: readonly Row[] = [
  [8, 8, -3], // memory.init
  [10, 12, -3], // memory.copy, memory.fill, table.init
  [14, 14, -3], // table.copy
  [15, 15, -1], // table.grow
  [16, 16, 1], // table.size
  [17, 17, -3], // table.fill
];

const SIMD: readonly Row[] = [
  [11, 11, -2], // v128.store
  [12, 12, 1], // v128.const
  [13, 14, -1], // shuffle, swizzle
  [23, 23, -1], // replace_lane, of each shape
  [26, 26, -1],
  [28, 28, -1],
  [30, 30, -1],
  [32, 32, -1],
  [34, 34, -1],
  [35, 76, -1], // comparisons
  [78, 81, -1], // and, andnot, or, xor
  [82, 82, -2], // bitselect
  [84, 87, -1], // load_lane
  [88, 91, -2], // store_lane
  [101, 102, -1], // i8x16 narrow
  [107, 115, -1], // i8x16 shifts, add, sub
  [118, 121, -1], // min, max
  [123, 123, -1], // avgr
  [130, 130, -1], // q15mulr
  [133, 134, -1], // i16x8 narrow
  [139, 147, -1], // shifts, add, sub
  [149, 153, -1], // mul, min, max
  [155, 159, -1], // avgr, extmul
  [171, 174, -1], // i32x4 shifts, add
  [177, 177, -1], // sub
  [181, 186, -1], // mul, min, max, dot
  [188, 191, -1], // extmul
  [203, 206, -1], // i64x2 shifts, add
  [209, 209, -1], // sub
  [213, 223, -1], // mul, comparisons, extmul
  [228, 235, -1], // f32x4 add … pmax
  [240, 247, -1], // f64x2 add … pmax
  [256, 256, -1], // relaxed swizzle
  [261, 268, -2], // relaxed madd, nmadd, laneselect
  [269, 274, -1], // relaxed min, max, q15mulr, dot
  [275, 275, -2], // relaxed dot and add
];

const SINGLE = spread(ONE_BYTE, 256);
const PREFIXED = [spread(GC, 31), spread(MISC, 18), spread(SIMD, 276)];

/** The changes of the operators of one byte, by opcode: for the loop that reads every operator. */
export const EFFECTS: Readonly<Int8Array> = SINGLE;

/** @returns the change by an operator, by its opcode as `opcodeOf` numbers it */
export function effectOf(opcode: number): number {
  if (opcode < 0x100) return SINGLE[opcode] ?? 0;
  const sub = opcode % 0x1000;
  return PREFIXED[(opcode - sub) / 0x1000 - 0xfb]?.[sub] ?? 0;
}

function spread(rows: readonly Row[], size: number): Int8Array {
  const effects = new Int8Array(size);
  for (const [first, last, change] of rows) effects.fill(change, first, last + 1);
  return effects;
}
