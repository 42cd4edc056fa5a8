/** The budget room: the arithmetic of leases, windows, retries, loops and costs. Enter here only. */
export { claimsNothing } from "./claims.ts";
export {
  CHARGEBACK_KEYS,
  type ChargebackKey,
  FREE,
  formatAmount,
  MOST_NANO,
  type Prices,
  type RunUse,
  runCost,
  successPrice,
} from "./cost.ts";
export {
  BUDGET_NAMES,
  type Charge,
  charge,
  chargeUpTo,
  type Lease,
  left,
  openLease,
  settle,
} from "./lease.ts";
export { judgeLoop, type LoopState, type LoopVerdict } from "./loop.ts";
export { noteRequest, type RetryCharge, type RetryState, takeRetry } from "./retry.ts";
export {
  CLASS_OF_NO_TASK,
  claimWindows,
  findSpent,
  largestRun,
  returnOf,
  WINDOW_MEASURES,
  type WindowAmounts,
  type WindowClaim,
  type WindowMeasure,
  type WindowSpent,
} from "./window.ts";
