/**
 * Decides where the count is compared with zero: often enough that no way through the program takes more than
 * {@link MAX_UNSEEN} units between two checks, and not oftener.
 *
 * Loop headers check always, and so does the entry of a function that takes call depth. Other functions are open: their
 * callers know how much they may take before their first check (`pre`), and on ways that pass none (`through`). Who calls
 * by way of a table or a reference knows the most that any function takes that is called so; as that is also the most that
 * such a function may leave to its callers, one that goes on to call so itself checks before. Beyond
 * that a forward pass follows how much may have been taken since the last check, and puts one where it would pass the
 * bound.
 */

import type { Callee, Ending, Flow } from "./regions.ts";

/** Units that may be taken between two checks: how far a guest may run past its budget. */
export const MAX_UNSEEN = 200;
/** Units that a function may have taken since its last check when it returns to a caller that does not know it. */
export const MAX_AT_EXIT = 100;
/** Units that an open function may take before its first check, where all who call it know how many. */
export const MAX_AT_ENTRY = 60;

/** How a function begins: it checks, it leaves that to its callers, or they account for all of it. */
export type Entry = "checks" | "open" | "bounded";

/** What the callers of a function must know of its checks. */
export interface Checks {
  /** Units that may be taken before the first check. */
  readonly pre: number;
  /** Units that may be taken on a way from entry to exit that passes no check; undefined where all pass one. */
  readonly through: number | undefined;
  /** Units that may have been taken since the last check when the function returns. */
  readonly exit: number;
}

/**
 * Places the checks of one function, whose charges are placed.
 *
 * @param entry how the function begins
 * @param mostAtEntry units that it may take before its first check, where it is open
 */
export function placeChecks(flow: Flow, entry: Entry, mostAtEntry: number): Checks {
  const { regions, regionCount, joints, jointCount, successors } = flow;
  for (let i = 0; i < jointCount; i += 1) {
    const joint = joints[i];
    if (joint === undefined) break;
    joint.since = joint.landing ? MAX_UNSEEN : 0;
    joint.sinceEntry = -1;
  }
  let pre = 0;
  let through = -1;
  let exit = 0;
  for (let i = 0; i < regionCount; i += 1) {
    const region = regions[i];
    if (region === undefined) break;
    const { charge, joint, calls, callees, ending } = region;
    const { alias } = joint;
    let own = joint.since;
    let all = joint.sinceEntry;
    if (alias !== undefined) {
      if (alias.since > own) own = alias.since;
      if (alias.sinceEntry > all) all = alias.sinceEntry;
    }
    own = Math.max(0, own + charge);
    if (i === 0 && entry !== "checks") all = 0;
    if (all >= 0) all = Math.max(0, all + charge);
    const beyond = callees + (calls === undefined ? 0 : calls.pre);
    const checked =
      entry !== "bounded" &&
      (joint.loop ||
        (i === 0 && entry === "checks") ||
        (own > 0 && own + beyond > mostOf(ending, calls)) ||
        (all > 0 && all + beyond > mostAtEntry));
    pre = Math.max(pre, checked ? all : all + beyond);
    region.checked = checked;
    if (checked) {
      own = 0;
      all = -1;
    }
    own += callees;
    if (all >= 0) all += callees;
    if (calls !== undefined) {
      own = ownBehind(own, calls);
      all = allBehind(all, calls);
    }
    for (let each = region.firstSuccessor; each < region.successorsEnd; each += 1) {
      const next = successors[each];
      if (next === undefined) break;
      if (own > next.since) next.since = own;
      if (all > next.sinceEntry) next.sinceEntry = all;
    }
    if (ending !== "leaves") continue;
    exit = Math.max(exit, own);
    through = Math.max(through, all);
  }
  return { pre, through: through < 0 ? undefined : through, exit };
}

/** How much may be unseen in a region, with what comes before its callee's first check. */
function mostOf(ending: Ending, calls: Callee | undefined): number {
  if (ending !== "leaves") return MAX_UNSEEN;
  return calls === undefined ? MAX_AT_EXIT : MAX_AT_EXIT - (calls.through ?? 0) + calls.pre;
}

/** What is unseen behind a call. */
function ownBehind(own: number, { through, exit }: Callee): number {
  return through === undefined ? exit : Math.max(exit, own + through);
}

/** The same since the entry, on ways without a check. */
function allBehind(all: number, { through }: Callee): number {
  return through === undefined || all < 0 ? -1 : all + through;
}
