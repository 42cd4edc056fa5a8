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

import type { Flow, Joint } from "./flow.ts";

/** At most this is paid in advance. */
export const MAX_PREPAID = 60;

/** Decides what each region charges. */
export function placeCharges(flow: Flow): void {
  const { regions, joints } = flow;
  findPotentials(flow);
  for (const region of regions) {
    region.charge = region.cost - potentialAt(joints, region.joint);
    const [first] = region.successors;
    if (region.ending === "goes" && first !== undefined) region.charge += potentialAt(joints, first);
  }
}

function potentialAt(joints: readonly Joint[], joint: number): number {
  return joints[joints[joint]?.parent ?? 0]?.potential ?? 0;
}

/** Shortest distances to a barrier or an exit, by relaxing regions from the last to the first until none improves. */
function findPotentials({ regions, joints }: Flow): void {
  for (const joint of joints) {
    joint.potential = MAX_PREPAID;
    joint.reached = false;
  }
  for (const { barrier, parent } of joints) {
    const own = joints[parent];
    if (!barrier || own === undefined) continue;
    own.potential = 0;
    own.reached = true;
  }
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = regions.length - 1; i >= 0; i -= 1) {
      const region = regions[i];
      if (region === undefined || region.ending === "traps") continue;
      let distance = region.cost;
      const [first] = region.successors;
      if (region.ending === "goes" && first !== undefined) {
        const target = joints[joints[first]?.parent ?? first];
        if (target?.reached !== true) continue;
        distance += target.potential;
      }
      const own = joints[joints[region.joint]?.parent ?? region.joint];
      if (own === undefined || (own.reached && distance >= own.potential)) continue;
      own.potential = Math.min(distance, own.potential);
      own.reached = true;
      changed = true;
    }
  }
  // What no exit is behind only ever traps: nothing is paid in advance for it.
  for (const joint of joints) if (!joint.reached) joint.potential = 0;
}
