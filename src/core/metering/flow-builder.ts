/**
 * Builds the flow of one function while its operators are read: which region is open, which labels stand around it,
 * which joints share a predecessor.
 *
 * In dead code no region is open and nothing is built, but labels are tracked all the same.
 */

import type { Callee, Ending, Flow, Joint, Region } from "./flow.ts";
import { OP } from "./walker.ts";

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

const FRAME = { alternative: -1, targeted: false, landing: false, dead: false };

/** Collects regions and joints; it is the {@link Flow} once the body's last `end` has been read. */
export class FlowBuilder implements Flow {
  readonly regions: Region[] = [];
  readonly joints: Joint[] = [];
  readonly landings = new Set<number>();
  readonly tightLoops = new Set<number>();
  outerTargeted = false;
  outerLanding = false;
  readonly #frames: Frame[] = [];
  /** Offsets of the loops around the operator. */
  readonly #loops: number[] = [];
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

  /** The loop around the operator, if any, is not tight. */
  loosen(): void {
    this.tightLoops.delete(this.#loops[this.#loops.length - 1] ?? -1);
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
    this.#frames.push({ ...FRAME, opcode, at, label: this.#joint(false), dead: this.#region === undefined });
  }

  openLoop(at: number, behind: number): void {
    const dead = this.#region === undefined;
    this.loosen();
    this.#loops.push(at);
    if (!dead) this.tightLoops.add(at);
    const label = this.#joint(false, true);
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
    if (frame.opcode === OP.loop) this.#loops.pop();
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

  cut(behind: number, barrier: boolean): void {
    if (this.#region === undefined) return;
    const next = this.#joint(barrier);
    this.#go([next]);
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
    this.#region = {
      offset,
      joint,
      cost: 0,
      callees: 0,
      calls: undefined,
      ending: "goes",
      carries: false,
      successors: [],
    };
    this.regions.push(this.#region);
  }

  #joint(barrier: boolean, loop = false): number {
    this.#parents.push(this.joints.length);
    return this.joints.push({ barrier, loop, landing: false, alias: undefined }) - 1;
  }

  #unite(a: number, b: number): void {
    this.#parents[this.classOf(a)] = this.classOf(b);
  }
}
