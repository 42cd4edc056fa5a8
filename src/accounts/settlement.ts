/** What a run comes to, read from the statement about it: so that whoever seals it, now or after a crash, says the same. */
import { CLASS_OF_NO_TASK, type Prices, runCost } from "../core/budget/index.ts";
import { parseInstant, type RunPredicate } from "../core/manifest/index.ts";
import type { RunSettlement } from "../ports/index.ts";

/**
 * @param predicate of a run that was admitted
 * @returns what goes back to its windows, and what the ledger says. What is not knowable of a run whose end was seen is
 *   charged in full; of a run whose end nobody saw, nothing is known at all, and its lease goes back
 */
export function settlementOf(predicate: RunPredicate, prices: Prices): RunSettlement {
  const { budget, outcome, task } = predicate;
  const seen = outcome.kind !== "indeterminate";
  const use = (name: "fuel" | "egress_bytes" | "wall_ms") =>
    seen && budget !== null ? (budget[name].used ?? budget[name].granted) : 0;
  const [fuel, egressBytes, wallMs] = [use("fuel"), use("egress_bytes"), use("wall_ms")];
  return {
    used: seen ? { runs: 1, fuel, egress_bytes: egressBytes, wall_ms: wallMs } : null,
    good: outcome.kind === "completed",
    cost: {
      tenant: predicate.tenant,
      tool: predicate.tool,
      purpose: predicate.purpose,
      class: task?.class ?? CLASS_OF_NO_TASK,
      ...(task === undefined ? {} : { task: task.id }),
      fuel,
      egressBytes,
      wallMs,
      amount: runCost(prices, { fuel, egressBytes, wallMs }),
      atMs: parseInstant(predicate.finished_at),
    },
  };
}
