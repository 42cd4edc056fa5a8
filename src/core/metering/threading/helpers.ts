/**
 * The functions that move units between the fuel word and the host's counter. Code calls them where a slice ends and
 * where control leaves the module: seldom, so they are small rather than fast.
 *
 * | name | takes, gives | |
 * |---|---|---|
 * | `give` | word → word | gives the units back to the host's counter: the word holds none |
 * | `spill` | word → word | `give` in front of a branch that may not be taken: what is left is no slice that was spent |
 * | `draw` | word → word | takes a new slice, whatever units the word held |
 * | `settle` | word → word | `give`, then asks the host for more if it owes, then traps if it still does |
 * | `more` | word → word | `settle` and `draw`: where a check finds nothing left |
 * | `enter` | → word | at an export: the first word of a call, with nothing run on a budget of nothing |
 * | `exit` | word → | at an export: `settle`, and the depth is the host's again |
 * | `out` | word → word | at an import: `settle`, and the host sees the depth |
 * | `pay` | word, i64 units → word | takes units of any number, and checks |
 * | `leave` | word → | `give` where the word is not needed again: a trap of the guest's own, a throw |
 */

import { OP } from "../binary/walker.ts";
import { Writer } from "../binary/writer.ts";
import {
  CROSSING_FRAMES,
  FIRST_SLICE,
  framesInWord,
  LAST_GROWING_SLICE,
  SLICE_GROWTH,
  UNIT_BITS,
} from "../word.ts";
import { i32, i64, op, pushDepth, pushUnits, TYPE } from "./word-code.ts";

/** Where the counters are, the depth a run begins with, and the hook that refills. */
export interface Counters {
  readonly left: number;
  readonly depth: number;
  /** The module's own global that holds the size of its next slice. */
  readonly slice: number;
  readonly maxCallDepth: number;
  /** Index of the imported function that may raise `left`; undefined where the guest is stopped at once. */
  readonly refill: number | undefined;
}

/** What helpers take and give. */
export const HELPER_TYPES = {
  give: { params: [TYPE.i64], results: [TYPE.i64] },
  spill: { params: [TYPE.i64], results: [TYPE.i64] },
  draw: { params: [TYPE.i64], results: [TYPE.i64] },
  settle: { params: [TYPE.i64], results: [TYPE.i64] },
  more: { params: [TYPE.i64], results: [TYPE.i64] },
  enter: { params: [], results: [TYPE.i64] },
  exit: { params: [TYPE.i64], results: [] },
  out: { params: [TYPE.i64], results: [TYPE.i64] },
  pay: { params: [TYPE.i64, TYPE.i64], results: [TYPE.i64] },
  leave: { params: [TYPE.i64], results: [] },
} as const;

/** One of the helpers. */
export type Helper = keyof typeof HELPER_TYPES;

/** An exhausted guest reports no more than this below zero, however much it asked for. */
const MOST_BELOW_ZERO = -200;
/** Larger charges by size go to the host's counter directly: the word could not hold the debt. */
const MOST_INLINE = 4096;

/**
 * The body of a helper, locals included.
 *
 * @param indexOf the function index of another helper
 */
export function helperBody(
  helper: Helper,
  counters: Counters,
  indexOf: (helper: Helper) => number,
): Uint8Array {
  const writer = new Writer(64);
  const call = (other: Helper): void => op(writer, OP.call, indexOf(other));
  const get = (local: number): void => op(writer, OP.localGet, local);
  writer.byte(0);
  switch (helper) {
    case "give":
      give(writer, counters);
      pushDepth(writer, 0);
      break;
    case "spill":
      shrinkSlice(writer, counters);
      get(0);
      call("give");
      break;
    case "draw":
      draw(writer, counters);
      break;
    case "settle":
      get(0);
      call("give");
      settle(writer, counters);
      break;
    case "more":
      get(0);
      call("settle");
      growSlice(writer, counters);
      call("draw");
      break;
    case "enter":
      enter(writer, counters, call);
      break;
    case "exit":
      get(0);
      call("settle");
      op(writer, OP.localSet, 0);
      setDepth(writer, counters);
      break;
    case "out":
      get(0);
      call("settle");
      op(writer, OP.localTee, 0);
      setDepth(writer, counters, CROSSING_FRAMES);
      break;
    case "pay":
      pay(writer, counters, call);
      break;
    case "leave":
      give(writer, counters);
      break;
    default:
      helper satisfies never;
  }
  writer.byte(OP.end);
  return writer.toBytes();
}

function give(writer: Writer, { left }: Counters): void {
  op(writer, OP.globalGet, left);
  pushUnits(writer, 0);
  writer.byte(0x7c); // i64.add
  op(writer, OP.globalSet, left);
}

/**
 * Takes least(left, slice), and no less than −1: a host that charged more than there was has its guest stopped at the
 * next check, and the counter goes on to hold what the word can not.
 */
function draw(writer: Writer, counters: Counters): void {
  const { left } = counters;
  pushDepth(writer, 0);
  pushSlice(writer, counters);
  writer.byte(0x7c); // i64.add
  op(writer, OP.globalGet, left);
  pushSlice(writer, counters);
  writer.byte(0x7d); // i64.sub
  op(writer, OP.globalSet, left);
}

function pushSlice(writer: Writer, { left, slice }: Counters): void {
  const pushLeast = (): void => {
    for (const global of [left, slice, left, slice]) op(writer, OP.globalGet, global);
    writer.bytes(0x53, 0x1b); // i64.lt_s, select
  };
  pushLeast();
  i64(writer, -1);
  pushLeast();
  i64(writer, -1);
  writer.bytes(0x55, 0x1b); // i64.gt_s, select
}

/** The slice was spent: the next one is larger. */
function growSlice(writer: Writer, { slice }: Counters): void {
  op(writer, OP.globalGet, slice);
  i64(writer, LAST_GROWING_SLICE);
  writer.bytes(0x58, OP.if, TYPE.empty); // i64.le_u
  op(writer, OP.globalGet, slice);
  op(writer, OP.globalGet, slice);
  i64(writer, Math.log2(SLICE_GROWTH));
  writer.bytes(0x88, 0x7c); // i64.shr_u, i64.add
  op(writer, OP.globalSet, slice);
  writer.byte(OP.end);
}

/**
 * What is given back now may be found missing behind a branch that was not taken, as if it had been spent. Larger by the
 * one and smaller by the other, slices stay in proportion to what was used.
 */
function shrinkSlice(writer: Writer, { slice }: Counters): void {
  op(writer, OP.globalGet, slice);
  i64(writer, FIRST_SLICE);
  writer.bytes(0x56, OP.if, TYPE.empty); // i64.gt_u
  op(writer, OP.globalGet, slice);
  op(writer, OP.globalGet, slice);
  i64(writer, Math.log2(SLICE_GROWTH));
  writer.bytes(0x88, 0x7d); // i64.shr_u, i64.sub
  op(writer, OP.globalSet, slice);
  writer.byte(OP.end);
}

/** The word without its units is on the stack. */
function settle(writer: Writer, counters: Counters): void {
  const { left, depth, refill } = counters;
  op(writer, OP.localTee, 0);
  i64(writer, 0);
  writer.bytes(0x53, OP.if, TYPE.empty); // i64.lt_s: more frames than there may be
  i32(writer, -1);
  op(writer, OP.globalSet, depth);
  writer.bytes(OP.unreachable, OP.end);
  if (refill !== undefined) {
    pushOwes(writer, left);
    writer.bytes(OP.if, TYPE.empty);
    setDepth(writer, counters);
    op(writer, OP.call, refill);
    writer.byte(OP.end);
  }
  pushOwes(writer, left);
  writer.bytes(OP.if, TYPE.empty);
  op(writer, OP.globalGet, left);
  i64(writer, MOST_BELOW_ZERO);
  op(writer, OP.globalGet, left);
  i64(writer, MOST_BELOW_ZERO);
  writer.bytes(0x55, 0x1b); // i64.gt_s, select
  op(writer, OP.globalSet, left);
  writer.bytes(OP.unreachable, OP.end);
  op(writer, OP.localGet, 0);
}

function pushOwes(writer: Writer, left: number): void {
  op(writer, OP.globalGet, left);
  i64(writer, 0);
  writer.byte(0x53); // i64.lt_s
}

/** Tells the host the frames in use, for the word in local 0, which holds no units, and those the next call may take. */
function setDepth(writer: Writer, { depth, maxCallDepth }: Counters, more = 0): void {
  i32(writer, maxCallDepth + more);
  op(writer, OP.localGet, 0);
  i64(writer, UNIT_BITS);
  writer.bytes(0x87, 0xa7, 0x6b); // i64.shr_s, i32.wrap_i64, i32.sub
  op(writer, OP.globalSet, depth);
}

/**
 * A call costs a unit at least, and a small function does not check for itself: nothing runs on nothing. So a unit is
 * owed for a moment: the host is asked for more where it can be, and the guest stopped where not.
 */
function enter(
  writer: Writer,
  { left, depth, maxCallDepth }: Counters,
  call: (helper: Helper) => void,
): void {
  addToLeft(writer, left, -1);
  i64(writer, framesInWord(maxCallDepth));
  op(writer, OP.globalGet, depth);
  writer.byte(0xac); // i64.extend_i32_s
  i64(writer, UNIT_BITS);
  writer.bytes(0x86, 0x7d); // i64.shl, i64.sub
  call("settle");
  addToLeft(writer, left, 1);
  call("draw");
}

function addToLeft(writer: Writer, left: number, units: number): void {
  op(writer, OP.globalGet, left);
  i64(writer, units);
  writer.byte(0x7c); // i64.add
  op(writer, OP.globalSet, left);
}

function pay(writer: Writer, { left }: Counters, call: (helper: Helper) => void): void {
  op(writer, OP.localGet, 1);
  i64(writer, MOST_INLINE);
  writer.bytes(0x5a, OP.if, TYPE.i64); // i64.ge_u
  op(writer, OP.globalGet, left);
  op(writer, OP.localGet, 1);
  writer.byte(0x7d); // i64.sub
  op(writer, OP.globalSet, left);
  op(writer, OP.localGet, 0);
  call("settle"); // not `more`: no slice was spent, so the next is no larger
  call("draw");
  writer.byte(OP.else);
  op(writer, OP.localGet, 0);
  op(writer, OP.localGet, 1);
  writer.byte(0x7d); // i64.sub
  op(writer, OP.localTee, 0);
  op(writer, OP.localGet, 0);
  writer.byte(0xa7); // i32.wrap_i64
  i32(writer, 0);
  writer.byte(0x4e); // i32.ge_s
  op(writer, OP.brIf, 0); // enough is left: the word is the block's result
  call("more");
  writer.byte(OP.end);
}
