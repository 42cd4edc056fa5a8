/**
 * Every operator that may run, with the shape of its immediates and its cost class, as ranges of opcodes.
 *
 * What is not in the table is refused: by name where the name is known ({@link refusalOf}), as unknown otherwise.
 * An operator that slipped through unmetered would be free work, so there is no default row.
 *
 * @see https://webassembly.github.io/spec/core/appendix/index-instructions.html
 */

import type { CostClass } from "../costs.ts";
import { OPERATOR_COSTS } from "../costs.ts";

/** How the bytes behind an opcode are laid out. Numbers, so that a table of one byte for each opcode holds them. */
export const SHAPE = {
  refused: 0,
  none: 1,
  block: 2,
  label: 3,
  u32: 4,
  "u32-u32": 5,
  labels: 6,
  leb: 7,
  memarg: 8,
  "try-table": 9,
  "heap-type": 10,
  "value-types": 11,
  "memarg-lane": 12,
  lane: 13,
  "bytes-4": 14,
  "bytes-8": 15,
  "bytes-16": 16,
  "cast-branch": 17,
} as const;

/** The name of a layout. */
type Immediates = keyof typeof SHAPE;

/** `[first opcode, last opcode, immediates, cost class]` */
type Row = readonly [number, number, Immediates, CostClass];

const ONE_BYTE: readonly Row[] = [
  [0x00, 0x01, "none", "free"], // unreachable, nop
  [0x02, 0x03, "block", "free"], // block, loop
  [0x04, 0x04, "block", "simple"], // if
  [0x05, 0x05, "none", "free"], // else
  [0x06, 0x06, "block", "free"], // try (legacy)
  [0x07, 0x07, "u32", "free"], // catch (legacy)
  [0x08, 0x08, "u32", "throw"],
  [0x09, 0x09, "label", "throw"], // rethrow (legacy)
  [0x0a, 0x0a, "none", "throw"], // throw_ref
  [0x0b, 0x0b, "none", "free"], // end
  [0x0c, 0x0d, "label", "simple"], // br, br_if
  [0x0e, 0x0e, "labels", "jump"], // br_table
  [0x0f, 0x0f, "none", "free"], // return
  [0x10, 0x10, "u32", "call"],
  [0x11, 0x11, "u32-u32", "callIndirect"],
  [0x12, 0x12, "u32", "call"], // return_call
  [0x13, 0x13, "u32-u32", "callIndirect"], // return_call_indirect
  [0x14, 0x15, "u32", "callIndirect"], // call_ref, return_call_ref
  [0x18, 0x18, "label", "free"], // delegate (legacy)
  [0x19, 0x19, "none", "free"], // catch_all (legacy)
  [0x1a, 0x1a, "none", "free"], // drop
  [0x1b, 0x1b, "none", "simple"], // select
  [0x1c, 0x1c, "value-types", "simple"], // select t
  [0x1f, 0x1f, "try-table", "free"],
  [0x20, 0x24, "u32", "simple"], // locals and globals
  [0x25, 0x25, "u32", "check"], // table.get
  [0x26, 0x26, "u32", "tableSet"],
  [0x28, 0x3e, "memarg", "simple"], // loads and stores
  [0x3f, 0x3f, "u32", "simple"], // memory.size
  [0x40, 0x40, "u32", "grow"], // memory.grow
  [0x41, 0x42, "leb", "simple"], // i32.const, i64.const
  [0x43, 0x43, "bytes-4", "simple"],
  [0x44, 0x44, "bytes-8", "simple"],
  [0x45, 0xc4, "none", "simple"], // numeric, sign extension
  [0x6d, 0x70, "none", "divide"], // i32 div, rem
  [0x7f, 0x82, "none", "divide"], // i64 div, rem
  [0x91, 0x91, "none", "divide"], // f32.sqrt
  [0x95, 0x95, "none", "divide"], // f32.div
  [0x9f, 0x9f, "none", "divide"], // f64.sqrt
  [0xa3, 0xa3, "none", "divide"], // f64.div
  [0xd0, 0xd0, "heap-type", "simple"], // ref.null
  [0xd1, 0xd1, "none", "simple"], // ref.is_null
  [0xd2, 0xd2, "u32", "simple"], // ref.func
  [0xd3, 0xd4, "none", "simple"], // ref.eq, ref.as_non_null
  [0xd5, 0xd6, "label", "simple"], // br_on_null, br_on_non_null
];

const GC: readonly Row[] = [
  [0, 1, "u32", "allocate"], // struct.new, struct.new_default
  [2, 5, "u32-u32", "simple"], // struct.get…, struct.set
  [6, 7, "u32", "allocate"], // array.new, array.new_default
  [8, 10, "u32-u32", "allocate"], // array.new_fixed, array.new_data, array.new_elem
  [11, 14, "u32", "simple"], // array.get…, array.set
  [15, 15, "none", "simple"], // array.len
  [16, 16, "u32", "arrayBulk"], // array.fill
  [17, 19, "u32-u32", "arrayBulk"], // array.copy, array.init_data, array.init_elem
  [20, 23, "heap-type", "check"], // ref.test, ref.cast
  [24, 25, "cast-branch", "check"], // br_on_cast, br_on_cast_fail
  [26, 30, "none", "simple"], // any.convert_extern … i31.get_u
];

const MISC: readonly Row[] = [
  [0, 7, "none", "simple"], // trunc_sat
  [8, 8, "u32-u32", "memoryBulk"], // memory.init
  [9, 9, "u32", "simple"], // data.drop
  [10, 10, "u32-u32", "memoryBulk"], // memory.copy
  [11, 11, "u32", "memoryBulk"], // memory.fill
  [12, 12, "u32-u32", "tableBulk"], // table.init
  [13, 13, "u32", "simple"], // elem.drop
  [14, 14, "u32-u32", "tableBulk"], // table.copy
  [15, 15, "u32", "grow"], // table.grow
  [16, 16, "u32", "simple"], // table.size
  [17, 17, "u32", "tableBulk"], // table.fill
];

const SIMD: readonly Row[] = [
  [0, 11, "memarg", "simple"], // loads, v128.store
  [12, 13, "bytes-16", "simple"], // v128.const, i8x16.shuffle
  [14, 20, "none", "simple"],
  [21, 34, "lane", "simple"], // extract_lane, replace_lane
  [35, 83, "none", "simple"],
  [84, 91, "memarg-lane", "simple"], // load_lane, store_lane
  [92, 93, "memarg", "simple"], // load32_zero, load64_zero
  [94, 255, "none", "simple"],
  [256, 275, "none", "simple"], // relaxed SIMD: allowed by option only
];

/** First opcode of relaxed SIMD, as {@link opcodeOf} numbers it. */
export const RELAXED_SIMD = 0xfd000 + 256;

/** Joins a prefix byte and the number behind it into one opcode; `0xfd000 + n` for SIMD. */
export function opcodeOf(prefix: number, sub: number): number {
  return prefix * 0x1000 + sub;
}

/** @returns the layout of an operator's immediates (a {@link SHAPE}) by its opcode, see {@link opcodeOf} */
export function shapeOf(opcode: number): number {
  if (opcode < 0x100) return SINGLE.shapes[opcode] ?? SHAPE.refused;
  const sub = opcode % 0x1000;
  return PREFIXED[(opcode - sub) / 0x1000 - 0xfb]?.shapes[sub] ?? SHAPE.refused;
}

/** @returns the fixed units of an operator, {@link OPERATOR_COSTS}, by its opcode */
export function costOf(opcode: number): number {
  if (opcode < 0x100) return SINGLE.costs[opcode] ?? 0;
  const sub = opcode % 0x1000;
  return PREFIXED[(opcode - sub) / 0x1000 - 0xfb]?.costs[sub] ?? 0;
}

/** @returns what an opcode outside the table is called, for the refusal's message */
export function refusalOf(opcode: number): string {
  const prefix = opcode < 0x100 ? opcode : Math.floor(opcode / 0x1000);
  if (prefix === 0xfe) return "an atomic operator (threads)";
  if (opcode >= 0xe0 && opcode <= 0xe6) return "a stack switching operator";
  if (prefix === 0xfc && opcode % 0x1000 >= 19) return "a wide arithmetic operator";
  if (prefix === 0xfb && opcode % 0x1000 >= 0x80) return "a string reference operator";
  return `the unknown operator 0x${opcode.toString(16)}`;
}

const SINGLE = spread(ONE_BYTE, 256);
const PREFIXED = [spread(GC, 31), spread(MISC, 18), spread(SIMD, 276)];

/** Spreads ranges into tables by opcode; a later row overrides an earlier one. */
function spread(
  rows: readonly Row[],
  size: number,
): { readonly shapes: Uint8Array; readonly costs: Uint16Array } {
  const shapes = new Uint8Array(size);
  const costs = new Uint16Array(size);
  for (const [first, last, immediates, costClass] of rows) {
    shapes.fill(SHAPE[immediates], first, last + 1);
    costs.fill(OPERATOR_COSTS[costClass], first, last + 1);
  }
  return { shapes, costs };
}
