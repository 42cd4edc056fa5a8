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

import type { Flow } from "./flow.ts";

/** At most this is paid in advance. */
export const MAX_PREPAID = 60;

/** @returns the charge of each region, in order */
export function placeCharges(flow: Flow): readonly number[] {
  const potential = potentials(flow);
  const at = (joint: number): number => potential[flow.classOf(joint)] ?? 0;
  return flow.regions.map(({ joint, cost, successors, ending }) => {
    const [first] = successors;
    return cost + (ending === "goes" && first !== undefined ? at(first) : 0) - at(joint);
  });
}

/** Shortest distances to a barrier or an exit, by relaxing regions from the last to the first until none improves. */
function potentials({ regions, joints, classOf }: Flow): Float64Array {
  const potential = new Float64Array(joints.length).fill(MAX_PREPAID);
  const reached = new Uint8Array(joints.length);
  joints.forEach((joint, index) => {
    if (!joint.barrier) return;
    potential[classOf(index)] = 0;
    reached[classOf(index)] = 1;
  });
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = regions.length - 1; i >= 0; i -= 1) {
      const region = regions[i];
      if (region === undefined || region.ending === "traps") continue;
      const [first] = region.successors;
      const target = region.ending === "goes" && first !== undefined ? classOf(first) : -1;
      if (target >= 0 && reached[target] === 0) continue;
      const distance = region.cost + (target < 0 ? 0 : (potential[target] ?? 0));
      const own = classOf(region.joint);
      if (reached[own] === 1 && distance >= (potential[own] ?? 0)) continue;
      if (reached[own] === 1 || distance < (potential[own] ?? 0)) {
        potential[own] = distance;
      }
      reached[own] = 1;
      changed = true;
    }
  }
  // What no exit is behind only ever traps: nothing is paid in advance for it.
  for (let i = 0; i < joints.length; i += 1) if (reached[i] === 0) potential[i] = 0;
  return potential;
}
