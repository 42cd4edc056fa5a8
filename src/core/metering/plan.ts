/**
 * Plans one function: its flow, its charges, its checks, in the form that writing needs.
 */

import type { Reader } from "./binary/reader.ts";
import type { FunctionBody } from "./body.ts";
import { placeCharges } from "./charges.ts";
import type { Entry } from "./checks.ts";
import { MAX_AT_ENTRY, placeChecks } from "./checks.ts";
import type { Callee } from "./flow.ts";
import { readFlow } from "./flow.ts";
import type { WasmModule } from "./module.ts";
import { Walker } from "./walker.ts";

/** What is written where in one body. */
export interface BodyPlan {
  /** How many regions the body has, charged or not. */
  readonly regions: number;
  /** Offsets in front of whose operators something is charged or checked, rising. */
  readonly offsets: readonly number[];
  /** Units at each offset; negative ones are given back. */
  readonly units: readonly number[];
  readonly checks: readonly boolean[];
  /** The charge waits for the next operator that takes the word up: a call, or the way out. */
  readonly waits: readonly boolean[];
  readonly landings: ReadonlySet<number>;
  readonly tightLoops: ReadonlySet<number>;
  readonly outerTargeted: boolean;
  readonly outerLanding: boolean;
  /** How the function begins in the end, and what its callers must know of its checks. */
  readonly entry: Entry;
  readonly pre: number;
  readonly through: number | undefined;
  readonly exit: number;
}

/** What planning needs to know around the body. */
export interface PlanContext {
  readonly module: WasmModule;
  readonly relaxedSimd: boolean;
  readonly calleeOf: (walker: Walker) => Callee;
  /** Every call ends a region. */
  readonly everyCall: boolean;
}

/**
 * Plans one body.
 *
 * @param wanted how the function is to begin; an open one that takes too much before its first check gets one at entry
 */
export function planBody(context: PlanContext, body: FunctionBody, reader: Reader, wanted: Entry): BodyPlan {
  const walker = new Walker(reader, context.relaxedSimd);
  const flow = readFlow(context.module, body, walker, context.calleeOf, context.everyCall);
  const charges = placeCharges(flow);
  const open = placeChecks(flow, charges, wanted);
  const entry = wanted === "open" && open.pre > MAX_AT_ENTRY ? "checks" : wanted;
  const checks = entry === wanted ? open : placeChecks(flow, charges, entry);
  const kept = flow.regions.flatMap((_, i) => (charges[i] !== 0 || checks.regions[i] ? [i] : []));
  return {
    regions: flow.regions.length,
    offsets: kept.map((i) => flow.regions[i]?.offset ?? 0),
    units: kept.map((i) => charges[i] ?? 0),
    checks: kept.map((i) => checks.regions[i] ?? false),
    waits: kept.map((i) => checks.regions[i] === false && flow.regions[i]?.carries === true),
    landings: flow.landings,
    tightLoops: flow.tightLoops,
    outerTargeted: flow.outerTargeted,
    outerLanding: flow.outerLanding,
    entry,
    pre: checks.pre,
    through: checks.through,
    exit: checks.exit,
  };
}
