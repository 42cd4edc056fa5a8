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
  /** Only one that goes has successors. */
  ending: Ending;
  successors: readonly number[];
}

/** Where control arrives. */
export interface Joint {
  /** Nothing may be paid in advance here: loop headers, behind calls that are not bounded, exception landings. */
  barrier: boolean;
  readonly loop: boolean;
  /** An exception may land here, out of any depth. */
  landing: boolean;
  /** Behind a call that is not bounded: units that may have been taken since the last check at its return. */
  readonly arrival: number | undefined;
  /** The other way in, where an `if` has no else. */
  alias: number | undefined;
}

/** What charging knows of a callee. */
export interface Callee {
  /** It is bounded: what it costs at most. */
  readonly bound: number | undefined;
  /** Units it may have taken since its last check when it returns. */
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
  /** Something branches to the function's own label, be it in dead code. */
  readonly outerTargeted: boolean;
  readonly outerLanding: boolean;
  /** It has operators that charge by size. */
  readonly sized: boolean;
}

/** Longer regions are cut, so that charges stay small against the bound on overshoot. */
const LONGEST_REGION = 60;
/** With it, a region's bounded callees take at most MAX_UNCHECKED more: within what an exit may leave unseen. */
const LONGEST_CALLEES = 40;

interface Frame {
  readonly opcode: number;
  readonly at: number;
  /** Its end (its header for a loop). */
  readonly label: number;
  /** Where `else` begins, or -1. */
  alternative: number;
  targeted: boolean;
  landing: boolean;
  /** It was opened in dead code. */
  readonly dead: boolean;
}

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
      case OP.try:
        builder.open(walker.opcode, walker.at);
        break;
      case OP.tryTable:
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
        builder.branchOrGo(walker.labels, behind);
        break;
      case OP.returnCall:
        builder.addCallee(calleeOf(walker).bound ?? 0);
        builder.finish("leaves");
        break;
      case OP.return:
      case OP.returnCallIndirect:
      case OP.returnCallRef:
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
        if (callee.bound !== undefined) builder.addCallee(callee.bound);
        if (callee.bound === undefined) builder.cut(behind, true, callee.exit);
        else if (everyCall) builder.cut(behind, true);
        else if (builder.pendingCallees >= LONGEST_CALLEES) builder.cut(behind, false);
        break;
      }
      default:
        if (walker.opcode === OP.memoryGrow || walker.opcode >= 0xfb000) builder.sized = true;
        if (builder.pending >= LONGEST_REGION) builder.cut(behind, false);
    }
  }
  return builder;
}

class FlowBuilder implements Flow {
  readonly regions: Region[] = [];
  readonly joints: Joint[] = [];
  readonly landings = new Set<number>();
  outerTargeted = false;
  outerLanding = false;
  sized = false;
  readonly #frames: Frame[] = [];
  readonly #parents: number[] = [];
  /** The region being read; undefined in dead code. */
  #region: Region | undefined;

  constructor(codeStart: number, entry: number) {
    const label = this.#joint(false);
    this.#frames.push({ ...FRAME, opcode: OP.block, at: -1, label });
    this.#begin(codeStart, this.#joint(true));
    this.add(entry);
  }

  /** Units of the region being read. */
  get pending(): number {
    return this.#region?.cost ?? 0;
  }

  /** Units of the bounded callees of the region being read. */
  get pendingCallees(): number {
    return this.#region?.callees ?? 0;
  }

  classOf = (joint: number): number => {
    const parents = this.#parents;
    let root = joint;
    while (parents[root] !== root) root = parents[root] ?? 0;
    for (let each = joint; parents[each] !== root; ) {
      const next = parents[each] ?? 0;
      parents[each] = root;
      each = next;
    }
    return root;
  };

  add(units: number): void {
    if (this.#region) this.#region.cost += units;
  }

  addCallee(units: number): void {
    if (this.#region) this.#region.callees += units;
  }

  open(opcode: number, at: number): void {
    this.#frames.push({ ...FRAME, opcode, at, label: this.#joint(false), dead: this.#region === undefined });
  }

  openLoop(at: number, behind: number): void {
    const dead = this.#region === undefined;
    const label = this.#joint(true, true);
    this.#frames.push({ ...FRAME, opcode: OP.loop, at, label, dead });
    this.#go([label]);
    if (!dead) this.#begin(behind, label);
  }

  openIf(at: number, behind: number): void {
    const dead = this.#region === undefined;
    const then = this.#joint(false);
    const alternative = this.#joint(false);
    const label = this.#joint(false);
    this.#frames.push({ ...FRAME, opcode: OP.if, at, label, alternative, dead });
    this.#go([then, alternative]);
    if (!dead) this.#begin(behind, then);
  }

  otherwise(behind: number): void {
    const frame = this.#frames[this.#frames.length - 1];
    if (frame === undefined || frame.dead) return;
    if (this.#region) frame.targeted = true;
    this.#go([frame.label]);
    this.#begin(behind, frame.alternative);
    frame.alternative = -1;
  }

  catch(behind: number): void {
    const frame = this.#frames[this.#frames.length - 1];
    if (frame === undefined || frame.dead) return;
    if (this.#region) frame.targeted = true;
    this.#go([frame.label]);
    const landing = this.#joint(true);
    const joint = this.joints[landing];
    if (joint) joint.landing = true;
    this.#begin(behind, landing);
  }

  close(behind: number): void {
    const frame = this.#frames.pop();
    if (frame === undefined) return;
    if (this.#frames.length === 0) {
      if (frame.targeted) {
        this.#go([frame.label]);
        // What stands behind the body's end returns: a region of its own when something branches there.
        this.#begin(behind, frame.label);
        this.outerTargeted = true;
        this.outerLanding = frame.landing;
      }
      this.finish("leaves");
      return;
    }
    if (frame.dead || frame.opcode === OP.loop) return;
    if (frame.opcode === OP.if && frame.alternative >= 0) {
      frame.targeted = true;
      this.#unite(frame.label, frame.alternative);
      const joint = this.joints[frame.label];
      if (joint) joint.alias = frame.alternative;
    }
    if (!frame.targeted) return;
    this.#go([frame.label]);
    this.#begin(behind, frame.label);
  }

  branch(labels: readonly number[]): void {
    this.#go(labels.map((label) => this.#target(label)));
  }

  branchOrGo(labels: readonly number[], behind: number): void {
    const dead = this.#region === undefined;
    const next = this.#joint(false);
    this.#go([...labels.map((label) => this.#target(label)), next]);
    if (!dead) this.#begin(behind, next);
  }

  /** An exception may arrive at a label, whatever was paid where it was thrown. */
  land(label: number): void {
    const frame = this.#frames[this.#frames.length - 1 - label];
    if (frame === undefined || (this.#region === undefined && frame !== this.#frames[0])) return;
    frame.targeted = true;
    frame.landing = true;
    this.landings.add(frame.at);
    const joint = this.joints[frame.label];
    if (joint === undefined) return;
    joint.barrier = true;
    joint.landing = true;
  }

  cut(behind: number, barrier: boolean, arrival?: number): void {
    if (this.#region === undefined) return;
    const next = this.#joint(barrier, false, arrival);
    this.#go([next]);
    this.#begin(behind, next);
  }

  finish(ending: Ending): void {
    if (this.#region) this.#region.ending = ending;
    this.#region = undefined;
  }

  #target(label: number): number {
    const frame = this.#frames[this.#frames.length - 1 - label];
    if (frame === undefined) return 0;
    if (this.#region || frame === this.#frames[0]) frame.targeted = true;
    return frame.label;
  }

  /** Ends the region; it leads to these joints. */
  #go(joints: readonly number[]): void {
    const region = this.#region;
    if (region === undefined) return;
    region.successors = joints;
    for (const joint of joints) this.#unite(joints[0] ?? joint, joint);
    this.#region = undefined;
  }

  #begin(offset: number, joint: number): void {
    this.#region = { offset, joint, cost: 0, callees: 0, ending: "goes", successors: [] };
    this.regions.push(this.#region);
  }

  #joint(barrier: boolean, loop = false, arrival?: number): number {
    this.#parents.push(this.joints.length);
    return this.joints.push({ barrier, loop, landing: false, arrival, alias: undefined }) - 1;
  }

  #unite(a: number, b: number): void {
    this.#parents[this.classOf(a)] = this.classOf(b);
  }
}

const FRAME = { alternative: -1, targeted: false, landing: false, dead: false };
