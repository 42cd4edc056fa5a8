/**
 * `wasi:clocks`: both clocks run from the run's start and tick in whole milliseconds, too coarse to time a
 * cache. They are served inside the executor: a compromised one could only lie to its own guest.
 */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import { Pollable, readinessOf } from "./poll.ts";

const NS_PER_MS = 1_000_000n;
/** setTimeout's own limit; a run's time to live is far below it. */
const LONGEST_WAIT_MS = 2_147_483_647;

/** Binding of `wasi:clocks/wall-clock`. */
export function createWallClock(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      now: () => toDatetime(context.wallMs()),
      resolution: () => toDatetime(1),
    },
  };
}

/** Binding of `wasi:clocks/monotonic-clock`. */
export function createMonotonicClock(context: GuestContext): Binding {
  const waitUntil = (atMs: number) =>
    new Pollable(readinessOf(context.wait(Math.min(atMs, LONGEST_WAIT_MS))));
  return {
    resources: {},
    functions: {
      now: () => BigInt(context.elapsedMs()) * NS_PER_MS,
      resolution: () => NS_PER_MS,
      subscribeInstant: (when: bigint) => waitUntil(toMsRoundedUp(when)),
      subscribeDuration: (duration: bigint) => waitUntil(context.elapsedMs() + toMsRoundedUp(duration)),
    },
  };
}

/** Binding of `wasi:clocks/timezone`: UTC, whatever the host's is, so that a run does not depend on where it runs. */
export function createTimezone(): Binding {
  return {
    resources: {},
    functions: {
      display: () => ({ utcOffset: 0, name: "UTC", inDaylightSavingTime: false }),
      utcOffset: () => 0,
    },
  };
}

function toDatetime(ms: number): { seconds: bigint; nanoseconds: number } {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanoseconds: (ms % 1000) * 1_000_000 };
}

function toMsRoundedUp(ns: bigint): number {
  return Number((ns + NS_PER_MS - 1n) / NS_PER_MS);
}
