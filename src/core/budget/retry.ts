/**
 * Retry budgets: retries may be a share of the requests that are none, and a few a second besides. When everything
 * fails, a service is then asked a little more than usual and not many times as much.
 *
 * The three numbers are Finagle's: what is deposited by a request, what is there anyway, and how long a deposit counts.
 * Time is cut into slots of a tenth of that; a slot is forgotten whole.
 * @see https://finagle.github.io/blog/2016/02/08/retry-budgets/
 */
import type { RetryBudget } from "../policy/types.ts";

/** Slots of one time to live. */
const SLOTS = 10;

/** What was asked in one slot of time. */
interface Slot {
  /** Number of the slot since 1970. */
  readonly at: number;
  readonly requests: number;
  readonly retries: number;
}

/** The books of one retry budget: the slots that still count, oldest first. JSON. */
export type RetryState = readonly Slot[];

/** The answer to a retry. */
export type RetryCharge =
  | { readonly kind: "ok"; readonly state: RetryState; readonly left: number }
  /** Nothing was charged. `freesInMs`: when the oldest retry is forgotten. */
  | { readonly kind: "spent"; readonly freesInMs: number };

/** Notes a request that is no retry. @returns the new books */
export function noteRequest(state: RetryState, budget: RetryBudget, nowMs: number): RetryState {
  return addTo(current(state, budget, nowMs), { requests: 1, retries: 0 });
}

/**
 * Charges one retry, or none.
 *
 * INVARIANT: in any span of `ttl_seconds` no more retries are let through than `ratio` of the requests noted in it (and
 * in one slot before it) and `min_per_second` for each of its seconds.
 */
export function takeRetry(state: RetryState, budget: RetryBudget, nowMs: number): RetryCharge {
  const slots = current(state, budget, nowMs);
  const left = balance(slots, budget);
  if (left >= 1)
    return { kind: "ok", state: addTo(slots, { requests: 0, retries: 1 }), left: Math.floor(left - 1) };
  const oldest = slots.find(({ retries }) => retries > 0)?.at ?? slots.at(-1)?.at ?? 0;
  const slotMs = slotMsOf(budget);
  return { kind: "spent", freesInMs: Math.max(1, (oldest + SLOTS) * slotMs - nowMs) };
}

function balance(slots: RetryState, { ratio, min_per_second, ttl_seconds }: RetryBudget): number {
  const sum = (name: "requests" | "retries") => slots.reduce((total, slot) => total + slot[name], 0);
  // A hair more than exact: 0.1 of 10 requests is one retry, whatever doubles make of it.
  return sum("requests") * ratio + min_per_second * ttl_seconds - sum("retries") + 1e-9;
}

/** The slots that count now, the present one last. A clock that went back stays where it was. */
function current(state: RetryState, budget: RetryBudget, nowMs: number): RetryState {
  const at = Math.max(Math.floor(nowMs / slotMsOf(budget)), state.at(-1)?.at ?? 0);
  const kept = state.filter((slot) => slot.at > at - SLOTS);
  return kept.at(-1)?.at === at ? kept : [...kept, { at, requests: 0, retries: 0 }];
}

function addTo(slots: RetryState, added: Omit<Slot, "at">): RetryState {
  return slots.map((slot, index) =>
    index === slots.length - 1
      ? { at: slot.at, requests: slot.requests + added.requests, retries: slot.retries + added.retries }
      : slot,
  );
}

function slotMsOf({ ttl_seconds }: RetryBudget): number {
  return (ttl_seconds * 1000) / SLOTS;
}
