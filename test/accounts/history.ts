/**
 * A concurrent history of claims on one window, and its checker. Many workers claim, settle and let leases expire at once,
 * on one store or several of one database; every operation is noted with when it was called and when it answered.
 *
 * The window is a number that operations move. Which order they took effect in nobody saw, but each did between its call
 * and its answer: so at any moment the window lies between what certainly was held and what may have been. An answer that
 * no value between these explains is a fault.
 */
import type { WindowAmounts, WindowClaim } from "../../src/core/budget/index.ts";
import type { RunClaims, Store } from "../../src/ports/index.ts";
import { intentOf, sealOf } from "../contract/store/intents.ts";

const LIMIT = 1000;
const OWNER = { tenant: "acme", tool: "hash" };
/** Leases of abandoned runs are expired by then, and no others. */
const ABANDONED_MS = 1;

/** One run of the history. Times are positions in one sequence of calls and answers. */
interface Noted {
  readonly taken: number;
  /** Any worker may end its lease from the moment that it has one: it is never certainly held. */
  readonly isAbandoned: boolean;
  readonly calledAt: number;
  answeredAt: number;
  /** What the store said that the window holds; undefined = it refused, saying `left`. */
  held?: number;
  left?: number;
  /** What stays of it, and when that was asked for and was done. */
  used?: number;
  settleCalledAt?: number;
  settledAt?: number;
}

/** What came of a history. */
export interface History {
  readonly faults: readonly string[];
  readonly claims: number;
  readonly refused: number;
  readonly operations: number;
}

/**
 * Plays and checks one.
 *
 * @param stores of one database; workers are spread over them
 * @param operations claims and settlements together, about
 * @param random 0 to 1
 */
export async function playHistory(
  stores: readonly Store[],
  operations: number,
  random: () => number,
): Promise<History> {
  const notes: Noted[] = [];
  let clock = 0;
  let runs = 0;
  let expiries = 0;

  async function work(store: Store): Promise<void> {
    while (clock < operations * 2) {
      const n = runs++;
      const taken = 1 + Math.floor(random() * 200);
      const isAbandoned = random() < 0.1;
      const note: Noted = { taken, isAbandoned, calledAt: clock++, answeredAt: 0 };
      notes.push(note);
      const claimed = await store.recordIntent(intentOf(n), claimsOf(n, taken, isAbandoned));
      note.answeredAt = clock++;
      if (claimed.kind === "refused") {
        if (claimed.refusal.kind !== "budget-spent") throw new Error(claimed.refusal.kind);
        note.left = claimed.refusal.spent.left;
        continue;
      }
      note.held = claimed.held[0]?.fuel ?? Number.NaN;
      note.used = isAbandoned ? 0 : Math.floor(random() * Math.min(4, taken + 1));
      note.settleCalledAt = clock++;
      if (isAbandoned) {
        await store.accounts.expire(ABANDONED_MS);
        expiries++;
      } else await store.seal(sealOf(intentOf(n)), settlementOf(n, note.used));
      note.settledAt = clock++;
    }
  }
  await Promise.all(Array.from({ length: 16 }, (_, n) => work(stores[n % stores.length] as Store)));
  const end = await stores[0]?.accounts.heldOf(OWNER, windowOf(1));
  return {
    faults: check(notes, end),
    claims: notes.filter(({ held }) => held !== undefined).length,
    refused: notes.filter(({ left }) => left !== undefined).length,
    operations: notes.length + notes.filter(({ settledAt }) => settledAt !== undefined).length + expiries,
  };
}

function windowOf(taken: number): WindowClaim {
  return {
    ...{ class: "exploratory", per_seconds: 3600, starts_at_ms: 4e12, limit: { fuel: LIMIT } },
    take: { runs: 0, fuel: taken, egress_bytes: 0, wall_ms: 0 },
  };
}

function claimsOf(n: number, taken: number, isAbandoned: boolean): RunClaims {
  const { run, tenant, tool, function: name } = intentOf(n);
  const expiresAtMs = isAbandoned ? ABANDONED_MS : 5e12;
  return { ...{ run, tenant, tool, function: name, atMs: 0 }, windows: [windowOf(taken)], expiresAtMs };
}

function settlementOf(n: number, fuel: number) {
  const { tenant, tool } = intentOf(n);
  return {
    used: { runs: 0, fuel, egress_bytes: 0, wall_ms: 0 },
    good: true,
    cost: {
      ...({ tenant, tool, purpose: "demo", class: "exploratory", fuel, egressBytes: 0, wallMs: 0 } as const),
      ...{ amount: 1, atMs: 0 },
    },
  };
}

/**
 * Moves two sums along the sequence: what is certainly held (answered, and giving back not yet asked for; or settled for
 * good) and what may be (asked for, and giving back not yet answered). An answer's value lies between the least of the one
 * and the most of the other, over the time that its operation took.
 */
function check(notes: readonly Noted[], end: WindowAmounts | undefined): readonly string[] {
  const faults: string[] = [];
  const events = notes.flatMap((note) => [
    { at: note.calledAt, note, what: "call" as const },
    { at: note.answeredAt, note, what: "answer" as const },
    ...(note.settleCalledAt === undefined ? [] : [{ at: note.settleCalledAt, note, what: "give" as const }]),
    ...(note.settledAt === undefined ? [] : [{ at: note.settledAt, note, what: "given" as const }]),
  ]);
  events.sort((a, b) => a.at - b.at);
  let certain = 0;
  let possible = 0;
  const underWay = new Map<Noted, { least: number; most: number }>();
  for (const { note, what } of events) {
    const { taken, used = 0, held, left } = note;
    const weight = note.isAbandoned ? 0 : taken;
    if (what === "call") {
      possible += taken;
      underWay.set(note, { least: certain, most: possible });
    }
    if (what === "answer") {
      const seen = underWay.get(note) ?? { least: 0, most: 0 };
      underWay.delete(note);
      if (held !== undefined) {
        certain += weight;
        if (held > LIMIT) faults.push(`${held} is held of ${LIMIT}`);
        if (held < seen.least + taken || held > seen.most)
          faults.push(`${held} was said to be held, between ${seen.least + taken} and ${seen.most} can be`);
      } else {
        possible -= taken;
        // It wanted `taken`, so at some moment more than the rest was held, by others than itself.
        if (LIMIT - taken >= seen.most - taken || (left ?? 0) >= taken)
          faults.push(`${taken} was refused with ${left} left, and at most ${seen.most - taken} held`);
      }
    }
    if (what === "give") certain -= weight - used;
    if (what === "given") possible -= taken - used;
    if (certain > LIMIT) faults.push(`${certain} is certainly held of ${LIMIT}`);
    for (const seen of underWay.values()) {
      seen.least = Math.min(seen.least, certain);
      seen.most = Math.max(seen.most, possible);
    }
  }
  if (end?.fuel !== certain) faults.push(`the window ends with ${end?.fuel}, and ${certain} was used`);
  return faults;
}
