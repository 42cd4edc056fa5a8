/**
 * What a run costs, by prices that are data. Amounts are whole billionths of the currency's unit, rounded down once for
 * each run, so that sums are exact and the same everywhere.
 */

/** Prices, each in billionths of the currency's unit. */
export interface Prices {
  /** ISO 4217, or whatever the operator counts in. */
  readonly currency: string;
  /** Of a run that happened, whatever it used. */
  readonly run: number;
  /** Of 10^9 fuel. */
  readonly fuel: number;
  /** Of 2^30 bytes. */
  readonly egress: number;
  /** Of a second of wall time. */
  readonly second: number;
  /** Of a business task that succeeded, for each tool that took part in it. */
  readonly success: number;
  /** The same of single tools. */
  readonly tools: Readonly<Record<string, number>>;
}

/** What lines of a chargeback can be grouped by. `day` and `month` are UTC. */
export const CHARGEBACK_KEYS = ["tenant", "purpose", "tool", "class", "task", "day", "month", "run"] as const;
/** One of {@link CHARGEBACK_KEYS}. */
export type ChargebackKey = (typeof CHARGEBACK_KEYS)[number];

/** What one run used. */
export interface RunUse {
  readonly fuel: number;
  readonly egressBytes: number;
  readonly wallMs: number;
}

/** Nothing costs anything: the ledger then counts runs and what they used. */
export const FREE: Prices = {
  currency: "none",
  run: 0,
  fuel: 0,
  egress: 0,
  second: 0,
  success: 0,
  tools: {},
};

/** Largest amount of one entry: sums of a hundred thousand of them are still exact. */
export const MOST_NANO = 1e11;

/**
 * The raw cost of a run.
 *
 * @returns billionths, a safe integer, at most {@link MOST_NANO}
 */
export function runCost(prices: Prices, { fuel, egressBytes, wallMs }: RunUse): number {
  const parts =
    (BigInt(fuel) * BigInt(prices.fuel)) / 1_000_000_000n +
    (BigInt(egressBytes) * BigInt(prices.egress)) / 2n ** 30n +
    (BigInt(wallMs) * BigInt(prices.second)) / 1000n +
    BigInt(prices.run);
  return Math.min(MOST_NANO, Number(parts));
}

/** What is billed for a tool's part in a task that succeeded. */
export function successPrice({ success, tools }: Prices, tool: string): number {
  return Object.hasOwn(tools, tool) ? (tools[tool] ?? success) : success;
}

/** @returns an amount in the currency's unit, exactly: `12.345000000` */
export function formatAmount(nano: bigint | number): string {
  const text = String(nano).padStart(10, "0");
  return `${text.slice(0, -9)}.${text.slice(-9)}`;
}
