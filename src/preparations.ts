/** How components were prepared, in a line for whoever waits for it. The same as data is the log's `tool-prepared`. */
import type { Preparation, PreparationStep } from "./ports/index.ts";

/**
 * @param preparations of one tool: one for each way in which its policies have it run
 * @returns `from the cache`, or each step with what it took
 */
export function describePreparations(preparations: readonly Preparation[]): string {
  const totals = new Map<PreparationStep["step"], number>();
  for (const { step, ms } of preparations.flatMap(({ steps }) => steps))
    totals.set(step, (totals.get(step) ?? 0) + ms);
  if (totals.size === 0) return "from the cache";
  const made = preparations.filter(({ steps }) => steps.length > 0).length;
  const times = [...totals].map(([step, ms]) => `${step} ${ms}`).join(", ");
  return `${times} ms${made > 1 ? ` for ${made} variants` : ""}`;
}
