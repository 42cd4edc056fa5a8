/**
 * What runs may claim and what they come to: budgets over windows of time, retries, loops, idempotency keys, last good
 * outputs, and the ledger. Says what the store has to guard and reads it back; never decides what a policy allows, and
 * never runs anything.
 */
export { type Accounts, type AccountsParts, createAccounts } from "./accounts.ts";
export type { ReleasedOutput } from "./answers.ts";
export {
  type Books,
  type ChargebackPage,
  type ChargebackRequest,
  type ChargebackRow,
  createBooks,
  type TaskReport,
} from "./books.ts";
export type { ClaimedWindow, RunIdentity } from "./claims.ts";
export { chargebackCsv } from "./csv.ts";
export { holdCurrency, loadPrices, pricesState } from "./prices.ts";
