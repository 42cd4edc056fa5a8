/** Reads the control flow of one function out of its code, stop by stop: `regions.ts` says what comes out. */
import { fixedCost } from "../binary/body.ts";
import type { WasmModule } from "../binary/module.ts";
import { costOf } from "../binary/operators.ts";
import { Reader } from "../binary/reader.ts";
import { isShortBlockType } from "../binary/types.ts";
import { OP, Walker } from "../binary/walker.ts";
import { entryCost } from "../costs.ts";
import type { FlowBuilder } from "./flow-builder.ts";
import type { Callee, Flow } from "./regions.ts";
import type { ScannedBody } from "./scan.ts";

/** Longer regions are cut, so that charges stay small against the bound on overshoot. */
const LONGEST_REGION = 60;
/** With it, a region's bounded callees take at most MAX_UNCHECKED more: within what an exit may leave unseen. */
const LONGEST_CALLEES = 40;

/** What reading a flow needs to know around the body. */
export interface FlowContext {
  readonly module: WasmModule;
  /** What is known of the function that the walker's call operator calls. */
  readonly calleeOf: (walker: Walker) => Callee;
  /** Whether every call ends a region: needed where a callee may throw to a handler. */
  readonly everyCall: boolean;
  /** Reads one body after another; a flow is its own until the next. */
  readonly builder: FlowBuilder;
}

/** Reads the flow of one function, stop by stop. */
export function readFlow(context: FlowContext, scanned: ScannedBody): Flow {
  const { builder, module, calleeOf, everyCall } = context;
  const { code } = scanned;
  const { bytes } = code;
  builder.start(scanned.start, entryCost(scanned.body.declaredLocals));
  const walker = new Walker(new Reader(bytes, scanned.start, scanned.end), true);
  let behind = scanned.start;
  for (let stop = scanned.firstStop; stop < scanned.stopsEnd; stop += 1) {
    const at = code.offsetOf(stop);
    if (code.isLooseBefore(stop)) builder.loosen();
    const units = code.unitsBefore(stop);
    if (builder.pending + units < LONGEST_REGION) builder.add(units);
    else addByOperator(module, builder, walker, behind, at);
    behind = readShort(builder, bytes, at);
    if (behind > 0) continue;
    walker.reader.pos = at;
    walker.next();
    behind = walker.reader.pos;
    builder.add(fixedCost(module, walker));
    switch (walker.opcode) {
      case OP.block:
        builder.open(walker.opcode, walker.at);
        break;
      case OP.try:
        builder.loosen();
        builder.open(walker.opcode, walker.at);
        break;
      case OP.tryTable:
        builder.loosen();
        for (const label of walker.labels) builder.land(label);
        builder.open(OP.block, walker.at);
        break;
      case OP.loop:
        builder.openLoop(walker.at, behind);
        break;
      case OP.if:
        builder.openIf(walker.at, behind);
        break;
      case OP.else:
        builder.otherwise(behind);
        break;
      case OP.catch:
      case OP.catchAll:
        builder.catch(behind);
        break;
      case OP.end:
      case OP.delegate:
        builder.close(behind);
        break;
      case OP.br:
        builder.branch(walker.labels);
        break;
      case OP.brTable:
        builder.branch(walker.labels);
        break;
      case OP.brIf:
      case OP.brOnNull:
      case OP.brOnNonNull:
        builder.branchOrGo(walker.first, behind);
        break;
      case OP.brOnCast:
      case OP.brOnCastFail:
        builder.loosen();
        builder.branchOrGo(walker.labels[0] ?? 0, behind);
        break;
      case OP.returnCall:
      case OP.returnCallIndirect:
      case OP.returnCallRef: {
        const callee = calleeOf(walker);
        if (callee.bound === undefined) builder.endByCall(callee);
        else builder.addCallee(callee.bound);
        builder.finish("leaves");
        break;
      }
      case OP.return:
        builder.finish("leaves");
        break;
      case OP.unreachable:
        builder.finish("traps");
        break;
      case OP.throw:
      case OP.throwRef:
      case OP.rethrow:
        builder.finish("throws");
        break;
      case OP.call:
      case OP.callIndirect:
      case OP.callRef: {
        const callee = calleeOf(walker);
        builder.carry();
        builder.loosen();
        if (callee.bound !== undefined) builder.addCallee(callee.bound);
        if (callee.bound === undefined) {
          builder.endByCall(callee);
          builder.cut(behind, !callee.quiet);
        } else if (everyCall) builder.cut(behind, true);
        else if (builder.pendingCallees >= LONGEST_CALLEES) builder.cut(behind, false);
        break;
      }
      default:
        if (walker.opcode !== OP.refFunc) builder.loosen();
        if (builder.pending >= LONGEST_REGION) builder.cut(behind, false);
    }
  }
  builder.settle();
  return builder;
}

/**
 * Most stops: branches and the ends of blocks whose immediate is one byte. The walker would read them no differently.
 *
 * @returns where the next operator is, or 0 where it is another kind of stop
 */
function readShort(builder: FlowBuilder, bytes: Uint8Array, at: number): number {
  const opcode = bytes[at] ?? 0;
  const next = bytes[at + 1] ?? 0xff;
  switch (opcode) {
    case OP.end:
      builder.close(at + 1);
      return at + 1;
    case OP.else:
      builder.otherwise(at + 1);
      return at + 1;
    case OP.block:
      if (!isShortBlockType(next)) return 0;
      builder.open(opcode, at);
      return at + 2;
    case OP.if:
      if (!isShortBlockType(next)) return 0;
      builder.add(costOf(opcode));
      builder.openIf(at, at + 2);
      return at + 2;
    case OP.br:
      if (next >= 0x80) return 0;
      builder.add(costOf(opcode));
      builder.branchAway(next);
      return at + 2;
    case OP.brIf:
      if (next >= 0x80) return 0;
      builder.add(costOf(opcode));
      builder.branchOrGo(next, at + 2);
      return at + 2;
    default:
      return 0;
  }
}

/** A run of plain operators that is too long for the region it is in. */
function addByOperator(
  module: WasmModule,
  builder: FlowBuilder,
  walker: Walker,
  start: number,
  end: number,
): void {
  walker.reader.pos = start;
  while (walker.reader.pos < end) {
    walker.next();
    builder.add(fixedCost(module, walker));
    if (builder.pending >= LONGEST_REGION) builder.cut(walker.reader.pos, false);
  }
}
