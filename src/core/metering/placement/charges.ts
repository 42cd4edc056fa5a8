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

import type { Flow, Joint, Region } from "./regions.ts";
import { classOf } from "./regions.ts";

/** At most this is paid in advance. */
export const MAX_PREPAID = 60;

/** Decides what each region charges. */
export function placeCharges(flow: Flow): void {
  findPotentials(flow);
  const { regions, regionCount } = flow;
  for (let i = 0; i < regionCount; i += 1) {
    const region = regions[i];
    if (region === undefined) break;
    const { cost, before, behind } = region;
    region.charge = cost + (behind === undefined ? 0 : potentialOf(behind)) - potentialOf(before);
  }
}

/** What no exit is behind only ever traps: nothing is paid in advance for it. */
function potentialOf({ reached, potential }: Joint): number {
  return reached ? potential : 0;
}

/** Goes through all regions that the code of compilers needs: two or three, seldom more. */
const MOST_SWEEPS = 8;

/** Shortest distances to a barrier or an exit, by relaxing regions from the last to the first until none improves. */
function findPotentials(flow: Flow): void {
  const { regions, regionCount, barriers } = flow;
  for (const barrier of barriers) lower(classOf(barrier), 0);
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep += 1) {
    let changed = false;
    for (let i = regionCount - 1; i >= 0; i -= 1) {
      const region = regions[i];
      if (region !== undefined && relax(region)) changed = true;
    }
    if (!changed) return;
  }
  followBack(flow);
}

/**
 * The same for what is left, by going back from where a way is known. Attackers write loops in loops of which each ends by
 * the one before, where every sweep would find one way more; this looks at a region once for each of the few distances there are.
 */
function followBack({ regions, regionCount }: Flow): void {
  const leading = new Map<Joint, Region[]>();
  const found: Joint[] = [];
  for (let i = 0; i < regionCount; i += 1) {
    const region = regions[i];
    if (region === undefined) break;
    if (relax(region)) found.push(region.before);
    if (region.behind === undefined) continue;
    const those = leading.get(region.behind);
    if (those !== undefined) those.push(region);
    else leading.set(region.behind, [region]);
  }
  for (let joint = found.pop(); joint !== undefined; joint = found.pop()) {
    for (const region of leading.get(joint) ?? []) if (relax(region)) found.push(region.before);
  }
}

/** @returns whether a region shows a shorter way from its class of joints than was known */
function relax({ ending, cost, before, behind }: Region): boolean {
  if (ending === "traps" || behind?.reached === false) return false;
  const distance = cost + (behind?.potential ?? 0);
  if (before.reached && distance >= before.potential) return false;
  lower(before, distance);
  return true;
}

/** A way from a class costs so many units, {@link MAX_PREPAID} at most. */
function lower(joint: Joint, units: number): void {
  joint.potential = joint.reached ? units : Math.min(units, MAX_PREPAID);
  joint.reached = true;
}
