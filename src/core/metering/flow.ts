/**
 * The control flow of one function, as charging sees it: regions, and the joints where control passes between them.
 *
 * A region is a run of operators that is left at its end only, by going to one of its successor joints. A joint is a
 * place that control arrives at: a label, the arms of a branch, the operator behind a cut. Several regions may lead
 * to a joint; exactly one region begins there. Joints that share a predecessor are of one class: what has been paid in
 * advance when control leaves a region is the same whichever way it goes.
 */

import { Reader } from "./binary/reader.ts";
import { fixedCost } from "./body.ts";
import { entryCost } from "./costs.ts";
import type { FlowBuilder } from "./flow-builder.ts";
import type { WasmModule } from "./module.ts";
import type { ScannedBody, ScannedCode } from "./scan.ts";
import { OP, Walker } from "./walker.ts";

/** How a region ends: it goes on to successors, leaves the function, throws, or traps. */
export type Ending = "goes" | "leaves" | "throws" | "traps";

/** A run of operators that is left at its end only. */
export interface Region {
  /** Offset of its first operator. */
  offset: number;
  /** The joint it begins at. */
  joint: number;
  /** Fixed units of its operators. */
  cost: number;
  /** Units that bounded callees take at most. */
  callees: number;
  /** The function that it ends by calling, where that is not bounded. */
  calls: Callee | undefined;
  /** Only one that goes has successors. */
  ending: Ending;
  /** It has a call, or it leaves, throws or traps: there the word is taken up anyway, and can be charged on the way. */
  carries: boolean;
  /** Its successor joints: a range of {@link Flow.successors}. */
  firstSuccessor: number;
  successorsEnd: number;
  /** What it charges, and whether it checks: decided by `charges.ts` and `checks.ts`. */
  charge: number;
  checked: boolean;
}

/** Where control arrives. */
export interface Joint {
  /** Nothing may be paid in advance here: behind calls that are not quiet, exception landings. */
  barrier: boolean;
  loop: boolean;
  /** An exception may land here, out of any depth. */
  landing: boolean;
  /** The other way in, where an `if` has no else; or -1. */
  alias: number;
  /** The joint that represents its class; while the flow is read, one that is nearer to it. */
  parent: number;
  /** Of the one that represents its class: units paid in advance, and whether a way to an exit is known. */
  potential: number;
  reached: boolean;
  /** Units since the last check; and since the entry on ways without one, or -1 where there are none. */
  since: number;
  sinceEntry: number;
}

/** What charging knows of a callee. */
export interface Callee {
  /** It is bounded: what it costs at most. */
  readonly bound: number | undefined;
  /** Nobody sees the count while it runs, and it does not end the run: what is paid in advance stays unseen. */
  readonly quiet: boolean;
  /** Units it may take before its first check; on a way without one, if there is any; since its last at its return. */
  readonly pre: number;
  readonly through: number | undefined;
  readonly exit: number;
}

/** The flow of one function, until its builder reads the next one. */
export interface Flow {
  /** The first `regionCount` are this flow's, in the order of the code; what is behind them is another's. */
  readonly regions: readonly Region[];
  readonly regionCount: number;
  /** Likewise. */
  readonly joints: readonly Joint[];
  readonly jointCount: number;
  readonly successors: readonly number[];
  /** Offsets of block, loop and try operators whose label an exception may land on. */
  readonly landings: ReadonlySet<number>;
  /** Offsets of loop operators that hold nothing but plain operators and branches: where a turn is short. */
  readonly tightLoops: ReadonlySet<number>;
  /** Something branches to the function's own label, be it in dead code. */
  readonly outerTargeted: boolean;
  readonly outerLanding: boolean;
}

/** Longer regions are cut, so that charges stay small against the bound on overshoot. */
const LONGEST_REGION = 60;
/** With it, a region's bounded callees take at most MAX_UNCHECKED more: within what an exit may leave unseen. */
const LONGEST_CALLEES = 40;

/** What reading a flow needs to know around the body. */
export interface FlowContext {
  readonly module: WasmModule;
  readonly code: ScannedCode;
  /** What is known of the function that the walker's call operator calls. */
  readonly calleeOf: (walker: Walker) => Callee;
  /** Whether every call ends a region: needed where a callee may throw to a handler. */
  readonly everyCall: boolean;
  /** Reads one body after another; a flow is its own until the next. */
  readonly builder: FlowBuilder;
}

/** Reads the flow of one function, stop by stop. */
export function readFlow(context: FlowContext, scanned: ScannedBody): Flow {
  const { builder, module, code, calleeOf, everyCall } = context;
  builder.start(scanned.start, entryCost(scanned.body.declaredLocals));
  const walker = new Walker(new Reader(code.bytes, scanned.start, scanned.end), true);
  let behind = scanned.start;
  for (let stop = scanned.firstStop; stop < scanned.stopsEnd; stop += 1) {
    const at = code.offsetOf(stop);
    if (code.isLooseBefore(stop)) builder.loosen();
    const units = code.unitsBefore(stop);
    if (builder.pending + units < LONGEST_REGION) builder.add(units);
    else addByOperator(module, builder, walker, behind, at);
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
        builder.branchOrGo(walker.labels, behind);
        break;
      case OP.brOnCast:
      case OP.brOnCastFail:
        builder.loosen();
        builder.branchOrGo(walker.labels, behind);
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
