/**
 * The clock of a sandbox whose executors have all the time they want to hear that a run is to stop, or to end one that
 * nobody waits for. How long they have is wall time, as it must be; on a busy machine one that is well may need longer, and
 * is killed for it.
 */
import { runtime } from "#runtime";
import { LONGEST_UNRECORDED_MS } from "../../src/gateway/guest.ts";
import type { Clock } from "../../src/ports/index.ts";
import { STOP_GRACE_MS } from "../../src/sandbox/link.ts";

const LONG_MS = 60_000;
const SHORT_MS: readonly number[] = [STOP_GRACE_MS, LONGEST_UNRECORDED_MS];

/** The runtime's own, but for that. */
export const patientClock: Clock = {
  ...runtime.clock,
  after: (ms, action) => runtime.clock.after(SHORT_MS.includes(ms) ? LONG_MS : ms, action),
};
