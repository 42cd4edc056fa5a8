/**
 * Decides where a function is charged: one charge in front of each region of its body.
 *
 * A region is a run of operators that is left at its end only: it begins at the function's entry, a loop header,
 * an arm of a branch, a label that something jumps to, or behind a call, and ends where control may go elsewhere.
 * So whoever enters a region runs all of it, unless it traps inside.
 */

import type { FunctionBody } from "./body.ts";
import { fixedCost } from "./body.ts";
import { entryCost } from "./costs.ts";
import type { WasmModule } from "./module.ts";
import type { Walker } from "./walker.ts";
import { OP } from "./walker.ts";

/** Longer regions are cut, so that a trap leaves few paid operators unused. */
const LONGEST_REGION = 100;

/** The charges of one function, in the order of its code. */
export interface ChargePlan {
  /** Offsets of the operators in front of which a charge belongs, rising. */
  readonly offsets: readonly number[];
  /** Units of each charge. */
  readonly units: readonly number[];
  /** Offsets of the operators where control may arrive out of an exception, rising. */
  readonly landings: readonly number[];
}

interface Frame {
  readonly opcode: number;
  /** Something branches to this label. */
  targeted: boolean;
  /** An exception may land on this label. */
  landing: boolean;
}

/** Plans the charges of one function. `walker` stands before its first operator. */
export function planCharges(module: WasmModule, body: FunctionBody, walker: Walker): ChargePlan {
  const plan = new Plan(body.codeStart, entryCost(body.declaredLocals));
  const frames: Frame[] = [{ opcode: OP.block, targeted: false, landing: false }];
  while (walker.next()) {
    const behind = walker.reader.pos;
    plan.add(fixedCost(module, walker));
    switch (walker.opcode) {
      case OP.block:
      case OP.try:
        frames.push({ opcode: walker.opcode, targeted: false, landing: false });
        break;
      case OP.tryTable:
        for (const label of walker.labels) target(frames, label, true);
        frames.push({ opcode: OP.block, targeted: false, landing: false });
        break;
      case OP.if:
      case OP.loop:
        frames.push({ opcode: walker.opcode, targeted: false, landing: false });
        plan.cut(behind);
        break;
      case OP.else:
        plan.cut(behind);
        break;
      case OP.catch:
      case OP.catchAll:
        plan.cut(behind);
        plan.land(behind);
        break;
      case OP.end:
      case OP.delegate: {
        const frame = frames.pop();
        if (frame?.landing && frame.opcode !== OP.loop) plan.land(behind);
        if (frame?.targeted || frame?.opcode !== OP.block) plan.cut(behind);
        break;
      }
      case OP.br:
      case OP.brIf:
      case OP.brOnNull:
      case OP.brOnNonNull:
        target(frames, walker.first, false);
        plan.cut(behind);
        break;
      case OP.brTable:
      case OP.brOnCast:
      case OP.brOnCastFail:
        for (const label of walker.labels) target(frames, label, false);
        plan.cut(behind);
        break;
      case OP.return:
      case OP.unreachable:
      case OP.call:
      case OP.callIndirect:
      case OP.callRef:
      case OP.returnCall:
      case OP.returnCallIndirect:
      case OP.returnCallRef:
      case OP.throw:
      case OP.throwRef:
      case OP.rethrow:
        plan.cut(behind);
        break;
      default:
        if (plan.pending >= LONGEST_REGION) plan.cut(behind);
    }
  }
  plan.cut(body.codeEnd);
  return plan;
}

function target(frames: readonly Frame[], label: number, landing: boolean): void {
  const frame = frames[frames.length - 1 - label];
  if (frame === undefined) return;
  frame.targeted = true;
  frame.landing ||= landing;
}

class Plan implements ChargePlan {
  readonly offsets: number[] = [];
  readonly units: number[] = [];
  readonly landings: number[] = [];
  /** Units of the region being read, and where it began. */
  pending: number;
  #start: number;

  constructor(start: number, entry: number) {
    this.#start = start;
    this.pending = entry;
  }

  add(units: number): void {
    this.pending += units;
  }

  /** Ends the region; the next one begins at `offset`. */
  cut(offset: number): void {
    if (this.pending > 0) {
      this.offsets.push(this.#start);
      this.units.push(this.pending);
    }
    this.pending = 0;
    this.#start = offset;
  }

  /** Control may arrive at `offset` out of an exception. */
  land(offset: number): void {
    this.landings.push(offset);
  }
}
