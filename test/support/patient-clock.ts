/**
 * The clock of a sandbox whose executors have all the time they want to hear that a run is to stop. How long they have is
 * wall time, as it must be; on a busy machine one that is well may need longer, and is killed for it.
 */
import { runtime } from "#runtime";
import type { Clock } from "../../src/ports/index.ts";
import { STOP_GRACE_MS } from "../../src/sandbox/link.ts";

const LONG_MS = 60_000;

/** The runtime's own, but for that. */
export const patientClock: Clock = {
  ...runtime.clock,
  after: (ms, action) => runtime.clock.after(ms === STOP_GRACE_MS ? LONG_MS : ms, action),
};
