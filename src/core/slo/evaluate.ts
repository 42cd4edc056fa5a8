/**
 * From what was counted to what is promised: each objective with what is left of its error budget, how fast that burns,
 * and the alerts that follow. Pure: windows come summed, and what nobody knows is null, never 0.
 */
import { countWithin, effectiveMs, percentileOf, totalOf } from "./histogram.ts";
import type { BurnRule, SloFile } from "./schema.ts";
import { countOf, latencyOf, type Sum } from "./sums.ts";

/** One promise, and how it stands. */
export interface Objective {
  /** `latency`, `rejection-rate`, `evidence-completeness`, `rollback-activation`. */
  readonly name: string;
  /** Of a promise about a tool. */
  readonly tool?: string;
  /** What was measured over the period: ms for times, else a share; null when there was nothing to measure. */
  readonly value: number | null;
  readonly target: number;
  readonly unit: "ms" | "share";
  /** Whether the promise is kept over the period; null when nobody can say. */
  readonly met: boolean | null;
  /** What is left of the error budget, 1 = all; below 0 = overspent. Null when nobody can say, or there is none. */
  readonly budgetLeft: number | null;
  readonly events: number;
}

/** Something that somebody should hear of. */
export interface Alert {
  /** Unique: objective, tool and rule. */
  readonly name: string;
  readonly firing: boolean;
  /** Burn rates that made it so; null when there is nothing to measure. */
  readonly burn: { readonly long: number | null; readonly short: number | null } | null;
  /** A sentence. */
  readonly detail: string;
}

/** Everything that service levels say at one moment. */
export interface SloReport {
  readonly objectives: readonly Objective[];
  readonly alerts: readonly Alert[];
}

/** What is known. */
export interface SloInput {
  readonly file: SloFile;
  /** Sums of the last so many ms. */
  readonly within: (spanMs: number) => readonly Sum[];
  /** ms of each rollback and stop of the period that is settled. */
  readonly activationsMs: readonly number[];
}

/** Alert of a promise that is kept fast and no longer proven. */
export const EVIDENCE_FALLING = "latency-green-evidence-falling";

/** Judges a promise by good and bad events: `bad` may be `budget` of all. */
interface Ratio {
  readonly name: string;
  readonly tool?: string;
  readonly budget: number;
  readonly count: (sums: readonly Sum[]) => { readonly bad: number; readonly total: number };
}

/** Judges. */
export function evaluate({ file, within, activationsMs }: SloInput): SloReport {
  const period = within(file.period);
  const tools = [
    ...new Set(period.flatMap(({ measure, tool }) => (measure === "latency" ? [tool] : []))),
  ].sort();
  const latencies = tools.map((tool) => latencyRatio(file, tool));
  const rejection: Ratio = {
    name: "rejection-rate",
    budget: file.rejection_rate.most,
    count(sums) {
      const { count, total } = countOf(sums, "decision", "deny");
      return { bad: count, total };
    },
  };
  const evidence: Ratio = {
    name: "evidence-completeness",
    budget: 1 - file.evidence_completeness.least,
    count(sums) {
      const owed = countOf(sums, "evidence", "owed").count;
      return { bad: Math.max(0, owed - countOf(sums, "evidence", "sealed").count), total: owed };
    },
  };
  const ratios = [...latencies.map(({ ratio }) => ratio), rejection, evidence];
  const objectives: Objective[] = [
    ...latencies.map(({ ratio, percentile, withinMs }) => {
      const value = percentileOf(
        latencyOf(period, ({ tool }) => tool === ratio.tool),
        percentile,
      );
      return { ...judged(ratio, period), value, target: withinMs, unit: "ms" as const };
    }),
    { ...judged(rejection, period), target: file.rejection_rate.most, unit: "share" },
    completeness(judged(evidence, period), file),
    activation(file, activationsMs),
  ];
  const alerts = [
    ...file.alerts.flatMap((rule) => ratios.map((ratio) => burnAlert(ratio, rule, within))),
    evidenceFalling(
      latencies.map(({ ratio }) => ratio),
      evidence,
      within,
    ),
  ];
  return { objectives, alerts };
}

/**
 * How fast an error budget is spent: 1 = it lasts just as long as the period.
 *
 * @returns null when there were no events
 */
export function burnRate(bad: number, total: number, budget: number): number | null {
  return total === 0 ? null : bad / total / budget;
}

/** The promise about a tool's time: its own, or that of every tool that is not named. */
export function latencyTarget(
  file: SloFile,
  tool: string,
): { readonly percentile: number; readonly withinMs: number } | undefined {
  const own = file.latency.find((one) => one.tool === tool) ?? file.latency.find((one) => one.tool === "*");
  return own && { percentile: own.percentile, withinMs: own.within_ms };
}

function latencyRatio(file: SloFile, tool: string) {
  const { percentile, withinMs } = latencyTarget(file, tool) ?? { percentile: 95, withinMs: 600_000 };
  const ratio: Ratio = {
    name: "latency",
    tool,
    budget: 1 - percentile / 100,
    count(sums) {
      const histogram = latencyOf(sums, (sum) => sum.tool === tool);
      const total = totalOf(histogram);
      return { bad: total - countWithin(histogram, effectiveMs(withinMs)), total };
    },
  };
  return { ratio, percentile, withinMs };
}

function judged(
  { name, tool, budget, count }: Ratio,
  period: readonly Sum[],
): Omit<Objective, "target" | "unit"> {
  const { bad, total } = count(period);
  const burned = burnRate(bad, total, budget);
  return {
    name,
    ...(tool === undefined ? {} : { tool }),
    value: total === 0 ? null : bad / total,
    met: burned === null ? null : burned <= 1,
    budgetLeft: burned === null ? null : 1 - burned,
    events: total,
  };
}

/** Told as the share that is there, not the one that is missing. */
function completeness(judged: Omit<Objective, "target" | "unit">, file: SloFile): Objective {
  const value = judged.value === null ? null : 1 - judged.value;
  return { ...judged, value, target: file.evidence_completeness.least, unit: "share" };
}

function activation(file: SloFile, activationsMs: readonly number[]): Objective {
  const value = activationsMs.length === 0 ? null : Math.max(...activationsMs);
  const { most } = file.rollback_activation_ms;
  return {
    name: "rollback-activation",
    value,
    target: most,
    unit: "ms",
    met: value === null ? null : value <= most,
    budgetLeft: null,
    events: activationsMs.length,
  };
}

function burnAlert(ratio: Ratio, rule: BurnRule, within: SloInput["within"]): Alert {
  const [long, short] = [ratio.count(within(rule.long)), ratio.count(within(rule.short))];
  const burn = {
    long: burnRate(long.bad, long.total, ratio.budget),
    short: burnRate(short.bad, short.total, ratio.budget),
  };
  const isFast = (rate: number | null) => rate !== null && rate >= rule.burn;
  const firing = long.total >= rule.least && isFast(burn.long) && isFast(burn.short);
  const what = ratio.tool === undefined ? ratio.name : `${ratio.name} ${ratio.tool}`;
  return {
    name: `${what.replace(" ", ":")}:${rule.name}`,
    firing,
    burn,
    detail: `${what} spends its error budget ${round(burn.short)} times as fast as it may, ${long.bad} bad of ${long.total}`,
  };
}

/** The last minutes were fast and are not proven: the one thing that a look at latency alone would call healthy. */
function evidenceFalling(latencies: readonly Ratio[], evidence: Ratio, within: SloInput["within"]): Alert {
  const sums = within(SHORT_MS);
  const { bad, total } = evidence.count(sums);
  const rates = latencies.map((ratio) => {
    const counted = ratio.count(sums);
    return burnRate(counted.bad, counted.total, ratio.budget);
  });
  const isGreen = rates.some((rate) => rate !== null) && rates.every((rate) => rate === null || rate <= 1);
  const rate = burnRate(bad, total, evidence.budget);
  return {
    name: EVIDENCE_FALLING,
    firing: isGreen && rate !== null && rate > 1,
    burn: { long: null, short: rate },
    detail: `latency is as promised, and ${bad} of ${total} runs of the last five minutes have no evidence`,
  };
}

const SHORT_MS = 300_000;

function round(rate: number | null): string {
  return rate === null ? "0" : String(Math.round(rate * 10) / 10);
}
