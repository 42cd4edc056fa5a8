/** What the process that is killed claims, and whoever looks after it expects. */
import type { WindowClaim } from "../../src/core/budget/index.ts";
import type { RunClaims } from "../../src/ports/index.ts";
import { intentOf } from "../contract/store/intents.ts";

/** When the leases end. */
export const EXPIRES_AT_MS = 2000;
/** Whose window. */
export const OWNER = { tenant: "acme", tool: "hash" };

/** The window, and what each run takes of it. */
export const WINDOW: WindowClaim = {
  // Not over for a long time: a window that is over is forgotten.
  ...{ class: "exploratory", per_seconds: 3600, starts_at_ms: 4e12, limit: { runs: 1000, fuel: 100_000 } },
  take: { runs: 1, fuel: 300, egress_bytes: 0, wall_ms: 0 },
};

/** The claims of one run. */
export function claimsOf(n: number): RunClaims {
  const { run, function: name } = intentOf(n);
  return { run, ...OWNER, function: name, atMs: 1000, windows: [WINDOW], expiresAtMs: EXPIRES_AT_MS };
}
