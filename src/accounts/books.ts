/** The ledger as its readers see it: reports of outcomes, and lines of a chargeback, with amounts as decimal text. */
import { type ChargebackKey, formatAmount, type Prices, successPrice } from "../core/budget/index.ts";
import { GatewayError } from "../core/errors.ts";
import type { ChargebackQuery, Clock, Store, TaskOutcome } from "../ports/index.ts";

/** What came of reporting a task's outcome. */
export interface TaskReport {
  readonly task: string;
  readonly outcome: TaskOutcome;
  /** RFC 3339, UTC: of the first report, also when this one repeats it. */
  readonly reportedAt: string;
  /** Runs of it that were sealed by now. */
  readonly runs: number;
  readonly currency: string;
  /** What its runs cost: decimal text with nine digits. */
  readonly cost: string;
  readonly billed: string;
  readonly lines: readonly {
    readonly tool: string;
    readonly purpose: string;
    readonly class: string;
    readonly billed: string;
  }[];
}

/** One line: the keys that were asked for, and sums. */
export interface ChargebackRow {
  readonly keys: Readonly<Partial<Record<ChargebackKey, string>>>;
  readonly runs: number;
  /** Bills: one for each tool of a task that succeeded. */
  readonly bills: number;
  readonly fuel: number;
  readonly egressBytes: number;
  readonly wallMs: number;
  readonly cost: string;
  readonly billed: string;
  /** Hex sha256 of what the run's manifest signs, where lines are runs. */
  readonly digest?: string;
}

/** Some lines, in the order of their keys. */
export interface ChargebackPage {
  readonly currency: string;
  readonly by: readonly ChargebackKey[];
  /** `YYYY-MM-DD`, UTC; `until` is not in it. */
  readonly from: string;
  readonly until: string;
  readonly lines: readonly ChargebackRow[];
  /** Pass as `after` for the page that follows; absent on the last. */
  readonly next?: string;
}

/** What is asked of the ledger; dates default to the present month. */
export interface ChargebackRequest extends Pick<ChargebackQuery, "by" | "where" | "limit"> {
  readonly from?: string;
  readonly until?: string;
  /** `next` of the page before. */
  readonly after?: string;
}

/** The ledger of one store, at the prices of the moment. */
export interface Books {
  /**
   * Records how a task ended, and bills it when it succeeded: once. Repeating the report gives the same answer.
   *
   * @throws {GatewayError} `unknown-tool` when no run of the task is sealed; `task-closed` when it was reported otherwise
   */
  reportOutcome(tenant: string, task: string, outcome: TaskOutcome): Promise<TaskReport>;
  /** @throws {GatewayError} `invalid-request` when `after` is of no page with these keys */
  chargeback(request: ChargebackRequest): Promise<ChargebackPage>;
}

/** Opens the ledger of a store. */
export function createBooks(
  { ledger }: Pick<Store, "ledger">,
  clock: Pick<Clock, "nowMs">,
  prices: () => Prices,
): Books {
  return {
    async reportOutcome(tenant, task, outcome) {
      const now = prices();
      const { currency } = now;
      const reported = await ledger.reportOutcome(
        { tenant, task },
        outcome,
        (tool) => successPrice(now, tool),
        clock.nowMs(),
      );
      const name = JSON.stringify(task);
      if (reported.kind === "unknown")
        throw new GatewayError(`Cannot report task ${name} of "${tenant}": no run of it is sealed`, {
          code: "unknown-tool",
        });
      if (reported.kind === "conflict")
        throw new GatewayError(`Cannot report task ${name} as ${outcome}: it ${reported.outcome}`, {
          code: "task-closed",
          outcome: reported.outcome,
        });
      const { runs, atMs, cost, billed } = reported;
      return {
        ...{ task, outcome, reportedAt: new Date(atMs).toISOString(), runs, currency },
        cost: formatAmount(cost),
        billed: formatAmount(billed.reduce((sum, { amount }) => sum + BigInt(amount), 0n)),
        lines: billed.map(({ tool, purpose, class: of, amount }) => ({
          ...{ tool, purpose, class: of },
          billed: formatAmount(amount),
        })),
      };
    },
    async chargeback({ by, where, limit, after, ...dates }) {
      const today = new Date(clock.nowMs()).toISOString();
      const from = dates.from ?? `${today.slice(0, 7)}-01`;
      const until = dates.until ?? dayAfter(today.slice(0, 10));
      // One more than asked for tells whether a next page exists.
      const found = await ledger.chargeback({
        ...{ by, where, from, until, limit: limit + 1 },
        ...(after === undefined ? {} : { after: readPlace(after, by.length) }),
      });
      const shown = found.slice(0, limit);
      const last = shown.at(-1);
      return {
        ...{ currency: prices().currency, by, from, until },
        lines: shown.map(({ keys, cost, billed, ...sums }) => ({
          keys: Object.fromEntries(by.map((key, index) => [key, keys[index] ?? ""])),
          ...sums,
          cost: formatAmount(cost),
          billed: formatAmount(billed),
        })),
        ...(found.length > limit && last !== undefined ? { next: writePlace(last.keys) } : {}),
      };
    },
  };
}

/** Keys of the last line that was shown, as one word: printable ASCII all of them, by the schemas they came in through. */
function writePlace(keys: readonly string[]): string {
  return btoa(JSON.stringify(keys)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** @param text hostile */
function readPlace(text: string, length: number): readonly string[] {
  try {
    const keys: unknown = JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/")));
    const isPlace = Array.isArray(keys) && keys.length === length;
    if (isPlace && keys.every((key): key is string => typeof key === "string")) return keys;
  } catch {
    // Neither base64 nor JSON: answered below.
  }
  throw new GatewayError("Cannot read the chargeback: after is of no page of it", {
    code: "invalid-request",
    errors: [{ pointer: "", detail: "query/after: is not the next of a page with the same by" }],
  });
}

function dayAfter(day: string): string {
  return new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10);
}
