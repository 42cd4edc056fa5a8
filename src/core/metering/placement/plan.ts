/**
 * Plans one function: its flow, its charges, its checks, in the form that writing needs.
 */

import { placeCharges } from "./charges.ts";
import type { Checks, Entry } from "./checks.ts";
import { placeChecks } from "./checks.ts";
import type { FlowContext } from "./flow.ts";
import { readFlow } from "./flow.ts";
import type { ScannedBody } from "./scan.ts";

/** What is written where in one body. */
export interface BodyPlan {
  /** How many regions the body has, charged or not. */
  readonly regions: number;
  /** What is charged or checked in front of operators, in order: among the sites of its code. */
  readonly firstSite: number;
  readonly sitesEnd: number;
  readonly landings: ReadonlySet<number>;
  readonly tightLoops: ReadonlySet<number>;
  readonly outerTargeted: boolean;
  readonly outerLanding: boolean;
  /** How the function begins in the end. */
  readonly entry: Entry;
  /** What its callers must know. */
  readonly checks: Checks;
}

/**
 * Plans one body.
 *
 * @param wanted how the function is to begin; an open one that takes too much before its first check gets one at entry
 * @param mostAtEntry that much
 */
export function planBody(
  context: FlowContext,
  scanned: ScannedBody,
  wanted: Entry,
  mostAtEntry: number,
): BodyPlan {
  const { sites } = scanned.code;
  const flow = readFlow(context, scanned);
  placeCharges(flow);
  const open = placeChecks(flow, wanted, mostAtEntry);
  const entry = wanted === "open" && open.pre > mostAtEntry ? "checks" : wanted;
  const checks = entry === wanted ? open : placeChecks(flow, entry, mostAtEntry);
  const firstSite = sites.count;
  for (let i = 0; i < flow.regionCount; i += 1) {
    const region = flow.regions[i];
    if (region === undefined) continue;
    const { offset, charge, checked, carries } = region;
    if (charge !== 0 || checked) sites.add(offset, charge, checked, carries && !checked);
  }
  return {
    regions: flow.regionCount,
    firstSite,
    sitesEnd: sites.count,
    landings: flow.landings,
    tightLoops: flow.tightLoops,
    outerTargeted: flow.outerTargeted,
    outerLanding: flow.outerLanding,
    entry,
    checks,
  };
}
