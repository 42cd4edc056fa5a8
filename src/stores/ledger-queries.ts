/** The statements about the ledger; see `account-queries.ts`. Sums are read as text: they may pass 2^53. */
import { type CompiledQuery, type RawBuilder, sql } from "kysely";
import type { ChargebackKey } from "../core/budget/index.ts";
import type { BillLine, ChargebackQuery, RunCost, TaskOutcome } from "../ports/index.ts";
import { db } from "./queries.ts";
import { statement } from "./statement.ts";

/** Whose task. */
export interface TaskName {
  readonly tenant: string;
  readonly task: string;
}

/** Books what a run cost, once: a second entry of one run is refused by the table. */
export function insertCost(run: string, digest: string, cost: RunCost): CompiledQuery {
  const { tenant, tool, purpose, task, fuel, egressBytes, wallMs, amount, atMs } = cost;
  return statement`
    insert into ledger (entry, kind, debit, credit, amount, tenant, tool, purpose, class, task, run, digest,
      fuel, egress_bytes, wall_ms, day, at_ms)
    values (${run}, ${"cost"}, ${"cost-of-runs"}, ${"resources"}, ${amount}, ${tenant}, ${tool}, ${purpose}, ${cost.class},
      ${task ?? null}, ${run}, ${digest}, ${fuel}, ${egressBytes}, ${wallMs}, ${dayOf(atMs)}, ${atMs})`;
}

/** Books what a tool's part in a task is billed at, once. */
export function insertBill(
  entry: string,
  { tenant, task }: TaskName,
  line: BillLine,
  atMs: number,
): CompiledQuery {
  const { tool, purpose, amount } = line;
  return statement`
    insert into ledger (entry, kind, debit, credit, amount, tenant, tool, purpose, class, task, run, digest,
      fuel, egress_bytes, wall_ms, day, at_ms)
    values (${entry}, ${"bill"}, ${"receivable"}, ${"revenue"}, ${amount}, ${tenant}, ${tool}, ${purpose}, ${line.class},
      ${task}, ${null}, ${null}, ${0}, ${0}, ${0}, ${dayOf(atMs)}, ${atMs})`;
}

/** Parts of a task: what its runs were of. */
export interface TaskPartColumns {
  readonly tool: string;
  readonly purpose: string;
  readonly class: string;
  readonly newest: string;
  readonly runs: number;
  readonly cost: string;
}

/** What the runs of a task were of, and what they cost. */
export function selectTaskParts({ tenant, task }: TaskName): CompiledQuery<TaskPartColumns> {
  return statement<TaskPartColumns>`
    select tool, purpose, class, max(entry) as newest, count(*) as runs, cast(sum(amount) as text) as cost
    from ledger where tenant = ${tenant} and task = ${task} and kind = ${"cost"}
    group by tool, purpose, class`;
}

/** Records how a task ended, unless that is recorded. @returns a query with a row when it was not */
export function insertOutcome(
  { tenant, task }: TaskName,
  outcome: TaskOutcome,
  atMs: number,
): CompiledQuery<object> {
  return statement<object>`
    insert into task_outcomes (tenant, task, outcome, at_ms) values (${tenant}, ${task}, ${outcome}, ${atMs})
    on conflict (tenant, task) do nothing returning task`;
}

/** How a task ended. */
export function selectOutcome({
  tenant,
  task,
}: TaskName): CompiledQuery<{ outcome: TaskOutcome; at_ms: number }> {
  return statement<{ outcome: TaskOutcome; at_ms: number }>`
    select outcome, at_ms from task_outcomes where tenant = ${tenant} and task = ${task}`;
}

/** What a task was billed. */
export function selectBills({ tenant, task }: TaskName): CompiledQuery<BillLine> {
  return statement<BillLine>`
    select tool, purpose, class, amount from ledger
    where tenant = ${tenant} and task = ${task} and kind = ${"bill"} order by tool`;
}

/** What a key is in SQL: an expression without a value of anybody's in it. */
const KEYS: Readonly<Record<ChargebackKey, RawBuilder<string>>> = {
  tenant: sql`tenant`,
  purpose: sql`purpose`,
  tool: sql`tool`,
  class: sql`class`,
  task: sql`coalesce(task, '')`,
  day: sql`day`,
  month: sql`substr(day, 1, 7)`,
  run: sql`coalesce(run, '')`,
};

/** A line of a chargeback: `k0`, `k1` … its keys. */
export type ChargebackColumns = Readonly<Record<string, string>> & {
  readonly runs: number;
  readonly bills: number;
};

/** Lines after the last one seen, in the order of their keys. */
export function selectChargeback({ by, where, from, until, limit, after }: ChargebackQuery) {
  const keys = by.map((key) => KEYS[key]);
  const list = sql.join(keys);
  const named = sql.join(keys.map((key, index) => sql`${key} as ${sql.ref(`k${index}`)}`));
  const conditions = [
    sql`day >= ${from}`,
    sql`day < ${until}`,
    ...Object.entries(where).map(([name, value]) => sql`${sql.ref(name)} = ${value}`),
    ...(after === undefined ? [] : [sql`(${list}) > (${sql.join(after.map((key) => sql`${key}`))})`]),
  ];
  return sql<ChargebackColumns>`
    select ${named}, count(run) as runs, count(*) - count(run) as bills,
      cast(sum(fuel) as text) as fuel, cast(sum(egress_bytes) as text) as egress_bytes,
      cast(sum(wall_ms) as text) as wall_ms,
      cast(sum(case when kind = 'cost' then amount else 0 end) as text) as cost,
      cast(sum(case when kind = 'bill' then amount else 0 end) as text) as billed, max(digest) as digest
    from ledger where ${sql.join(conditions, sql` and `)}
    group by ${list} order by ${list} limit ${limit}`.compile(db);
}

/** Debits and credits of every account. */
export function selectBalances(): CompiledQuery<{ account: string; amount: string }> {
  return statement<{ account: string; amount: string }>`
    select account, cast(sum(amount) as text) as amount from (
      select debit as account, amount from ledger
      union all select credit, -amount from ledger) as sides
    group by account order by account`;
}

/** UTC. */
function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
