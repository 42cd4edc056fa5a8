/** The few statistics that the figures need. */

/** @returns NaN for no samples */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/**
 * The sample below which a share of all samples lies: nearest rank, so it is always one that was measured.
 *
 * @param share 0 to 1
 * @returns NaN for no samples
 */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** @returns arithmetic mean; NaN for no samples */
export function mean(samples: readonly number[]): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}
