/**
 * Builds the flow of one function while its operators are read: which region is open, which labels stand around it,
 * which joints share a predecessor.
 *
 * In dead code no region is open and nothing is built, but labels are tracked all the same. One builder reads many bodies,
 * one after another, and uses its objects again: a large module has millions of regions.
 */

import { OP } from "../binary/walker.ts";
import type { Callee, Ending, Flow, Joint, Region } from "./regions.ts";

interface Frame {
  opcode: number;
  at: number;
  /** Its end (its header for a loop). */
  label: number;
  /** Where `else` begins, or -1. */
  alternative: number;
  targeted: boolean;
  landing: boolean;
  /** It was opened in dead code. */
  dead: boolean;
}

const NONE: ReadonlySet<number> = new Set();

/** Collects regions and joints; it is the {@link Flow} of a body from its last `end` to the next `start`. */
export class FlowBuilder implements Flow {
  readonly regions: Region[] = [];
  regionCount = 0;
  readonly joints: Joint[] = [];
  jointCount = 0;
  readonly successors: number[] = [];
  successorCount = 0;
  outerTargeted = false;
  outerLanding = false;
  /** The first `#depth` are open, the innermost last. */
  readonly #frames: Frame[] = [];
  #depth = 0;
  /** The loops around the operator, and whether each is tight so far. */
  readonly #loops: { readonly at: number; tight: boolean }[] = [];
  /** Made where there are any: most bodies have neither. */
  #landings: Set<number> | undefined;
  #tightLoops: Set<number> | undefined;
  /** The region being read; undefined in dead code. */
  #region: Region | undefined;

  /**
   * Begins with the next body.
   *
   * @param codeStart offset of its first operator
   * @param entry units for entering the function
   */
  start(codeStart: number, entry: number): void {
    this.regionCount = 0;
    this.jointCount = 0;
    this.successorCount = 0;
    this.#depth = 0;
    this.#loops.length = 0;
    this.#landings = undefined;
    this.#tightLoops = undefined;
    this.outerTargeted = false;
    this.outerLanding = false;
    this.#open(OP.block, -1, this.#joint(false), -1, false);
    this.#begin(codeStart, this.#joint(true));
    this.add(entry);
  }

  get landings(): ReadonlySet<number> {
    return this.#landings ?? NONE;
  }

  get tightLoops(): ReadonlySet<number> {
    return this.#tightLoops ?? NONE;
  }

  /** Units of the region being read. */
  get pending(): number {
    return this.#region?.cost ?? 0;
  }

  /** Units of the bounded callees of the region being read. */
  get pendingCallees(): number {
    return this.#region?.callees ?? 0;
  }

  /** Ends the flow: every joint names the one that represents its class, every region those it is between. */
  settle(): void {
    const { joints, regions, successors } = this;
    for (let joint = 0; joint < this.jointCount; joint += 1) this.#classOf(joint);
    for (let i = 0; i < this.regionCount; i += 1) {
      const region = regions[i];
      if (region === undefined) continue;
      const { joint, ending, firstSuccessor, successorsEnd } = region;
      region.before = joints[joint]?.parent ?? joint;
      const isLed = ending === "goes" && firstSuccessor !== successorsEnd;
      const next = isLed ? (successors[firstSuccessor] ?? 0) : -1;
      region.behind = isLed ? (joints[next]?.parent ?? next) : -1;
    }
  }

  add(units: number): void {
    if (this.#region) this.#region.cost += units;
  }

  addCallee(units: number): void {
    if (this.#region) this.#region.callees += units;
  }

  /** The loop around the operator, if any, is not tight. */
  loosen(): void {
    if (this.#loops.length === 0) return; // nearly always; an array is slow to say that it has nothing at -1
    const loop = this.#loops[this.#loops.length - 1];
    if (loop !== undefined) loop.tight = false;
  }

  /** The region being read has a call. */
  carry(): void {
    if (this.#region) this.#region.carries = true;
  }

  /** The region ends by a call of a function that is not bounded. */
  endByCall(callee: Callee): void {
    if (this.#region) this.#region.calls = callee;
  }

  open(opcode: number, at: number): void {
    this.#open(opcode, at, this.#joint(false), -1, this.#region === undefined);
  }

  openLoop(at: number, behind: number): void {
    const dead = this.#region === undefined;
    this.loosen();
    this.#loops.push({ at, tight: !dead });
    const label = this.#joint(false, true);
    this.#open(OP.loop, at, label, -1, dead);
    this.#goTo(label);
    if (!dead) this.#begin(behind, label);
  }

  openIf(at: number, behind: number): void {
    const dead = this.#region === undefined;
    const then = this.#joint(false);
    const alternative = this.#joint(false);
    const label = this.#joint(false);
    this.#open(OP.if, at, label, alternative, dead);
    const region = this.#region;
    if (region !== undefined) {
      this.#lead(region, then);
      this.#lead(region, alternative);
    }
    this.#region = undefined;
    if (!dead) this.#begin(behind, then);
  }

  otherwise(behind: number): void {
    const frame = this.#frames[this.#depth - 1];
    if (frame === undefined || frame.dead) return;
    if (this.#region) frame.targeted = true;
    this.#goTo(frame.label);
    this.#begin(behind, frame.alternative);
    frame.alternative = -1;
  }

  catch(behind: number): void {
    const frame = this.#frames[this.#depth - 1];
    if (frame === undefined || frame.dead) return;
    if (this.#region) frame.targeted = true;
    this.#goTo(frame.label);
    const landing = this.#joint(true);
    const joint = this.joints[landing];
    if (joint) joint.landing = true;
    this.#begin(behind, landing);
  }

  close(behind: number): void {
    if (this.#depth === 0) return;
    this.#depth -= 1;
    const frame = this.#frames[this.#depth];
    if (frame === undefined) return;
    if (frame.opcode === OP.loop) {
      const loop = this.#loops.pop();
      if (loop?.tight === true) {
        this.#tightLoops ??= new Set();
        this.#tightLoops.add(loop.at);
      }
    }
    if (this.#depth === 0) {
      if (frame.targeted) {
        this.#goTo(frame.label);
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
    this.#goTo(frame.label);
    this.#begin(behind, frame.label);
  }

  branch(labels: readonly number[]): void {
    this.#branch(labels);
    this.#region = undefined;
  }

  branchOrGo(labels: readonly number[], behind: number): void {
    const dead = this.#region === undefined;
    const next = this.#joint(false);
    this.#branch(labels);
    this.#goTo(next);
    if (!dead) this.#begin(behind, next);
  }

  /** An exception may arrive at a label, whatever was paid where it was thrown. */
  land(label: number): void {
    const frame = this.#frames[this.#depth - 1 - label];
    if (frame === undefined || (this.#region === undefined && frame !== this.#frames[0])) return;
    frame.targeted = true;
    frame.landing = true;
    this.#landings ??= new Set();
    this.#landings.add(frame.at);
    const joint = this.joints[frame.label];
    if (joint === undefined) return;
    joint.barrier = true;
    joint.landing = true;
  }

  cut(behind: number, barrier: boolean): void {
    if (this.#region === undefined) return;
    const next = this.#joint(barrier);
    this.#goTo(next);
    this.#begin(behind, next);
  }

  finish(ending: Ending): void {
    if (this.#region) {
      this.#region.ending = ending;
      this.#region.carries = true;
    }
    this.#region = undefined;
  }

  #target(label: number): number {
    const frame = this.#frames[this.#depth - 1 - label];
    if (frame === undefined) return 0;
    if (this.#region || frame === this.#frames[0]) frame.targeted = true;
    return frame.label;
  }

  /** The region leads to these labels. Branches in dead code make labels targeted all the same. */
  #branch(labels: readonly number[]): void {
    const region = this.#region;
    for (let i = 0; i < labels.length; i += 1) {
      const joint = this.#target(labels[i] ?? 0);
      if (region !== undefined) this.#lead(region, joint);
    }
  }

  /** Ends the region, if one is open: it leads to this joint as well. */
  #goTo(joint: number): void {
    const region = this.#region;
    if (region !== undefined) this.#lead(region, joint);
    this.#region = undefined;
  }

  #lead(region: Region, joint: number): void {
    this.successors[this.successorCount] = joint;
    this.successorCount += 1;
    region.successorsEnd = this.successorCount;
    const first = this.successors[region.firstSuccessor] ?? joint;
    if (first !== joint) this.#unite(first, joint);
  }

  #open(opcode: number, at: number, label: number, alternative: number, dead: boolean): void {
    const frame = this.#frames[this.#depth];
    this.#depth += 1;
    if (frame === undefined) {
      this.#frames.push({ opcode, at, label, alternative, targeted: false, landing: false, dead });
      return;
    }
    frame.opcode = opcode;
    frame.at = at;
    frame.label = label;
    frame.alternative = alternative;
    frame.targeted = false;
    frame.landing = false;
    frame.dead = dead;
  }

  #begin(offset: number, joint: number): void {
    const region = this.regions[this.regionCount] ?? this.#newRegion();
    this.regionCount += 1;
    region.offset = offset;
    region.joint = joint;
    region.cost = 0;
    region.callees = 0;
    region.calls = undefined;
    region.ending = "goes";
    region.carries = false;
    region.firstSuccessor = this.successorCount;
    region.successorsEnd = this.successorCount;
    this.#region = region;
  }

  #newRegion(): Region {
    const region: Region = {
      offset: 0,
      joint: 0,
      cost: 0,
      callees: 0,
      calls: undefined,
      ending: "goes",
      carries: false,
      firstSuccessor: 0,
      successorsEnd: 0,
      before: 0,
      behind: -1,
      charge: 0,
      checked: false,
    };
    this.regions.push(region);
    return region;
  }

  #joint(barrier: boolean, loop = false): number {
    const at = this.jointCount;
    const joint = this.joints[at] ?? this.#newJoint();
    this.jointCount += 1;
    joint.barrier = barrier;
    joint.loop = loop;
    joint.landing = false;
    joint.alias = -1;
    joint.parent = at;
    return at;
  }

  #newJoint(): Joint {
    const joint: Joint = {
      barrier: false,
      loop: false,
      landing: false,
      alias: -1,
      parent: 0,
      potential: 0,
      reached: false,
      since: 0,
      sinceEntry: -1,
    };
    this.joints.push(joint);
    return joint;
  }

  #unite(a: number, b: number): void {
    const joint = this.joints[this.#classOf(a)];
    if (joint !== undefined) joint.parent = this.#classOf(b);
  }

  #classOf(joint: number): number {
    const { joints } = this;
    let root = joint;
    for (;;) {
      const parent = joints[root]?.parent ?? root;
      if (parent === root) break;
      root = parent;
    }
    for (let each = joint; each !== root; ) {
      const passed = joints[each];
      if (passed === undefined) break;
      each = passed.parent;
      passed.parent = root;
    }
    return root;
  }
}
