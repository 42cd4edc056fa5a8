/** Whether a version that just came into force is to be taken back by itself, by the operator's rule. */
import { rollbackTarget, type ToolState } from "../rollout/index.ts";
import { burnRate, latencyTarget } from "./evaluate.ts";
import { countWithin, effectiveMs, totalOf } from "./histogram.ts";
import type { SloFile } from "./schema.ts";
import { countOf, latencyOf, type Sum } from "./sums.ts";

/** A version that is watched, and since when. */
export interface Candidate {
  readonly version: number;
  readonly sinceMs: number;
}

/** The version of a tool that a rule would judge now: the canary, or what was activated a short while ago. */
export function candidateOf(state: ToolState, withinMs: number, nowMs: number): Candidate | undefined {
  const { active, activatedAtMs, canary } = state;
  if (state.suspended !== undefined) return undefined;
  if (canary !== undefined) return { version: canary.version, sinceMs: canary.sinceMs };
  // Gone back to: were it judged too, one bad hour of the machine would lead through all versions there ever were.
  if (state.wentBack === true) return undefined;
  if (rollbackTarget(state) === undefined || nowMs - activatedAtMs > withinMs) return undefined;
  return { version: active, sinceMs: activatedAtMs };
}

/**
 * Judges a candidate.
 *
 * @param sums of the time since it came into force
 * @param isOfIt whether a sum is of the candidate
 * @returns why it is to be taken back, `trap-rate` or `burn-rate` first; undefined = it stays
 */
export function judgeCandidate(
  file: SloFile,
  tool: string,
  sums: readonly Sum[],
  isOfIt: (sum: Pick<Sum, "tool" | "version">) => boolean,
): { readonly rule: "trap-rate" | "burn-rate"; readonly detail: string } | undefined {
  const rule =
    file.rollback.find((one) => one.tool === tool) ?? file.rollback.find((one) => one.tool === "*");
  if (rule === undefined) return undefined;
  const { count: trapped, total } = countOf(sums, "outcome", "trapped", isOfIt);
  if (total < rule.least_runs) return undefined;
  if (rule.trap_rate !== undefined && trapped / total >= rule.trap_rate)
    return { rule: "trap-rate", detail: `${trapped} of ${total} runs trapped` };
  const target = latencyTarget(file, tool);
  if (rule.burn === undefined || target === undefined) return undefined;
  const histogram = latencyOf(sums, isOfIt);
  const late = totalOf(histogram) - countWithin(histogram, effectiveMs(target.withinMs));
  const rate = burnRate(late, totalOf(histogram), 1 - target.percentile / 100);
  if (rate === null || rate < rule.burn) return undefined;
  return { rule: "burn-rate", detail: `${late} of ${totalOf(histogram)} runs took longer than promised` };
}
