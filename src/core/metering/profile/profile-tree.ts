/**
 * The host's end of the events of `profile.ts`: a tree of call paths, with the fuel of each.
 */

import { ADDED_BEHIND_ENTER } from "./profile-events.ts";

/** One call path: a function with the path that it was called on. */
export interface ProfileNode {
  /** Position of the caller's node in the list, which is before this one; -1 where the host called. */
  readonly parent: number;
  /** `module` × 2^20 + the function's index, as `addProfile` numbers them. */
  readonly function: number;
  /** How often it was entered on this path. */
  readonly calls: number;
  /** Units that it spent itself, callees left out. */
  readonly fuel: number;
}

/** Paths that are told apart; what is called on further ones counts as its caller's. */
export const MAX_PROFILE_NODES = 100_000;

/** The counter, as the host holds it. */
export interface ProfiledCounter {
  /** Units left; exact while an import is called. */
  left(): bigint;
  /** Gives units back. */
  giveBack(units: bigint): void;
}

/** Collects the events of one run. */
export interface Profiler {
  /** What all modules of the run import as `PROFILE_IMPORT.module`. */
  readonly imports: {
    readonly enter: (callee: number, own: number, added: number) => number;
    readonly leave: (frame: number, added: number) => void;
    readonly resume: (frame: number, added: number) => void;
  };
  /**
   * Goes over to another of the guest's stacks.
   *
   * @param frames the frames that are open on it, as they were when it was left; empty for a new one
   * @returns those of the stack that is left
   */
  swapFrames(frames: number[]): number[];
  /**
   * Ends the collection.
   *
   * @param left units left at the end
   * @returns all paths; their fuel sums to what was spent since the profiler was made
   */
  finish(left: bigint): readonly ProfileNode[];
}

interface Node {
  readonly parent: number;
  readonly function: number;
  calls: number;
  fuel: bigint;
  readonly callees: Map<number, number>;
}

/** @param counter holds the run's budget already */
export function createProfiler(counter: ProfiledCounter): Profiler {
  const nodes: Node[] = [];
  const roots = new Map<number, number>();
  /** Nodes of the frames that are open, outermost first. Several frames may share one when the tree is full. */
  let stack: number[] = [];
  let last = counter.left();

  /** Charges what was spent since the last event to the frame on top, but for what the event itself took. */
  function spend(added: number, toCome = 0): void {
    const now = counter.left();
    give(last - now - BigInt(added - toCome));
    counter.giveBack(BigInt(added));
    last = now + BigInt(added);
  }

  /** Outside of all frames nothing is spent: instantiation is charged before, and metering's own code takes none. */
  function give(units: bigint): void {
    const top = nodes[stack[stack.length - 1] ?? -1];
    if (top !== undefined) top.fuel += units;
  }

  function find(callee: number): number {
    const parent = stack[stack.length - 1] ?? -1;
    const callees = nodes[parent]?.callees ?? roots;
    const known = callees.get(callee);
    if (known !== undefined) return known;
    if (nodes.length >= MAX_PROFILE_NODES && parent >= 0) return parent;
    const position = nodes.push({ parent, function: callee, calls: 0, fuel: 0n, callees: new Map() }) - 1;
    callees.set(callee, position);
    return position;
  }

  return {
    imports: {
      enter(callee, own, added) {
        const behind = own > 0 ? ADDED_BEHIND_ENTER : 0;
        spend(added, behind);
        give(BigInt(-own));
        const position = find(callee);
        const node = nodes[position];
        if (node !== undefined) {
          node.calls += 1;
          node.fuel += BigInt(own - behind);
        }
        return stack.push(position) - 1;
      },
      leave(frame, added) {
        spend(added);
        stack.length = frame;
      },
      resume(frame, added) {
        spend(added);
        stack.length = frame + 1;
      },
    },
    swapFrames(frames) {
      const left = stack;
      spend(0);
      stack = frames;
      return left;
    },
    finish(left) {
      give(last - left);
      return nodes.map(({ parent, function: callee, calls, fuel }) => ({
        parent,
        function: callee,
        calls,
        fuel: Number(fuel),
      }));
    },
  };
}
