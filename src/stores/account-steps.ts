/**
 * What one run claims, in the transaction of its intent, and what it comes to, in that of its seal. All or nothing:
 * a claim that is refused throws, and everything that its transaction took is undone.
 */
import type { CompiledQuery } from "kysely";
import {
  findSpent,
  judgeLoop,
  noteRequest,
  type RetryCharge,
  type RetryState,
  returnOf,
  takeRetry,
  type WindowAmounts,
  type WindowClaim,
} from "../core/budget/index.ts";
import type { Operation, RetryBudget } from "../core/policy/index.ts";
import type {
  AttemptClaim,
  Claimed,
  ClaimRefusal,
  KeyClaim,
  LoopClaim,
  RunClaims,
  RunSettlement,
  Seal,
} from "../ports/index.ts";
import * as queries from "./account-queries.ts";
import { all, allOf, finish, type Steps, send } from "./database.ts";
import { insertCost } from "./ledger-queries.ts";

/** Thrown inside of a transaction, so that it is undone; becomes an answer outside of it. */
export class ClaimRefused extends Error {
  override readonly name = "ClaimRefused";
  readonly refusal: ClaimRefusal;

  constructor(refusal: ClaimRefusal) {
    super(`Cannot claim: ${refusal.kind}`);
    this.refusal = refusal;
  }
}

/** Of a run that claims nothing. */
export const NOTHING_CLAIMED: Claimed = Object.freeze({ kind: "ok", held: [] });

/** What a lease holds, as JSON: enough to give it back. */
interface Held {
  readonly tenant: string;
  readonly tool: string;
  readonly windows: readonly WindowClaim[];
  /** Which attempt it is, if it is one; true: it is one, by a Writ that did not say which. */
  readonly attempt: false | true | { readonly function: string; readonly fingerprint: string };
}

/** A run that ended without anybody seeing what it used: what it held goes back, but that there was a run. */
const NOTHING_USED: WindowAmounts = { runs: 1, fuel: 0, egress_bytes: 0, wall_ms: 0 };

/**
 * Takes what a run claims.
 *
 * A crash before the COMMIT leaves nothing taken and no intent; after it both, and the lease expires.
 *
 * @throws {ClaimRefused}
 */
export function* claim(claims: RunClaims): Steps<Extract<Claimed, { kind: "ok" }>> {
  const { run, windows, key, attempt, loop } = claims;
  // Everybody locks in this order. What is decided by these rows is decided once all are known.
  const [keyed, looped, attempted, retried] = yield* allOf<
    [queries.KeyedColumns, queries.LoopColumns, queries.AttemptColumns, { state: string }]
  >([
    key && queries.claimKey(claims, key),
    loop && queries.lockLoop(claims, loop),
    attempt && queries.claimAttempt(claims, attempt),
    attempt && queries.lockRetries(claims, attempt.operation),
  ]);
  // The key first: whoever asks again for what is under way is told so, and pays for nothing.
  if (key !== undefined) yield* claimKey(claims, key, keyed[0]);
  if (loop !== undefined) yield* claimLoop(claims, loop, looped[0]);
  const retryOf = attempt && (yield* claimAttempt(claims, attempt, attempted[0], retried[0]?.state));
  if (windows.length > 0 || attempt !== undefined) {
    const lease: Held = {
      tenant: claims.tenant,
      tool: claims.tool,
      windows,
      attempt: attempt !== undefined && { function: claims.function, fingerprint: attempt.fingerprint },
    };
    yield* send(queries.insertLease(run, claims.expiresAtMs, JSON.stringify(lease)));
  }
  // Windows last: their rows are what many runs want at once, and are locked from here to the commit.
  const held = yield* takeFromWindows(claims, windows);
  return { kind: "ok", held, ...(retryOf === undefined ? {} : { retryOf }) };
}

function* claimKey(claims: RunClaims, key: KeyClaim, row: queries.KeyedColumns | undefined): Steps<void> {
  if (row === undefined || row.run === claims.run) return;
  if (row.expires_at_ms > claims.atMs)
    throw new ClaimRefused({ kind: "key-in-use", run: row.run, body: row.body });
  yield* send(queries.renewKey(claims, key));
}

function* claimLoop(claims: RunClaims, loop: LoopClaim, row: queries.LoopColumns | undefined): Steps<void> {
  const before = { low: row?.low ?? 0, lastAtMs: row?.last_at_ms ?? 0 };
  const verdict = judgeLoop(before, loop.cap, loop.confidence, claims.atMs);
  if (verdict.kind === "capped") {
    const { low, freesInMs } = verdict;
    throw new ClaimRefused({ kind: "loop-capped", low, freesInMs });
  }
  const { low, lastAtMs } = verdict.state;
  // Of a task that was always confident there is nothing to remember.
  if (low === before.low && lastAtMs === before.lastAtMs) return;
  yield* send(queries.writeLoop(claims, loop.task, low, lastAtMs));
}

/**
 * @param before the attempt before this one, or this one when it is new
 * @param books of the retry budget, as JSON
 * @returns the run that this one tries again; undefined when it is no retry
 */
function* claimAttempt(
  claims: RunClaims,
  { budget, operation, mayRetry, fingerprint }: AttemptClaim,
  before: queries.AttemptColumns | undefined,
  books = "[]",
): Steps<string | undefined> {
  const isNew = before === undefined || before.run === claims.run;
  const isRetry = !isNew && before.at_ms > claims.atMs - budget.ttl_seconds * 1000;
  if (isRetry && !mayRetry) {
    const freesInMs = before.at_ms + budget.ttl_seconds * 1000 - claims.atMs;
    throw new ClaimRefused({ kind: "retry-budget-spent", of: before.run, freesInMs });
  }
  // Written by the line below and nobody else.
  const state: RetryState = JSON.parse(books);
  const next = isRetry
    ? takeRetry(state, budget, claims.atMs)
    : { kind: "ok" as const, state: noteRequest(state, budget, claims.atMs) };
  if (next.kind === "spent") {
    const of = before?.run ?? claims.run;
    throw new ClaimRefused({ kind: "retry-budget-spent", of, freesInMs: next.freesInMs });
  }
  yield* send(queries.writeRetries(claims, operation, JSON.stringify(next.state)));
  if (!isNew) yield* send(queries.renewAttempt(claims, fingerprint));
  return isRetry ? before.run : undefined;
}

/** See `AccountStore.takeRetry`. The books are locked as a claim locks them, so the two of them never count one retry twice. */
export function* chargeRetry(
  owner: queries.Owner,
  operation: Operation,
  budget: RetryBudget,
  nowMs: number,
): Steps<RetryCharge> {
  const [row] = yield* all<{ state: string }>(queries.lockRetries({ ...owner, atMs: nowMs }, operation));
  // Written by this function and by `claimAttempt`, and nobody else.
  const state: RetryState = row === undefined ? [] : JSON.parse(row.state);
  const charge = takeRetry(state, budget, nowMs);
  if (charge.kind === "ok")
    yield* send(queries.writeRetries({ ...owner, atMs: nowMs }, operation, JSON.stringify(charge.state)));
  return charge;
}

function* takeFromWindows(
  claims: RunClaims,
  wanted: readonly WindowClaim[],
): Steps<readonly WindowAmounts[]> {
  for (const claim of wanted) {
    // More than a whole window: the upsert guards what is there already, and would let the first one in.
    const spent = findSpent(claim, undefined);
    if (spent !== undefined) throw new ClaimRefused({ kind: "budget-spent", claim, spent });
  }
  const taken = yield* finish(wanted.map((claim) => queries.takeFromWindow(claims, claim)));
  const held = taken.flatMap((rows) => rows.slice(0, 1));
  const full = wanted.find((_, index) => taken[index]?.length !== 1);
  if (full === undefined) return held;
  const [now] = yield* all(queries.selectWindow(claims, full));
  const missing = findSpent(full, now) ?? {
    // Given back between the two statements, by another gateway: the next attempt will find it.
    measure: "runs" as const,
    wanted: 1,
    left: 0,
    freesAtMs: claims.atMs + 1000,
  };
  throw new ClaimRefused({ kind: "budget-spent", claim: full, spent: missing });
}

/** A run that is being sealed, and what it held. */
export interface Settling {
  readonly seal: Pick<Seal, "run" | "digest">;
  /** Undefined = nothing is known of it but its seal: the lease goes back. */
  readonly settlement?: RunSettlement | undefined;
  /** Its lease as it was ended in this transaction; undefined = it has none any more, and nothing goes back. */
  readonly held?: string | undefined;
}

/** Settles one run, ending its lease if it has one still: exactly one of all who try gets the row. */
export function* settle(seal: Seal, settlement: RunSettlement | undefined): Steps<void> {
  const [lease] = yield* all(queries.deleteLease(seal.run));
  yield* send(...settlements([{ seal, settlement, held: lease?.held }]));
}

/**
 * Settles runs whose leases were ended.
 *
 * @returns statements to be run in this order, none of which needs another's answer. Rows are locked in the order in
 *   which claims lock them, so that runs which begin and runs which end never wait for each other in a ring
 */
export function settlements(runs: readonly Settling[]): readonly CompiledQuery[] {
  const known = runs.flatMap(({ seal, settlement }) =>
    settlement === undefined ? [] : [{ seal, settlement }],
  );
  return [
    ...known.flatMap(({ seal: { run }, settlement: { key } }) => {
      if (key === undefined) return [];
      return key.kind === "release"
        ? [queries.releaseKey(run)]
        : [queries.answerKey(run, key.answer.keyId, key.answer.content)];
    }),
    ...giveBack(runs),
    ...known.flatMap(({ seal: { run }, settlement: { lastGood } }) =>
      lastGood === undefined
        ? []
        : [queries.putLastGood(lastGood.place, { run, ...lastGood.output, atMs: lastGood.atMs })],
    ),
    ...known.map(({ seal, settlement }) => insertCost(seal.run, seal.digest, settlement.cost)),
  ];
}

function giveBack(runs: readonly Settling[]): readonly CompiledQuery[] {
  const leases = runs.flatMap(({ seal: { run }, settlement, held }) =>
    // Written by `claim` and nobody else.
    held === undefined ? [] : [{ run, settlement, held: JSON.parse(held) as Held }],
  );
  const attempts = leases.flatMap(({ run, held, settlement }) =>
    held.attempt && settlement?.good === true ? [{ run, held, attempt: held.attempt }] : [],
  );
  const windows = leases.flatMap(({ held, settlement }) =>
    held.windows.map((claimed) => ({ held, claimed, used: settlement?.used ?? NOTHING_USED })),
  );
  return [
    ...attempts.map(({ run, held, attempt }) =>
      attempt === true ? queries.deleteAttemptOf(run) : queries.deleteAttempt(held, attempt, run),
    ),
    ...windows
      .sort((a, b) => compare(keyOf(a.held, a.claimed), keyOf(b.held, b.claimed)))
      .map(({ held, claimed, used }) => queries.giveToWindow(held, claimed, returnOf(claimed, used))),
  ];
}

/** The order in which windows are locked: of one run, the shorter before the longer. */
function keyOf({ tenant, tool }: Held, claimed: WindowClaim): string {
  const seconds = String(claimed.per_seconds).padStart(8, "0");
  return JSON.stringify([tenant, tool, claimed.class, seconds, claimed.starts_at_ms]);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Turns the refusal that undid a transaction into an answer. */
export async function orRefused(claiming: Promise<Claimed>): Promise<Claimed> {
  try {
    return await claiming;
  } catch (error) {
    if (error instanceof ClaimRefused) return { kind: "refused", refusal: error.refusal };
    throw error;
  }
}

/** How long what says nothing about its own end is remembered. */
const KEPT_MS = {
  attempts: 600_000,
  retry_budgets: 600_000,
  task_loops: 7 * 86_400_000,
  last_good: 31 * 86_400_000,
} as const;
/** Windows are kept a little beyond their end: runs that began in them give back later. */
const WINDOW_MS = 86_400_000;

/** See `AccountStore.expire`. */
export function* expire(nowMs: number, limit: number): Steps<number> {
  const expired = yield* all(queries.selectExpired(nowMs, limit));
  const ended = yield* allOf<queries.LeaseColumns[]>(expired.map(({ run }) => queries.deleteLease(run)));
  // Of all who try at once, one gets the row.
  const settling = ended.flat().map(({ run, held }): Settling => ({ seal: { run, digest: "" }, held }));
  yield* send(...giveBack(settling));
  return settling.length;
}

/** See `AccountStore.forget`. */
export function* forget(nowMs: number): Steps<void> {
  yield* send(
    queries.forget("idempotency_keys", nowMs),
    queries.forget("budget_windows", nowMs - WINDOW_MS),
    queries.forgetLoops(nowMs - KEPT_MS.task_loops),
    ...(["attempts", "retry_budgets", "last_good"] as const).map((table) =>
      queries.forget(table, nowMs - KEPT_MS[table]),
    ),
  );
}
