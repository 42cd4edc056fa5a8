/** `wasi:clocks` of WASI 0.3: as in 0.2, whole milliseconds from the run's start, in UTC. */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";

const NS_PER_MS = 1_000_000n;
/** setTimeout's own limit; a run's time to live is far below it. */
const LONGEST_WAIT_MS = 2_147_483_647;

/** Binding of interfaces that have types and nothing else. */
export function createTypes(): Binding {
  return { resources: {}, functions: {} };
}

/** Binding of `wasi:clocks/monotonic-clock`. */
export function createMonotonicClock(context: GuestContext): Binding {
  const waitUntil = (atMs: number) => context.wait(Math.min(atMs, LONGEST_WAIT_MS));
  return {
    resources: {},
    functions: {
      now: () => BigInt(context.elapsedMs()) * NS_PER_MS,
      getResolution: () => NS_PER_MS,
      waitUntil: (when: bigint) => waitUntil(toMsRoundedUp(when)),
      waitFor: (howLong: bigint) => waitUntil(context.elapsedMs() + toMsRoundedUp(howLong)),
    },
  };
}

/** Binding of `wasi:clocks/system-clock`. */
export function createSystemClock(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      now() {
        const ms = context.wallMs();
        return { seconds: BigInt(Math.floor(ms / 1000)), nanoseconds: (ms % 1000) * 1_000_000 };
      },
      getResolution: () => NS_PER_MS,
    },
  };
}

/** Binding of `wasi:clocks/timezone`. */
export function createTimezone(): Binding {
  return {
    resources: {},
    functions: { ianaId: () => "UTC", utcOffset: () => 0n, toDebugString: () => "UTC" },
  };
}

function toMsRoundedUp(ns: bigint): number {
  return Number((ns + NS_PER_MS - 1n) / NS_PER_MS);
}
