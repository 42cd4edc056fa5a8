/**
 * The statements about claims and settlements, in SQL that SQLite and PostgreSQL read alike. Each guard is part of the
 * statement that it guards. An upsert that changes nothing stands where a row has to be locked and read.
 */
import { type CompiledQuery, sql } from "kysely";
import type { WindowAmounts, WindowClaim } from "../core/budget/index.ts";
import type { AnswerPlace, AttemptClaim, KeyClaim, LoopClaim, RunClaims } from "../ports/index.ts";
import type { LockingQuery } from "./database.ts";
import { db } from "./queries.ts";
import { statement } from "./statement.ts";

/** Whose. */
export type Owner = Pick<RunClaims, "tenant" | "tool">;

const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/** Takes from a window what there is room for: no row when there is not. */
export function takeFromWindow({ tenant, tool }: Owner, claim: WindowClaim): CompiledQuery<WindowAmounts> {
  const { take, limit, per_seconds, starts_at_ms } = claim;
  return statement<WindowAmounts>`
    insert into budget_windows as w
      (tenant, tool, class, per_seconds, starts_at_ms, ends_at_ms, runs, fuel, egress_bytes, wall_ms)
    values (${tenant}, ${tool}, ${claim.class}, ${per_seconds}, ${starts_at_ms}, ${starts_at_ms + per_seconds * 1000},
      ${take.runs}, ${take.fuel}, ${take.egress_bytes}, ${take.wall_ms})
    on conflict (tenant, tool, class, per_seconds, starts_at_ms) do update set
      runs = w.runs + excluded.runs, fuel = w.fuel + excluded.fuel,
      egress_bytes = w.egress_bytes + excluded.egress_bytes, wall_ms = w.wall_ms + excluded.wall_ms
    where w.runs + excluded.runs <= ${limit.runs ?? NO_LIMIT}
      and w.fuel + excluded.fuel <= ${limit.fuel ?? NO_LIMIT}
      and w.egress_bytes + excluded.egress_bytes <= ${limit.egress_bytes ?? NO_LIMIT}
      and w.wall_ms + excluded.wall_ms <= ${limit.wall_ms ?? NO_LIMIT}
    returning runs, fuel, egress_bytes, wall_ms`;
}

/** What is held of a window. */
export function selectWindow(
  { tenant, tool }: Owner,
  claim: Pick<WindowClaim, "class" | "per_seconds" | "starts_at_ms">,
): CompiledQuery<WindowAmounts> {
  return statement<WindowAmounts>`
    select runs, fuel, egress_bytes, wall_ms from budget_windows
    where tenant = ${tenant} and tool = ${tool} and class = ${claim.class}
      and per_seconds = ${claim.per_seconds} and starts_at_ms = ${claim.starts_at_ms}`;
}

/** Gives back to a window; one that was forgotten needs nothing back. */
export function giveToWindow(
  { tenant, tool }: Owner,
  claim: WindowClaim,
  back: WindowAmounts,
): CompiledQuery {
  return statement`
    update budget_windows set runs = runs - ${back.runs}, fuel = fuel - ${back.fuel},
      egress_bytes = egress_bytes - ${back.egress_bytes}, wall_ms = wall_ms - ${back.wall_ms}
    where tenant = ${tenant} and tool = ${tool} and class = ${claim.class}
      and per_seconds = ${claim.per_seconds} and starts_at_ms = ${claim.starts_at_ms}`;
}

/** Adds a lease. `held`: JSON, for whoever gives it back. */
export function insertLease(run: string, expiresAtMs: number, held: string): CompiledQuery {
  return statement`insert into leases (run, expires_at_ms, held) values (${run}, ${expiresAtMs}, ${held})`;
}

/** A lease as it is kept. */
export interface LeaseColumns {
  readonly run: string;
  readonly held: string;
}

/** Ends a lease: whoever gets the row is the one that gives back. */
export function deleteLease(run: string): CompiledQuery<LeaseColumns> {
  return statement<LeaseColumns>`delete from leases where run = ${run} returning run, held`;
}

/** Leases whose runs can not be under way any more. */
export function selectExpired(nowMs: number, limit: number): CompiledQuery<{ run: string }> {
  return statement<{ run: string }>`
    select run from leases where expires_at_ms <= ${nowMs} order by expires_at_ms limit ${limit}`;
}

/** Whose a key is. */
export interface KeyedColumns {
  readonly run: string;
  readonly body: string;
  readonly expires_at_ms: number;
}

/** Puts a run under its key, or finds the run that has it. */
export function claimKey(
  { tenant, tool, function: name, run, atMs }: RunClaims,
  key: KeyClaim,
): CompiledQuery<KeyedColumns> {
  return statement<KeyedColumns>`
    insert into idempotency_keys as k (tenant, tool, function, key, body, run, at_ms, expires_at_ms)
    values (${tenant}, ${tool}, ${name}, ${key.hash}, ${key.body}, ${run}, ${atMs}, ${key.expiresAtMs})
    on conflict (tenant, tool, function, key) do update set run = k.run
    returning run, body, expires_at_ms`;
}

/** Gives an expired key to another run. */
export function renewKey(
  { tenant, tool, function: name, run, atMs }: RunClaims,
  key: KeyClaim,
): CompiledQuery {
  return statement`
    update idempotency_keys set body = ${key.body}, run = ${run}, at_ms = ${atMs},
      expires_at_ms = ${key.expiresAtMs}, key_id = null, content = null
    where tenant = ${tenant} and tool = ${tool} and function = ${name} and key = ${key.hash}`;
}

/** A key as it is kept. */
export interface KeyRowColumns {
  readonly run: string;
  readonly body: string;
  readonly key_id: string | null;
  readonly content: Uint8Array | null;
}

/** A key that is not expired. */
export function selectKeyedRun(
  { tenant, tool, function: name }: Pick<AnswerPlace, "tenant" | "tool" | "function">,
  hash: string,
  nowMs: number,
): CompiledQuery<KeyRowColumns> {
  return statement<KeyRowColumns>`
    select run, body, key_id, content from idempotency_keys
    where tenant = ${tenant} and tool = ${tool} and function = ${name} and key = ${hash}
      and expires_at_ms > ${nowMs}`;
}

/** Keeps the answer of a run's key. */
export function answerKey(run: string, keyId: string, content: Uint8Array): CompiledQuery {
  return statement`update idempotency_keys set key_id = ${keyId}, content = ${content} where run = ${run}`;
}

/** Forgets a run's key. */
export function releaseKey(run: string): CompiledQuery {
  return statement`delete from idempotency_keys where run = ${run}`;
}

/** The newest attempt of its kind. */
export interface AttemptColumns {
  readonly run: string;
  readonly at_ms: number;
}

/** Notes an attempt, or finds the one before it. */
export function claimAttempt(
  { tenant, tool, function: name, run, atMs }: RunClaims,
  { fingerprint }: AttemptClaim,
): CompiledQuery<AttemptColumns> {
  return statement<AttemptColumns>`
    insert into attempts as a (tenant, tool, function, fingerprint, run, at_ms)
    values (${tenant}, ${tool}, ${name}, ${fingerprint}, ${run}, ${atMs})
    on conflict (tenant, tool, function, fingerprint) do update set run = a.run
    returning run, at_ms`;
}

/** The run is the newest attempt now. */
export function renewAttempt(
  { tenant, tool, function: name, run, atMs }: RunClaims,
  fingerprint: string,
): CompiledQuery {
  return statement`
    update attempts set run = ${run}, at_ms = ${atMs}
    where tenant = ${tenant} and tool = ${tool} and function = ${name} and fingerprint = ${fingerprint}`;
}

/** Forgets the attempt that a run is, if it is the newest. */
export function deleteAttempt(
  { tenant, tool }: Owner,
  { function: name, fingerprint }: { readonly function: string; readonly fingerprint: string },
  run: string,
): CompiledQuery {
  return statement`
    delete from attempts where tenant = ${tenant} and tool = ${tool} and function = ${name}
      and fingerprint = ${fingerprint} and run = ${run}`;
}

/** The same, of a run of which nothing more is known. */
export function deleteAttemptOf(run: string): CompiledQuery {
  return statement`delete from attempts where run = ${run}`;
}

/** Locks and reads the books of a retry budget. */
export function lockRetries(
  { tenant, tool, atMs }: Owner & { readonly atMs: number },
  operation: string,
): LockingQuery<{ state: string }> {
  return {
    ...statement<{ state: string }>`
      insert into retry_budgets as r (tenant, tool, operation, state, at_ms)
      values (${tenant}, ${tool}, ${operation}, ${"[]"}, ${atMs})
      on conflict (tenant, tool, operation) do update set state = r.state
      returning state`,
    alone: statement<{ state: string }>`
      select state from retry_budgets where tenant = ${tenant} and tool = ${tool} and operation = ${operation}`,
  };
}

/** Writes the books that {@link lockRetries} read. */
export function writeRetries(
  { tenant, tool, atMs }: Owner & { readonly atMs: number },
  operation: string,
  state: string,
): CompiledQuery {
  return statement`
    insert into retry_budgets (tenant, tool, operation, state, at_ms)
    values (${tenant}, ${tool}, ${operation}, ${state}, ${atMs})
    on conflict (tenant, tool, operation) do update set state = excluded.state, at_ms = excluded.at_ms`;
}

/** What is known of a task. */
export interface LoopColumns {
  readonly low: number;
  readonly last_at_ms: number;
}

/** Locks and reads what is known of a task. */
export function lockLoop({ tenant, tool, atMs }: RunClaims, { task }: LoopClaim): LockingQuery<LoopColumns> {
  return {
    ...statement<LoopColumns>`
      insert into task_loops as t (tenant, tool, task, low, last_at_ms, at_ms)
      values (${tenant}, ${tool}, ${task}, ${0}, ${0}, ${atMs})
      on conflict (tenant, tool, task) do update set low = t.low
      returning low, last_at_ms`,
    alone: statement<LoopColumns>`
      select low, last_at_ms from task_loops where tenant = ${tenant} and tool = ${tool} and task = ${task}`,
  };
}

/** Writes what {@link lockLoop} read. `at_ms` stays that of the task's first word. */
export function writeLoop(
  { tenant, tool, atMs }: RunClaims,
  task: string,
  low: number,
  lastAtMs: number,
): CompiledQuery {
  return statement`
    insert into task_loops (tenant, tool, task, low, last_at_ms, at_ms)
    values (${tenant}, ${tool}, ${task}, ${low}, ${lastAtMs}, ${atMs})
    on conflict (tenant, tool, task) do update set low = excluded.low, last_at_ms = excluded.last_at_ms`;
}

/** Keeps an output, unless a newer one is kept. */
export function putLastGood(
  { tenant, tool, function: name, input }: AnswerPlace,
  row: { readonly run: string; readonly keyId: string; readonly content: Uint8Array; readonly atMs: number },
): CompiledQuery {
  return statement`
    insert into last_good as g (tenant, tool, function, input, run, key_id, content, at_ms)
    values (${tenant}, ${tool}, ${name}, ${input}, ${row.run}, ${row.keyId}, ${row.content}, ${row.atMs})
    on conflict (tenant, tool, function, input) do update set
      run = excluded.run, key_id = excluded.key_id, content = excluded.content, at_ms = excluded.at_ms
    where g.at_ms <= excluded.at_ms`;
}

/** A kept output as it is kept. */
export interface LastGoodColumns {
  readonly run: string;
  readonly key_id: string;
  readonly content: Uint8Array;
  readonly at_ms: number;
}

/** The kept output of one place. */
export function selectLastGood({
  tenant,
  tool,
  function: name,
  input,
}: AnswerPlace): CompiledQuery<LastGoodColumns> {
  return statement<LastGoodColumns>`
    select run, key_id, content, at_ms from last_good
    where tenant = ${tenant} and tool = ${tool} and function = ${name} and input = ${input}`;
}

/** What is over, and how it is known: by table, the column that says when. */
const OVER = {
  idempotency_keys: "expires_at_ms",
  budget_windows: "ends_at_ms",
  attempts: "at_ms",
  retry_budgets: "at_ms",
  last_good: "at_ms",
} as const;

/** Tables whose rows are forgotten. */
export type ForgettingTable = keyof typeof OVER;

/** Forgets rows of before a moment. */
export function forget(table: ForgettingTable, beforeMs: number): CompiledQuery {
  return sql`delete from ${sql.table(table)} where ${sql.ref(OVER[table])} < ${beforeMs}`.compile(db);
}

/** Forgets tasks that nobody worked on since a moment; `at_ms` is when there was the first run of one. */
export function forgetLoops(beforeMs: number): CompiledQuery {
  return statement`delete from task_loops where at_ms < ${beforeMs} and last_at_ms < ${beforeMs}`;
}

/** Forgets what was kept of outputs of a tenant, or of one run. */
export function eraseKept(
  table: "idempotency_keys" | "last_good",
  column: "tenant" | "run",
  value: string,
): CompiledQuery {
  return sql`delete from ${sql.table(table)} where ${sql.ref(column)} = ${value}`.compile(db);
}
