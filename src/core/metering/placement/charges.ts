/**
 * Places charges: as few as possible, at regions that pass their cost up to where it is certain to be due.
 *
 * Every class of joints has a potential: the units that have been paid in advance when control passes there. A region
 * charges its own cost, plus what it hands on, less what it was handed:
 *
 *     charge(region) = cost(region) + potential(behind) − potential(before)
 *
 * Along any path the potentials cancel, so the sum of the charges is the sum of the costs whatever the potentials
 * are: that is the whole exactness argument. The potential of a class is the least that any way from it still costs,
 * which makes one of the regions behind it free. Barriers and the function's exits have potential zero, so whatever
 * happens there sees the exact count.
 *
 * Only regions from which every way ends in `unreachable` can get negative charges: they give back what was paid for
 * the way they did not take. So what has been charged never exceeds what a run that does not trap will have cost, and
 * a budget of exactly that is enough.
 */

import type { Flow } from "./regions.ts";

/** At most this is paid in advance. */
export const MAX_PREPAID = 60;

/** Decides what each region charges. */
export function placeCharges(flow: Flow): void {
  findPotentials(flow);
  const { regions, regionCount, joints } = flow;
  for (let i = 0; i < regionCount; i += 1) {
    const region = regions[i];
    if (region === undefined) continue;
    const { cost, before, behind } = region;
    region.charge =
      cost + (behind < 0 ? 0 : (joints[behind]?.potential ?? 0)) - (joints[before]?.potential ?? 0);
  }
}

/** Shortest distances to a barrier or an exit, by relaxing regions from the last to the first until none improves. */
function findPotentials(flow: Flow): void {
  const { regions, regionCount, joints, jointCount } = flow;
  for (let i = 0; i < jointCount; i += 1) {
    const joint = joints[i];
    if (joint === undefined) continue;
    joint.potential = MAX_PREPAID;
    joint.reached = false;
  }
  for (let i = 0; i < jointCount; i += 1) {
    const joint = joints[i];
    const own = joint?.barrier === true ? joints[joint.parent] : undefined;
    if (own === undefined) continue;
    own.potential = 0;
    own.reached = true;
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = regionCount - 1; i >= 0; i -= 1) {
      const region = regions[i];
      if (region === undefined || region.ending === "traps") continue;
      const target = region.behind < 0 ? undefined : joints[region.behind];
      if (target?.reached === false) continue;
      const distance = region.cost + (target?.potential ?? 0);
      const own = joints[region.before];
      if (own === undefined || (own.reached && distance >= own.potential)) continue;
      own.potential = Math.min(distance, own.potential);
      own.reached = true;
      changed = true;
    }
  }
  // What no exit is behind only ever traps: nothing is paid in advance for it.
  for (let i = 0; i < jointCount; i += 1) {
    const joint = joints[i];
    if (joint?.reached === false) joint.potential = 0;
  }
}
