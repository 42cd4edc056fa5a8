/**
 * Decides where the count is compared with zero: often enough that no way through the program takes more than
 * {@link MAX_UNSEEN} units between two checks, and not oftener.
 *
 * Loop headers check always, and so does the entry of an anchor (see `callgraph.ts`). Other functions are open: their
 * callers know how much they may take before their first check (`pre`), and on ways that pass none (`through`). Beyond
 * that a forward pass follows how much may have been taken since the last check, and puts one where it would pass the
 * bound.
 */

import type { Callee, Flow, Region } from "./flow.ts";

/** Units that may be taken between two checks: how far a guest may run past its budget. */
export const MAX_UNSEEN = 200;
/** Units that a function may have taken since its last check when it returns to a caller that does not know it. */
export const MAX_AT_EXIT = 100;
/** Units that an open function may take before its first check. */
export const MAX_AT_ENTRY = 60;

/** How a function begins: it checks, it leaves that to its callers, or they account for all of it. */
export type Entry = "checks" | "open" | "bounded";

/** Where a function checks, and what its callers must know. */
export interface Checks {
  /** By region, in order. */
  readonly regions: readonly boolean[];
  /** Units that may be taken before the first check. */
  readonly pre: number;
  /** Units that may be taken on a way from entry to exit that passes no check; undefined where all pass one. */
  readonly through: number | undefined;
  /** Units that may have been taken since the last check when the function returns. */
  readonly exit: number;
}

/**
 * Places the checks of one function.
 *
 * @param charges the charge of each region
 * @param entry how the function begins
 */
export function placeChecks(flow: Flow, charges: readonly number[], entry: Entry): Checks {
  const { joints } = flow;
  /** Units since the last check, and since the entry on ways without one: -1 where there are none. */
  const since = joints.map(({ landing }): number => (landing ? MAX_UNSEEN : 0));
  const sinceEntry = joints.map((): number => -1);
  const regions: boolean[] = [];
  let pre = 0;
  let through = -1;
  let exit = 0;
  flow.regions.forEach((region, i) => {
    const joint = joints[region.joint];
    const charge = charges[i] ?? 0;
    const alias = joint?.alias ?? region.joint;
    let own = Math.max(0, Math.max(since[region.joint] ?? 0, since[alias] ?? 0) + charge);
    let all = Math.max(sinceEntry[region.joint] ?? -1, sinceEntry[alias] ?? -1);
    if (i === 0 && entry !== "checks") all = 0;
    if (all >= 0) all = Math.max(0, all + charge);
    const beyond = region.callees + (region.calls?.pre ?? 0);
    const checked =
      entry !== "bounded" &&
      ((i === 0 && entry === "checks") ||
        joint?.loop === true ||
        (own > 0 && own + beyond > mostOf(region)) ||
        (all > 0 && all + beyond > MAX_AT_ENTRY));
    pre = Math.max(pre, checked ? all : all + beyond);
    if (checked) [own, all] = [0, -1];
    regions.push(checked);
    own += region.callees;
    if (all >= 0) all += region.callees;
    if (region.calls !== undefined) [own, all] = behindCall(own, all, region.calls);
    for (const successor of region.successors) {
      since[successor] = Math.max(since[successor] ?? 0, own);
      sinceEntry[successor] = Math.max(sinceEntry[successor] ?? -1, all);
    }
    if (region.ending !== "leaves") return;
    exit = Math.max(exit, own);
    through = Math.max(through, all);
  });
  return { regions, pre, through: through < 0 ? undefined : through, exit };
}

/** How much may be unseen in a region, with what comes before its callee's first check. */
function mostOf({ ending, calls }: Region): number {
  if (ending !== "leaves") return MAX_UNSEEN;
  return calls === undefined ? MAX_AT_EXIT : MAX_AT_EXIT - (calls.through ?? 0) + calls.pre;
}

/** What is unseen behind a call. */
function behindCall(own: number, all: number, { through, exit }: Callee): [own: number, all: number] {
  if (through === undefined) return [exit, -1];
  return [Math.max(exit, own + through), all < 0 ? -1 : all + through];
}
