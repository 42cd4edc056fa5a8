/**
 * Builds the flow of one function while its operators are read: which region is open, which labels stand around it,
 * which joints share a predecessor.
 *
 * In dead code no region is open and nothing is built, but labels are tracked all the same. One builder reads many bodies,
 * one after another, and uses its objects again: a large module has millions of regions.
 */

import { OP } from "../binary/walker.ts";
import type { Callee, Ending, Flow, Joint, Region } from "./regions.ts";
import { classOf } from "./regions.ts";

interface Frame {
  opcode: number;
  at: number;
  /** Its end (its header for a loop). */
  label: Joint;
  /** Where `else` begins, until it has begun. */
  alternative: Joint | undefined;
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
  readonly successors: Joint[] = [];
  #successorCount = 0;
  readonly barriers: Joint[] = [];
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
    this.#successorCount = 0;
    this.barriers.length = 0;
    this.#depth = 0;
    this.#loops.length = 0;
    this.#landings = undefined;
    this.#tightLoops = undefined;
    this.outerTargeted = false;
    this.outerLanding = false;
    this.#open(OP.block, -1, this.#joint(), undefined, false);
    this.#begin(codeStart, this.#barrier());
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

  /** Ends the flow: every region names the joints that represent the classes it is between. */
  settle(): void {
    const { regions, regionCount, successors } = this;
    for (let i = 0; i < regionCount; i += 1) {
      const region = regions[i];
      if (region === undefined) break;
      const { joint, ending, firstSuccessor, successorsEnd } = region;
      region.before = classOf(joint);
      const next =
        ending === "goes" && firstSuccessor !== successorsEnd ? successors[firstSuccessor] : undefined;
      region.behind = next === undefined ? undefined : classOf(next);
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
    this.#open(opcode, at, this.#joint(), undefined, this.#region === undefined);
  }

  openLoop(at: number, behind: number): void {
    const dead = this.#region === undefined;
    this.loosen();
    this.#loops.push({ at, tight: !dead });
    const label = this.#joint();
    label.loop = true;
    this.#open(OP.loop, at, label, undefined, dead);
    this.#goTo(label);
    if (!dead) this.#begin(behind, label);
  }

  openIf(at: number, behind: number): void {
    const region = this.#region;
    const then = this.#joint();
    const alternative = this.#joint();
    this.#open(OP.if, at, this.#joint(), alternative, region === undefined);
    if (region === undefined) return;
    this.#lead(region, then);
    this.#lead(region, alternative);
    this.#begin(behind, then);
  }

  otherwise(behind: number): void {
    const frame = this.#frames[this.#depth - 1];
    if (frame === undefined || frame.dead || frame.alternative === undefined) return;
    if (this.#region) frame.targeted = true;
    this.#goTo(frame.label);
    this.#begin(behind, frame.alternative);
    frame.alternative = undefined;
  }

  catch(behind: number): void {
    const frame = this.#frames[this.#depth - 1];
    if (frame === undefined || frame.dead) return;
    if (this.#region) frame.targeted = true;
    this.#goTo(frame.label);
    const landing = this.#barrier();
    landing.landing = true;
    this.#begin(behind, landing);
  }

  close(behind: number): void {
    if (this.#depth === 0) return;
    this.#depth -= 1;
    const frame = this.#frames[this.#depth];
    if (frame === undefined) return;
    const { opcode, label, alternative } = frame;
    if (opcode === OP.loop) {
      const loop = this.#loops.pop();
      if (loop?.tight === true) {
        this.#tightLoops ??= new Set();
        this.#tightLoops.add(loop.at);
      }
    }
    if (this.#depth === 0) {
      if (frame.targeted) {
        this.#goTo(label);
        // What stands behind the body's end returns: a region of its own when something branches there.
        this.#begin(behind, label);
        this.outerTargeted = true;
        this.outerLanding = frame.landing;
      }
      this.finish("leaves");
      return;
    }
    if (frame.dead || opcode === OP.loop) return;
    if (opcode === OP.if && alternative !== undefined) {
      frame.targeted = true;
      unite(label, alternative);
      label.alias = alternative;
    }
    if (!frame.targeted) return;
    this.#goTo(label);
    this.#begin(behind, label);
  }

  /** A branch to one label. */
  branchAway(label: number): void {
    this.#branch(label);
    this.#region = undefined;
  }

  /** A branch to one of some labels. */
  branch(labels: readonly number[]): void {
    for (let i = 0; i < labels.length; i += 1) this.#branch(labels[i] ?? 0);
    this.#region = undefined;
  }

  branchOrGo(label: number, behind: number): void {
    const next = this.#joint();
    const region = this.#region;
    this.#branch(label);
    if (region === undefined) return;
    this.#lead(region, next);
    this.#begin(behind, next);
  }

  /** An exception may arrive at a label, whatever was paid where it was thrown. */
  land(label: number): void {
    const frame = this.#frames[this.#depth - 1 - label];
    if (frame === undefined || (this.#region === undefined && frame !== this.#frames[0])) return;
    frame.targeted = true;
    frame.landing = true;
    this.#landings ??= new Set();
    this.#landings.add(frame.at);
    frame.label.landing = true;
    this.barriers.push(frame.label);
  }

  cut(behind: number, barrier: boolean): void {
    if (this.#region === undefined) return;
    const next = barrier ? this.#barrier() : this.#joint();
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

  /** The region leads to a label. Branches in dead code make the function's own targeted all the same. */
  #branch(label: number): void {
    const region = this.#region;
    const frame = this.#frames[this.#depth - 1 - label];
    if (frame === undefined) return;
    if (region !== undefined) {
      frame.targeted = true;
      this.#lead(region, frame.label);
    } else if (frame === this.#frames[0]) frame.targeted = true;
  }

  /** Ends the region, if one is open: it leads to this joint as well. */
  #goTo(joint: Joint): void {
    const region = this.#region;
    if (region !== undefined) this.#lead(region, joint);
    this.#region = undefined;
  }

  #lead(region: Region, joint: Joint): void {
    const { successors } = this;
    const at = this.#successorCount;
    successors[at] = joint;
    this.#successorCount = at + 1;
    region.successorsEnd = at + 1;
    const first = successors[region.firstSuccessor];
    if (first !== undefined && first !== joint) unite(first, joint);
  }

  #open(opcode: number, at: number, label: Joint, alternative: Joint | undefined, dead: boolean): void {
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

  #begin(offset: number, joint: Joint): void {
    const region = this.regions[this.regionCount] ?? this.#newRegion(joint);
    this.regionCount += 1;
    region.offset = offset;
    region.joint = joint;
    region.cost = 0;
    region.callees = 0;
    region.calls = undefined;
    region.ending = "goes";
    region.carries = false;
    region.firstSuccessor = this.#successorCount;
    region.successorsEnd = this.#successorCount;
    this.#region = region;
  }

  #newRegion(joint: Joint): Region {
    const region: Region = {
      offset: 0,
      joint,
      cost: 0,
      callees: 0,
      calls: undefined,
      ending: "goes",
      carries: false,
      firstSuccessor: 0,
      successorsEnd: 0,
      before: joint,
      behind: undefined,
      charge: 0,
      checked: false,
    };
    this.regions.push(region);
    return region;
  }

  #joint(): Joint {
    const joint = this.joints[this.jointCount] ?? this.#newJoint();
    this.jointCount += 1;
    joint.loop = false;
    joint.landing = false;
    joint.alias = undefined;
    joint.parent = joint;
    joint.reached = false;
    return joint;
  }

  /** A joint where nothing may be paid in advance. */
  #barrier(): Joint {
    const joint = this.#joint();
    this.barriers.push(joint);
    return joint;
  }

  #newJoint(): Joint {
    const joint = new NewJoint();
    this.joints.push(joint);
    return joint;
  }
}

/** Joints refer to joints, themselves at first. */
class NewJoint implements Joint {
  loop = false;
  landing = false;
  alias: Joint | undefined = undefined;
  parent: Joint = this;
  potential = 0;
  reached = false;
  since = 0;
  sinceEntry = -1;
}

/** Makes the classes of two joints one. */
function unite(a: Joint, b: Joint): void {
  classOf(a).parent = classOf(b);
}
