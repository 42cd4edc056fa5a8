/**
 * The ledger: what runs cost and what tasks are billed, append-only. Every entry is one transfer, which debits one
 * account by what it credits another: there is no entry of one side, so the sums of all accounts are zero at all times.
 *
 * The cost of a run is entered in the transaction that seals it; see `RunSettlement`.
 */
import type { ChargebackKey } from "../core/budget/index.ts";

/** How a business task ended. */
export type TaskOutcome = "succeeded" | "failed";

/** One tool's part in a task that succeeded. */
export interface BillLine {
  readonly tool: string;
  /** Of the tool's last run in the task. */
  readonly purpose: string;
  readonly class: string;
  /** Billionths of the currency's unit. */
  readonly amount: number;
}

/** The answer to a report of a task's outcome. */
export type OutcomeReported =
  | {
      readonly kind: "reported";
      /** Whether this report is the one that counted, and not a repetition of it. */
      readonly first: boolean;
      readonly atMs: number;
      readonly runs: number;
      /** What its runs cost, in billionths. */
      readonly cost: bigint;
      readonly billed: readonly BillLine[];
    }
  /** No run of the task is sealed. */
  | { readonly kind: "unknown" }
  /** It was reported before, as something else; that stays. */
  | { readonly kind: "conflict"; readonly outcome: TaskOutcome };

/** Which lines of the ledger, and how they are summed. */
export interface ChargebackQuery {
  /** In the order of the columns, at least one, each once. */
  readonly by: readonly ChargebackKey[];
  /** Only these. `tenant` absent = every tenant's: for the operator, never for a caller. */
  readonly where: Partial<Record<"tenant" | "purpose" | "tool" | "class" | "task", string>>;
  /** `YYYY-MM-DD`, UTC; `until` is not in it. */
  readonly from: string;
  readonly until: string;
  readonly limit: number;
  /** The keys of the last line that was seen; absent = from the beginning. */
  readonly after?: readonly string[];
}

/** One line of a chargeback. */
export interface ChargebackLine {
  /** Values of `by`; `""` where an entry has none. */
  readonly keys: readonly string[];
  readonly runs: number;
  readonly fuel: number;
  readonly egressBytes: number;
  readonly wallMs: number;
  /** Billionths. */
  readonly cost: bigint;
  readonly billed: bigint;
  /** Bills: one for each tool of a task that succeeded. */
  readonly bills: number;
  /** Hex sha256 of what the manifest signs, when the line is one run's. */
  readonly digest?: string;
}

/** The ledger of all tenants. */
export interface LedgerStore {
  /**
   * Records how a task ended, and bills it when it succeeded: once, whoever reports it how often.
   *
   * @param priceOf what a tool's part in it is billed at, in billionths
   */
  reportOutcome(
    task: { readonly tenant: string; readonly task: string },
    outcome: TaskOutcome,
    priceOf: (tool: string) => number,
    atMs: number,
  ): Promise<OutcomeReported>;
  /** Lines in the order of their keys. */
  chargeback(query: ChargebackQuery): Promise<readonly ChargebackLine[]>;
  /**
   * Amounts have no currency of their own, so that a ledger is in one: the first that anybody names.
   *
   * @param named undefined = only ask
   * @returns the one that the ledger is in; undefined when nobody has named one
   */
  holdCurrency(named: string | undefined): Promise<string | undefined>;
  /** What each account has, debits positive, in billionths: sums to zero. */
  balances(): Promise<ReadonlyMap<string, bigint>>;
}
