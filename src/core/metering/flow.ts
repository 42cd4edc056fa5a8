/**
 * The control flow of one function, as charging sees it: regions, and the joints where control passes between them.
 *
 * A region is a run of operators that is left at its end only, by going to one of its successor joints. A joint is a
 * place that control arrives at: a label, the arms of a branch, the operator behind a cut. Several regions may lead
 * to a joint; exactly one region begins there. Joints that share a predecessor are of one class (`classOf`): what
 * has been paid in advance when control leaves a region is the same whichever way it goes.
 */

import type { FunctionBody } from "./body.ts";
import { fixedCost } from "./body.ts";
import { entryCost } from "./costs.ts";
import { FlowBuilder } from "./flow-builder.ts";
import type { WasmModule } from "./module.ts";
import type { Walker } from "./walker.ts";
import { OP } from "./walker.ts";

/** How a region ends: it goes on to successors, leaves the function, throws, or traps. */
export type Ending = "goes" | "leaves" | "throws" | "traps";

/** A run of operators that is left at its end only. */
export interface Region {
  /** Offset of its first operator. */
  readonly offset: number;
  /** The joint it begins at. */
  readonly joint: number;
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
  successors: readonly number[];
}

/** Where control arrives. */
export interface Joint {
  /** Nothing may be paid in advance here: behind calls that are not quiet, exception landings. */
  barrier: boolean;
  readonly loop: boolean;
  /** An exception may land here, out of any depth. */
  landing: boolean;
  /** The other way in, where an `if` has no else. */
  alias: number | undefined;
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

/** The flow of one function. */
export interface Flow {
  readonly regions: readonly Region[];
  readonly joints: readonly Joint[];
  /** The representative joint of a joint's class. */
  readonly classOf: (joint: number) => number;
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

/**
 * Reads the flow of one function. `walker` stands before its first operator.
 *
 * @param calleeOf what is known of the function that the walker's call operator calls
 * @param everyCall whether every call ends a region: needed where a callee may throw to a handler
 */
export function readFlow(
  module: WasmModule,
  body: FunctionBody,
  walker: Walker,
  calleeOf: (walker: Walker) => Callee,
  everyCall: boolean,
): Flow {
  const builder = new FlowBuilder(body.codeStart, entryCost(body.declaredLocals));
  while (walker.next()) {
    const behind = walker.reader.pos;
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
        builder.branch([walker.first]);
        break;
      case OP.brTable:
        builder.branch(walker.labels);
        break;
      case OP.brIf:
      case OP.brOnNull:
      case OP.brOnNonNull:
        builder.branchOrGo([walker.first], behind);
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
        if (walker.opcode === OP.memoryGrow || walker.opcode >= 0xfb000) builder.loosen();
        if (builder.pending >= LONGEST_REGION) builder.cut(behind, false);
    }
  }
  return builder;
}
