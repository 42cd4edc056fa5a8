/**
 * Measuring: warm-up, then rounds that take turns between the subjects (A B A B …), so that a machine that slows down
 * half-way slows all of them alike. Bounded in samples and in time; raw samples are never thrown away as outliers.
 */
import { median, quantile } from "./stats.ts";

/** Something to be timed. */
export interface Subject {
  readonly name: string;
  /** One operation; its duration is the sample. A promise is awaited; a number returned is its own duration in ms, when only a part of it counts. */
  readonly run: () => unknown;
}

/** How much to measure. */
export interface Plan {
  /** Times that every subject takes its turn. */
  readonly rounds: number;
  /** Samples of one turn. */
  readonly perRound: number;
  /** Operations before the first sample, not recorded. */
  readonly warmUp: number;
  /** No further round begins after that many ms; the rounds that were made count. */
  readonly maxMs: number;
}

/** One subject's figures. Times in ms. */
export interface Row {
  readonly name: string;
  readonly samples: number;
  readonly min: number;
  /** On a machine that others use too, nearer than the median to what an idle one would show. */
  readonly p10: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  /** Against the first subject: median of the ratios of each round's medians, and the smallest and largest of them. */
  readonly ratio?: {
    readonly to: string;
    readonly median: number;
    readonly low: number;
    readonly high: number;
  };
}

/** A plan for operations of about that many ms, within about `seconds` for each subject. */
export function planFor(operationMs: number, seconds: number): Plan {
  const total = Math.max(12, Math.min(4000, Math.round((seconds * 1000) / operationMs)));
  const rounds = Math.max(3, Math.min(20, Math.round(total / 10)));
  return {
    rounds,
    perRound: Math.max(1, Math.round(total / rounds)),
    warmUp: Math.max(1, Math.min(300, Math.round(total / 8))),
    maxMs: seconds * 1000 * 8,
  };
}

/**
 * Times subjects against each other.
 *
 * @param subjects the first one is what the others are compared with
 * @throws whatever a subject throws: an operation that fails is not a fast one
 */
export async function compare(subjects: readonly Subject[], plan: Plan): Promise<readonly Row[]> {
  for (const subject of subjects) for (let i = 0; i < plan.warmUp; i++) await subject.run();
  const rounds = subjects.map(() => [] as number[][]);
  const startedAt = performance.now();
  for (let round = 0; round < plan.rounds; round++) {
    if (round > 0 && performance.now() - startedAt > plan.maxMs) break;
    for (const [index, subject] of subjects.entries()) {
      rounds[index]?.push(await takeTurn(subject, plan.perRound));
    }
  }
  return subjects.map(({ name }, index) => {
    const mine = rounds[index] ?? [];
    const row = rowOf(name, mine.flat());
    const [base, first] = [rounds[0] ?? [], subjects[0]];
    if (index === 0 || first === undefined) return row;
    const ratios = mine.map((samples, round) => median(samples) / median(base[round] ?? []));
    return {
      ...row,
      ratio: { to: first.name, median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) },
    };
  });
}

/** Figures of samples that were taken elsewhere. */
export function rowOf(name: string, samples: readonly number[]): Row {
  return {
    name,
    samples: samples.length,
    min: quantile(samples, 0),
    p10: quantile(samples, 0.1),
    p50: quantile(samples, 0.5),
    p95: quantile(samples, 0.95),
    p99: quantile(samples, 0.99),
  };
}

async function takeTurn(subject: Subject, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = performance.now();
    const own = await subject.run();
    samples.push(typeof own === "number" ? own : performance.now() - at);
  }
  return samples;
}
