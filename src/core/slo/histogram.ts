/**
 * Times as a histogram with fixed bounds, each a tenth above the one before: sums of many gateways and minutes are again
 * one, and a percentile read from it is at most a tenth too high and never too low.
 */

/** Upper bound of the first bucket, ms. */
const FIRST_MS = 0.5;
const FACTOR = 1.1;
/** A run takes ten minutes at most; what takes longer is counted there. */
const LAST = Math.ceil(Math.log(600_000 / FIRST_MS) / Math.log(FACTOR));

/** Counts by bucket. */
export type Histogram = ReadonlyMap<number, number>;

/** @returns the bucket whose bound is the first that is not below */
export function bucketOf(ms: number): number {
  if (!(ms > FIRST_MS)) return 0;
  const bucket = Math.ceil(Math.log(ms / FIRST_MS) / Math.log(FACTOR));
  // The logarithm is not exact at a bound itself.
  return Math.min(LAST, boundOf(bucket - 1) >= ms ? bucket - 1 : bucket);
}

/** Upper bound of a bucket, ms. */
export function boundOf(bucket: number): number {
  return FIRST_MS * FACTOR ** bucket;
}

/**
 * @param percentile above 0, at most 100
 * @returns ms that so many of a hundred did not exceed; null when there is none
 *
 * @example
 * ```ts
 * percentileOf(new Map([[bucketOf(100), 95], [bucketOf(900), 5]]), 95); // a little above 100
 * ```
 */
export function percentileOf(histogram: Histogram, percentile: number): number | null {
  const total = totalOf(histogram);
  if (total === 0) return null;
  let left = Math.ceil((total * percentile) / 100);
  for (const bucket of [...histogram.keys()].sort((a, b) => a - b)) {
    left -= histogram.get(bucket) ?? 0;
    if (left <= 0) return boundOf(bucket);
  }
  return null;
}

/** How many were surely within: those of buckets whose bound is. */
export function countWithin(histogram: Histogram, withinMs: number): number {
  let within = 0;
  // A bound that was computed may lie a hair above the one that was meant.
  for (const [bucket, count] of histogram) if (boundOf(bucket) <= withinMs * 1.000_001) within += count;
  return within;
}

/** The bound that a limit in ms is held to: the last that does not exceed it. */
export function effectiveMs(withinMs: number): number {
  const bucket = bucketOf(withinMs);
  return boundOf(bucket) <= withinMs * 1.000_001 ? boundOf(bucket) : boundOf(Math.max(0, bucket - 1));
}

/** All of them. */
export function totalOf(histogram: Histogram): number {
  let total = 0;
  for (const count of histogram.values()) total += count;
  return total;
}
