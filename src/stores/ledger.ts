/** The ledger in a database, beside the runs: what is reported, and what is read. Costs are entered by `settlements`. */
import { sha256Hex } from "../core/digest.ts";
import type { BillLine, ChargebackLine, LedgerStore, OutcomeReported, TaskOutcome } from "../ports/index.ts";
import { all, type Database, run, type Steps } from "./database.ts";
import * as queries from "./ledger-queries.ts";
import { insertClaim, selectClaim } from "./queries.ts";

/** Under which name the ledger's currency is claimed. */
const CURRENCY = "ledger-currency";

/** The ledger, over one database. */
export function createLedger(database: Database): LedgerStore {
  return {
    reportOutcome: (task, outcome, priceOf, atMs) =>
      database.write(() => reportOutcome(task, outcome, priceOf, atMs)),
    async chargeback(query) {
      const isOfRuns = query.by.includes("run");
      return (await database.read(queries.selectChargeback(query))).map((row) =>
        toLine(row, query.by.length, isOfRuns),
      );
    },
    async holdCurrency(named) {
      if (named === undefined) return (await database.read(selectClaim(CURRENCY)))[0]?.value;
      return await database.write(
        function* () {
          const [held] = yield* all(selectClaim(CURRENCY));
          if (held === undefined) yield* run(insertClaim(CURRENCY, named));
          return held?.value ?? named;
        },
        [{ name: "claims" }],
      );
    },
    async balances() {
      const rows = await database.read(queries.selectBalances());
      return new Map(rows.map(({ account, amount }) => [account, BigInt(amount)]));
    },
  };
}

/** Whoever writes the outcome first writes the bills, in the same transaction; everybody else reads them. */
function* reportOutcome(
  task: queries.TaskName,
  outcome: TaskOutcome,
  priceOf: (tool: string) => number,
  atMs: number,
): Steps<OutcomeReported> {
  const parts = yield* all(queries.selectTaskParts(task));
  if (parts.length === 0) return { kind: "unknown" };
  const [before] = yield* all(queries.selectOutcome(task));
  // Another gateway's report may come between these: then nothing is inserted here, and its word is read.
  const inserted = before === undefined ? yield* all(queries.insertOutcome(task, outcome, atMs)) : [];
  const first = inserted.length > 0;
  const [recorded] = before === undefined ? yield* all(queries.selectOutcome(task)) : [before];
  if (recorded !== undefined && recorded.outcome !== outcome)
    return { kind: "conflict", outcome: recorded.outcome };
  if (first && outcome === "succeeded") {
    for (const line of billOf(parts, priceOf))
      yield* run(queries.insertBill(entryOf(task, line.tool), task, line, atMs));
  }
  return {
    kind: "reported",
    first,
    atMs: recorded?.at_ms ?? atMs,
    runs: parts.reduce((sum, { runs }) => sum + Number(runs), 0),
    cost: parts.reduce((sum, { cost }) => sum + BigInt(cost), 0n),
    billed: yield* all(queries.selectBills(task)),
  };
}

/** One line for each tool, said to be for what its last run was for. */
function billOf(
  parts: readonly queries.TaskPartColumns[],
  priceOf: (tool: string) => number,
): readonly BillLine[] {
  const last = new Map<string, queries.TaskPartColumns>();
  for (const part of parts) {
    const before = last.get(part.tool);
    // Entries of runs are their ids, which are ordered by time.
    if (before === undefined || before.newest < part.newest) last.set(part.tool, part);
  }
  return [...last.values()].map(({ tool, purpose, class: of }) => ({
    ...{ tool, purpose, class: of },
    amount: priceOf(tool),
  }));
}

/** The same for the same bill: a second one could not be entered, whatever went wrong before. */
function entryOf({ tenant, task }: queries.TaskName, tool: string): string {
  return `bill_${sha256Hex(new TextEncoder().encode(JSON.stringify([tenant, task, tool])))}`;
}

function toLine(row: queries.ChargebackColumns, keys: number, isOfRuns: boolean): ChargebackLine {
  const { runs, bills, fuel, egress_bytes, wall_ms, cost, billed, digest } = row;
  return {
    keys: Array.from({ length: keys }, (_, index) => row[`k${index}`] ?? ""),
    runs: Number(runs),
    bills: Number(bills),
    fuel: Number(fuel),
    egressBytes: Number(egress_bytes),
    wallMs: Number(wall_ms),
    cost: BigInt(cost ?? 0),
    billed: BigInt(billed ?? 0),
    ...(isOfRuns && digest ? { digest } : {}),
  };
}
