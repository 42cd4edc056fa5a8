/**
 * Whether a tenant is alone here. Whoever computes for long gives way to others only where there are some: where there
 * are none it would give way to nobody but strangers on the machine.
 */
import type { Clock } from "../ports/index.ts";

/** How long somebody counts who asked: as long as the next time that he asks is not unlikely. */
const RECENT_MS = 30_000;

/** Who asked lately. */
export interface Crowd {
  /** A tenant asks for an executor. */
  asks(tenant: string): void;
  /** Whether another tenant than this one has asked lately. */
  isBeside(tenant: string | undefined): boolean;
}

/** Makes one that nobody is in. */
export function createCrowd(clock: Pick<Clock, "monotonicMs">): Crowd {
  /** Who asked last. */
  let last: { tenant: string; atMs: number } | undefined;
  /** Who asked last of those who are not that one. */
  let other: typeof last;

  return {
    asks(tenant) {
      if (last !== undefined && last.tenant !== tenant) other = last;
      last = { tenant, atMs: clock.monotonicMs() };
    },
    isBeside(tenant) {
      const found = last?.tenant === tenant ? other : last;
      return found !== undefined && clock.monotonicMs() - found.atMs < RECENT_MS;
    },
  };
}
