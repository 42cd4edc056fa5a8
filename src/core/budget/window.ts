/**
 * Budgets over windows of time: what the runs of one tenant, tool and class of work may spend together in each hour, day
 * or other span. Windows are aligned to 1970, so that every gateway names the same one without asking.
 *
 * A run takes from its windows all that its own budget would let it spend, before it runs, and gives back at its end
 * what it did not. So what is held can not pass the limit, whatever runs at once.
 */
import type { Policy, TaskClass, WindowRule } from "../policy/types.ts";

/** Amounts that a window counts. */
export interface WindowAmounts {
  readonly runs: number;
  readonly fuel: number;
  readonly egress_bytes: number;
  readonly wall_ms: number;
}

/** Names of what a window counts, in the order in which they are told of. */
export const WINDOW_MEASURES = ["runs", "fuel", "egress_bytes", "wall_ms"] as const;
/** One of {@link WINDOW_MEASURES}. */
export type WindowMeasure = (typeof WINDOW_MEASURES)[number];

/** What one run takes from one window. */
export interface WindowClaim {
  readonly class: TaskClass;
  readonly per_seconds: number;
  readonly starts_at_ms: number;
  /** What it may hold at most. A measure without a limit is not counted, so that no sum of it grows without bound. */
  readonly limit: Partial<WindowAmounts>;
  /** 0 where there is no limit. */
  readonly take: WindowAmounts;
}

/** Why a window let no run in. */
export interface WindowSpent {
  readonly measure: WindowMeasure;
  /** What the run would have taken, and what can be taken at most now. */
  readonly wanted: number;
  readonly left: number;
  /** When the window ends and the next one begins with nothing held. */
  readonly freesAtMs: number;
}

/** What a run without a task counts as: work that nobody is known to wait for must not eat the budget of work that is. */
export const CLASS_OF_NO_TASK: TaskClass = "exploratory";

/**
 * What a run takes from the windows of its policy.
 *
 * @param policy whose `windows` apply; none = nothing is claimed
 * @param taskClass of the run's task; see {@link CLASS_OF_NO_TASK}
 * @param nowMs wall clock
 * @returns the shortest window first: the order in which they are taken, whoever takes
 */
export function claimWindows(policy: Policy, taskClass: TaskClass, nowMs: number): readonly WindowClaim[] {
  const rules = (policy.windows ?? []).filter((rule) => rule.class === undefined || rule.class === taskClass);
  return rules
    .map((rule) => claimWindow(policy, rule, taskClass, nowMs))
    .sort((a, b) => a.per_seconds - b.per_seconds);
}

/** Most that one run of a policy can take from a window. */
export function largestRun({
  budget,
  max_duration_ms,
}: Pick<Policy, "budget" | "max_duration_ms">): WindowAmounts {
  return { runs: 1, fuel: budget.fuel, egress_bytes: budget.egress_bytes, wall_ms: max_duration_ms };
}

function claimWindow(policy: Policy, rule: WindowRule, taskClass: TaskClass, nowMs: number): WindowClaim {
  const largest = largestRun(policy);
  const limit: Partial<WindowAmounts> = {
    ...(rule.runs === undefined ? {} : { runs: rule.runs }),
    ...(rule.fuel === undefined ? {} : { fuel: rule.fuel }),
    ...(rule.egress_bytes === undefined ? {} : { egress_bytes: rule.egress_bytes }),
    ...(rule.seconds === undefined ? {} : { wall_ms: rule.seconds * 1000 }),
  };
  const spanMs = rule.per * 1000;
  return {
    class: taskClass,
    per_seconds: rule.per,
    starts_at_ms: Math.floor(nowMs / spanMs) * spanMs,
    limit,
    take: mapAmounts((name) => (limit[name] === undefined ? 0 : largest[name])),
  };
}

/**
 * Which measure of a window has no room for a claim.
 *
 * @param held what is held of it now; undefined = nothing
 * @returns undefined when there is room for all of it
 */
export function findSpent(claim: WindowClaim, held: WindowAmounts | undefined): WindowSpent | undefined {
  for (const measure of WINDOW_MEASURES) {
    const limit = claim.limit[measure];
    if (limit === undefined) continue;
    // Compared as a difference: a sum could pass 2^53 and lose its last digit.
    const left = Math.max(0, limit - (held?.[measure] ?? 0));
    const wanted = claim.take[measure];
    if (wanted > left)
      return { measure, wanted, left, freesAtMs: claim.starts_at_ms + claim.per_seconds * 1000 };
  }
  return undefined;
}

/**
 * What a run gives back to a window at its end.
 *
 * @param used what it used; more than was taken gives nothing back, and is not charged either: budgets end runs before
 * @returns never negative; `runs` 0: a run that happened counts
 */
export function returnOf({ take }: Pick<WindowClaim, "take">, used: WindowAmounts): WindowAmounts {
  return mapAmounts((name) => Math.max(0, take[name] - used[name]));
}

function mapAmounts(of: (name: WindowMeasure) => number): WindowAmounts {
  return { runs: of("runs"), fuel: of("fuel"), egress_bytes: of("egress_bytes"), wall_ms: of("wall_ms") };
}
