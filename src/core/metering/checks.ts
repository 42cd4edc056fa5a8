/**
 * Decides where the count is compared with zero: often enough that no way through the program takes more than
 * {@link MAX_UNSEEN} units between two checks, and not oftener.
 *
 * Loop headers check always. Beyond that a forward pass follows how much may have been taken since the last check,
 * and puts one where it would pass the bound.
 */

import type { Flow } from "./flow.ts";

/** Units that may be taken between two checks: how far a guest may run past its budget. */
export const MAX_UNSEEN = 200;
/** Units that a function may have taken since its last check when it returns to a caller that does not know it. */
export const MAX_AT_EXIT = 100;

/** Where a function checks. */
export interface Checks {
  /** By region, in order. */
  readonly regions: readonly boolean[];
  /** Units that may have been taken since the last check when the function returns. */
  readonly exit: number;
}

/**
 * Places the checks of one function.
 *
 * @param charges the charge of each region
 * @param entry whether the function checks when it is entered; if not, its caller accounts for it as a whole
 * @param maxExit what its exit may leave unseen
 */
export function placeChecks(flow: Flow, charges: readonly number[], entry: boolean, maxExit: number): Checks {
  const unseen = flow.joints.map(({ arrival, landing }) => (landing ? MAX_UNSEEN : (arrival ?? 0)));
  const regions: boolean[] = [];
  let exit = 0;
  flow.regions.forEach((region, i) => {
    const joint = flow.joints[region.joint];
    const charge = charges[i] ?? 0;
    const before = Math.max(unseen[region.joint] ?? 0, unseen[joint?.alias ?? region.joint] ?? 0);
    let here = Math.max(0, before + charge);
    const isLeaving = region.ending === "leaves";
    const most = isLeaving ? Math.min(maxExit, MAX_UNSEEN) : MAX_UNSEEN;
    const checked = entry && (i === 0 || joint?.loop === true || (here > 0 && here + region.callees > most));
    if (checked) here = 0;
    regions.push(checked);
    here += region.callees;
    for (const successor of region.successors) {
      if (flow.joints[successor]?.arrival === undefined) {
        unseen[successor] = Math.max(unseen[successor] ?? 0, here);
      }
    }
    if (isLeaving) exit = Math.max(exit, here);
  });
  return { regions, exit };
}
