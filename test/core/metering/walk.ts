/**
 * Random ways through the bodies of a module, from entry to exit: what the operators on each cost, and what metering
 * charges there. The ways are found by the operators alone; nothing of regions, joints or potentials is shared.
 */

import type { FunctionBody } from "../../../src/core/metering/binary/body.ts";
import { fixedCost, readBody } from "../../../src/core/metering/binary/body.ts";
import type { WasmModule } from "../../../src/core/metering/binary/module.ts";
import { readModule } from "../../../src/core/metering/binary/module.ts";
import { Reader } from "../../../src/core/metering/binary/reader.ts";
import { OP, Walker } from "../../../src/core/metering/binary/walker.ts";
import { entryCost } from "../../../src/core/metering/costs.ts";
import type { CallGraph } from "../../../src/core/metering/placement/callgraph.ts";
import { buildCallGraph } from "../../../src/core/metering/placement/callgraph.ts";
import { FlowBuilder } from "../../../src/core/metering/placement/flow-builder.ts";
import { planBody } from "../../../src/core/metering/placement/plan.ts";
import type { ScannedBody } from "../../../src/core/metering/placement/scan.ts";
import { ScannedCode } from "../../../src/core/metering/placement/scan.ts";

/** A way that did not come out even. */
export interface Mismatch {
  readonly functionIndex: number;
  readonly cost: number;
  readonly charged: number;
}

/** What walking a module found. */
export interface Walked {
  readonly paths: number;
  readonly mismatches: readonly Mismatch[];
}

/** One operator: its cost, what metering charges in front of it, and where control may go from it. */
interface Step {
  readonly cost: number;
  charged: number;
  /** Positions of steps; the length of the body is its end. */
  next: number[];
  readonly ending: "goes" | "leaves" | "traps";
}

interface Frame {
  readonly isLoop: boolean;
  readonly isIf: boolean;
  readonly start: number;
  /** Steps whose branches lead to the end that is not yet read. */
  readonly waiting: number[];
  /** The `if` itself, until its else is read. */
  opener: number | undefined;
}

/** Ways longer than this are given up: a random one may turn in a loop for long. */
const LONGEST_WAY = 4000;

/**
 * Walks a module.
 *
 * @param pathsPerBody ways to try in each body; those that trap or grow too long do not count
 * @param random numbers in [0, 1)
 */
export function walkModule(wasm: Uint8Array, pathsPerBody: number, random: () => number): Walked {
  const module = readModule(wasm);
  let paths = 0;
  const mismatches: Mismatch[] = [];
  const code = new ScannedCode(module, wasm.length);
  const moves = { locals: Number.POSITIVE_INFINITY, global: (index: number) => index };
  const bodies = module.bodies.map((_, position) =>
    code.scan(readBody(module, position), moves, true, undefined),
  );
  // Where checks stand does not matter here: as if nothing were referred to.
  const graph = buildCallGraph(
    module,
    bodies.map(({ facts }) => facts),
    new Set(),
  );
  for (const scanned of bodies) {
    const { body } = scanned;
    const steps = readSteps(module, body);
    if (steps === undefined) continue;
    placeCharges(module, graph, scanned, steps);
    for (let i = 0; i < pathsPerBody; i += 1) {
      const way = walk(steps.steps, random);
      if (way === undefined) continue;
      paths += 1;
      const cost = way.cost + entryCost(body.declaredLocals);
      const charged = way.charged + (way.atEnd ? steps.atEnd : 0);
      if (cost !== charged) mismatches.push({ functionIndex: body.index, cost, charged });
    }
  }
  return { paths, mismatches };
}

interface Steps {
  readonly steps: Step[];
  readonly offsets: number[];
  /** Charged where the body's own label is reached, behind its last operator. */
  atEnd: number;
}

/** @returns undefined for a body with exceptions, whose ways leave through other bodies */
function readSteps(module: WasmModule, body: FunctionBody): Steps | undefined {
  const walker = new Walker(new Reader(module.bytes, body.codeStart, body.codeEnd), true);
  const steps: Step[] = [];
  const offsets: number[] = [];
  const frames: Frame[] = [{ isLoop: false, isIf: false, start: -1, waiting: [], opener: undefined }];
  const target = (at: number, label: number): void => {
    const frame = frames[frames.length - 1 - label];
    if (frame === undefined) return;
    if (frame.isLoop) steps[at]?.next.push(frame.start);
    else frame.waiting.push(at);
  };
  while (walker.next()) {
    const at = steps.length;
    const step: Step = { cost: fixedCost(module, walker), charged: 0, next: [], ending: endingOf(walker) };
    steps.push(step);
    offsets.push(walker.at);
    switch (walker.opcode) {
      case OP.try:
      case OP.tryTable:
      case OP.throw:
      case OP.throwRef:
      case OP.rethrow:
        return undefined;
      case OP.block:
      case OP.loop:
      case OP.if: {
        const isIf = walker.opcode === OP.if;
        // A branch to a loop arrives behind its operator, which costs nothing.
        const isLoop = walker.opcode === OP.loop;
        frames.push({ isLoop, isIf, start: at + 1, waiting: [], opener: isIf ? at : undefined });
        step.next.push(at + 1);
        break;
      }
      case OP.else: {
        const frame = frames[frames.length - 1];
        if (frame?.opener === undefined) return undefined;
        steps[frame.opener]?.next.push(at + 1);
        frame.opener = undefined;
        // The then-arm comes here and goes on behind the end.
        frame.waiting.push(at);
        break;
      }
      case OP.end: {
        const frame = frames.pop();
        for (const from of frame?.waiting ?? []) steps[from]?.next.push(at + 1);
        if (frame?.opener !== undefined) steps[frame.opener]?.next.push(at + 1);
        step.next.push(at + 1);
        break;
      }
      case OP.br:
        target(at, walker.first);
        break;
      case OP.brIf:
      case OP.brOnNull:
      case OP.brOnNonNull:
        target(at, walker.first);
        step.next.push(at + 1);
        break;
      case OP.brOnCast:
      case OP.brOnCastFail:
        for (const label of walker.labels) target(at, label);
        step.next.push(at + 1);
        break;
      case OP.brTable:
        for (const label of walker.labels) target(at, label);
        break;
      default:
        if (step.ending === "goes") step.next.push(at + 1);
    }
  }
  return { steps, offsets, atEnd: 0 };
}

function endingOf({ opcode }: Walker): Step["ending"] {
  if (opcode === OP.unreachable) return "traps";
  const leaves: readonly number[] = [OP.return, OP.returnCall, OP.returnCallIndirect, OP.returnCallRef];
  return leaves.includes(opcode) ? "leaves" : "goes";
}

const UNKNOWN = { pre: 0, through: undefined, exit: 100 };

/** Charges as metering places them, with the callees that it takes for bounded. */
function placeCharges(
  module: WasmModule,
  { bound, quiet }: CallGraph,
  scanned: ScannedBody,
  steps: Steps,
): void {
  const calleeOf = ({ opcode, first }: Walker) =>
    opcode === OP.call || opcode === OP.returnCall
      ? {
          bound: bound[first - module.importedFunctions],
          quiet: quiet[first - module.importedFunctions] ?? false,
          ...UNKNOWN,
        }
      : { bound: undefined, quiet: false, ...UNKNOWN };
  const { sites } = scanned.code;
  const planContext = { module, calleeOf, everyCall: false, builder: new FlowBuilder() };
  const plan = planBody(planContext, scanned, "checks", 0);
  // No index moves here, so the scanned code is the module's.
  const shift = scanned.body.codeStart - scanned.start;
  const stepAt = new Map(steps.offsets.map((offset, index) => [offset, index]));
  for (let site = plan.firstSite; site < plan.sitesEnd; site += 1) {
    const step = steps.steps[stepAt.get(sites.offsetOf(site) + shift) ?? -1];
    if (step !== undefined) step.charged += sites.unitsOf(site);
    else steps.atEnd += sites.unitsOf(site);
  }
}

/** One way, and whether it ran off the body's end. */
interface Way {
  readonly cost: number;
  readonly charged: number;
  readonly atEnd: boolean;
}

/** @returns undefined when the way traps or grows too long */
function walk(steps: readonly Step[], random: () => number): Way | undefined {
  let [cost, charged, at] = [0, 0, 0];
  for (let length = 0; length < LONGEST_WAY; length += 1) {
    const step = steps[at];
    if (step === undefined) return { cost, charged, atEnd: true };
    cost += step.cost;
    charged += step.charged;
    if (step.ending === "traps") return undefined;
    if (step.ending === "leaves") return { cost, charged, atEnd: false };
    at = step.next[Math.floor(random() * step.next.length)] ?? steps.length;
  }
  return undefined;
}
