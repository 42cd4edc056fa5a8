/** What `writ policy backtest` found, as a table: by verdict and clause, with whose work it is. */
import { type Backtested, TAKING } from "../../gateway/index.ts";
import { alignColumns, createPaint, formatCount, printable } from "../output.ts";
import type { CliWorld } from "../world.ts";

/** One run of the past, and what would have become of it. */
export interface BacktestRow extends Backtested {
  readonly run: string;
  readonly tenant: string;
  readonly tool: string;
  readonly function: string;
  readonly purpose: string;
  readonly task: string | null;
  readonly at: string;
  /** How it ended. */
  readonly was: string;
  /** How it would end, where its journal was run again; null where it was not, or nobody can know. */
  readonly would: string | null;
  /** From what: the manifest alone, or its journal too. */
  readonly by: "manifest" | "journal";
}

/** Runs shown of each kind; `--json` has all. */
const SHOWN = 5;

/** Prints it. */
export function printBacktest(world: CliWorld, rows: readonly BacktestRow[], since: string): void {
  const { runtime } = world;
  const paint = createPaint(world);
  const journals = rows.filter(({ by }) => by === "journal").length;
  const open = rows.length === 0 ? "no run" : formatCount(rows.length, "run");
  runtime.print(
    `${open} of the last ${since} decided again, ${journals} of them run again from their journals`,
  );
  const groups = Map.groupBy(rows, ({ verdict, clause = "" }) => `${verdict} ${clause}`);
  for (const group of [...groups.values()].sort((a, b) => rank(a) - rank(b) || b.length - a.length)) {
    const [first] = group;
    if (first === undefined || first.verdict === "same") continue;
    const paintHead = TAKING.includes(first.verdict) ? paint.bad : paint.bold;
    const by = first.clause === undefined ? "" : ` by ${first.clause}`;
    runtime.print(`${paintHead(first.verdict)}${printable(by)}: ${formatCount(group.length, "run")}`);
    const shown = group
      .slice(0, SHOWN)
      .map((row) => [
        row.run,
        `${row.tool} ${row.function}`,
        row.tenant,
        row.purpose,
        row.task ?? "-",
        row.would === null ? row.was : `${row.was} → ${row.would}`,
        row.detail ?? "",
      ]);
    const table = alignColumns([["run", "function", "tenant", "purpose", "task", "ended", "why"], ...shown]);
    for (const line of table) runtime.print(printable(line));
    if (group.length > SHOWN) runtime.print(`  … and ${group.length - SHOWN} more (--json lists all)`);
  }
  const same = rows.filter(({ verdict }) => verdict === "same").length;
  const taken = rows.filter(({ verdict }) => TAKING.includes(verdict)).length;
  const tasks = new Set(rows.filter(({ verdict }) => TAKING.includes(verdict)).map(({ task }) => task ?? ""));
  tasks.delete("");
  const whose = tasks.size === 0 ? "" : `, of ${formatCount(tasks.size, "task")}`;
  const line = `${formatCount(taken, "run")} would lose something${whose}; ${same} as before`;
  runtime.print(taken === 0 ? paint.good(line) : paint.bad(line));
}

/** What takes something away stands first. */
function rank([row]: readonly BacktestRow[]): number {
  return row !== undefined && TAKING.includes(row.verdict) ? 0 : 1;
}
