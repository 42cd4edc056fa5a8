/**
 * The arithmetic of one run's lease: what was granted, what is used, what is left. Frozen values; whoever holds the
 * lease of a run (the broker for host calls, the gateway for the rest) keeps the newest one.
 *
 * INVARIANT: 0 ≤ used ≤ granted for every budget, whatever is charged.
 */
import type { Budget, BudgetName } from "../policy/types.ts";

/** The names of all budgets, in the order in which they are written. */
export const BUDGET_NAMES = [
  "fuel",
  "memory_bytes",
  "egress_bytes",
  "requests",
  "output_bytes",
  "log_bytes",
] as const satisfies readonly BudgetName[];

/** What one run may spend and has spent. */
export interface Lease {
  readonly granted: Budget;
  readonly used: Budget;
}

/** The answer to a charge. */
export type Charge =
  | { readonly kind: "ok"; readonly lease: Lease }
  /** Nothing was charged and `lease` is the one given; `budget` ends the run as exhausted. */
  | { readonly kind: "exhausted"; readonly lease: Lease; readonly budget: BudgetName };

/**
 * Opens a lease with nothing used.
 *
 * @param budget a policy's budget
 * @returns the frozen lease
 * @throws {RangeError} when a budget is no non-negative safe integer
 */
export function openLease(budget: Budget): Lease {
  for (const name of BUDGET_NAMES) requireAmount(budget[name], `open a lease with ${name}`);
  const used = { fuel: 0, memory_bytes: 0, egress_bytes: 0, requests: 0, output_bytes: 0, log_bytes: 0 };
  return Object.freeze({ granted: Object.freeze({ ...budget }), used: Object.freeze(used) });
}

/**
 * Charges all of an amount, or nothing of it.
 *
 * Effects are charged before they happen: an effect whose charge was not `ok` must not happen. Readings that come
 * after the fact (fuel, memory) are charged by {@link chargeUpTo}.
 *
 * @param lease the newest lease of the run
 * @param name which budget
 * @param amount in the budget's unit; zero is allowed and always `ok`
 * @returns the next lease, or which budget is exhausted
 * @throws {RangeError} when the amount is no non-negative safe integer: parse what an executor says before charging
 */
export function charge(lease: Lease, name: BudgetName, amount: number): Charge {
  requireAmount(amount, `charge ${name}`);
  // Compared as a difference: a sum could pass 2^53 and lose its last digit.
  if (amount > left(lease, name)) return Object.freeze({ kind: "exhausted", lease, budget: name });
  const used = Object.freeze({ ...lease.used, [name]: lease.used[name] + amount });
  return Object.freeze({ kind: "ok", lease: Object.freeze({ granted: lease.granted, used }) });
}

/**
 * Charges what is left when the amount is more than that: for bytes that have already passed, and for readings.
 *
 * @param lease the newest lease of the run
 * @param name which budget
 * @param amount in the budget's unit
 * @returns the next lease; `exhausted` with all of the budget used when the amount did not fit
 * @throws {RangeError} when the amount is no non-negative safe integer
 */
export function chargeUpTo(lease: Lease, name: BudgetName, amount: number): Charge {
  requireAmount(amount, `charge ${name}`);
  const whole = charge(lease, name, amount);
  if (whole.kind === "ok") return whole;
  const rest = charge(lease, name, left(lease, name));
  return Object.freeze({ kind: "exhausted", lease: rest.lease, budget: name });
}

/**
 * What is left of a budget.
 *
 * @param lease the newest lease of the run
 * @param name which budget
 * @returns the largest amount that can still be charged; zero when it is all used
 */
export function left(lease: Lease, name: BudgetName): number {
  return lease.granted[name] - lease.used[name];
}

/**
 * Closes the books of a lease.
 *
 * @param lease the newest lease of the run
 * @returns granted and used of every budget, frozen; used is never above granted
 */
export function settle(
  lease: Lease,
): Readonly<Record<BudgetName, { readonly granted: number; readonly used: number }>> {
  const entry = (name: BudgetName) => Object.freeze({ granted: lease.granted[name], used: lease.used[name] });
  return Object.freeze({
    fuel: entry("fuel"),
    memory_bytes: entry("memory_bytes"),
    egress_bytes: entry("egress_bytes"),
    requests: entry("requests"),
    output_bytes: entry("output_bytes"),
    log_bytes: entry("log_bytes"),
  });
}

function requireAmount(amount: number, action: string): void {
  if (!Number.isSafeInteger(amount) || amount < 0) {
    throw new RangeError(`Cannot ${action}: ${amount} is given, wanted an integer from 0 to 2^53 - 1`);
  }
}
