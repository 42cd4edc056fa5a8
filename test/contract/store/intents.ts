/** Rows for store tests: plain, distinct, and the same every time. */
import type { Intent, Seal } from "../../../src/ports/index.ts";

/** @returns the intent of run number `n`, of a tenant. */
export function intentOf(n: number, tenant = "acme"): Intent {
  const run = `run_${String(n).padStart(26, "0")}`;
  return { run, tenant, tool: "hash", function: "sum", admittedAtMs: 1000 + n, predicate: `{"n":${n}}` };
}

/** @returns the seal of an intent. */
export function sealOf(intent: Intent, outcome = "completed"): Seal {
  return {
    run: intent.run,
    outcome,
    digest: "d".repeat(64),
    bundle: `{"of":"${intent.run}"}`,
    entry: `{"entry":"${intent.run}"}`,
    sealedAtMs: 5000,
  };
}
