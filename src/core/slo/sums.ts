/** What was counted in a window, summed: the numbers that service levels are judged by. */
import type { Histogram } from "./histogram.ts";

/** What is counted. The keys of each: a bucket, an outcome's name, `allow` or `deny`, `owed` or `sealed`. */
export const MEASURES = ["latency", "outcome", "decision", "evidence"] as const;
/** One of {@link MEASURES}. */
export type MeasureName = (typeof MEASURES)[number];

/** One sum. */
export interface Sum {
  readonly tool: string;
  /** A version without its number: component and policy. */
  readonly version: string;
  readonly measure: MeasureName;
  readonly key: string;
  readonly count: number;
}

/** Times of a tool's runs. @param tool undefined = of all */
export function latencyOf(
  sums: readonly Sum[],
  includes: (sum: Pick<Sum, "tool" | "version">) => boolean,
): Histogram {
  const histogram = new Map<number, number>();
  for (const sum of sums) {
    if (sum.measure !== "latency" || !includes(sum)) continue;
    const bucket = Number(sum.key);
    histogram.set(bucket, (histogram.get(bucket) ?? 0) + sum.count);
  }
  return histogram;
}

/** How often something was counted, and how often anything of that measure was. */
export function countOf(
  sums: readonly Sum[],
  measure: MeasureName,
  key: string,
  includes: (sum: Pick<Sum, "tool" | "version">) => boolean = () => true,
): { readonly count: number; readonly total: number } {
  let [count, total] = [0, 0];
  for (const sum of sums) {
    if (sum.measure !== measure || !includes(sum)) continue;
    total += sum.count;
    if (sum.key === key) count += sum.count;
  }
  return { count, total };
}
