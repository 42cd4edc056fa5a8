/**
 * The time that the gateways of one database share: the database's. Windows, leases, heartbeats and the age of open runs
 * are compared by it, so that a gateway whose clock is wrong gives nobody a second budget, ends no run of another, and is
 * not taken for dead.
 *
 * What is signed is not dated by it: who owns the database must not be able to date manifests, nor to keep expired
 * credentials alive. It gives him no power over what he has anyway.
 */
import { beginRounds } from "../core/rounds.ts";
import type { Clock, Store } from "../ports/index.ts";

/** Pause between two questions: quartz drifts by less than a millisecond in that time. */
const ASK_MS = 10_000;
/** Answers of which the best is gone by. */
const KEPT = 6;
/** Questions before the first use. */
const AT_FIRST = 3;
/** The machine's clock may be this far from the database's before the operator is told. */
const TOLERATED_MS = 1_000;

/** A clock that follows the database's. */
export interface SharedClock {
  readonly clock: Clock;
  /** Ends asking, and waits for the answer that is under way. */
  stop(): Promise<void>;
}

/**
 * Asks the database for its time, and again and again. Between two answers, and while it does not answer, time goes on by
 * the clock that does not jump.
 *
 * @param log told when the machine's clock is found to differ by more than a second, and when it does no more
 * @throws whatever the store throws when it is asked first
 */
export async function openSharedClock(
  clock: Clock,
  store: Pick<Store, "nowMs">,
  log: (line: object) => void,
): Promise<SharedClock> {
  /** The newest answers: what the database's time was at zero of the clock that does not jump, and how far off it may be. */
  let answers: { readonly originMs: number; readonly withinMs: number }[] = [];
  let differs = false;
  async function ask(): Promise<void> {
    const asked = clock.monotonicMs();
    const nowMs = await store.nowMs();
    const answered = clock.monotonicMs();
    // It was true at some moment in between: the answer that came soonest says most.
    const withinMs = (answered - asked) / 2;
    answers = [...answers, { originMs: nowMs - asked - withinMs, withinMs }].slice(-KEPT);
    const aheadMs = Math.round(clock.nowMs() - (best().originMs + answered));
    const isFar = Math.abs(aheadMs) > TOLERATED_MS + best().withinMs;
    if (isFar !== differs) log({ event: isFar ? "clock-differs" : "clock-agrees", aheadMs });
    differs = isFar;
  }
  const best = () => answers.reduce((a, b) => (b.withinMs <= a.withinMs ? b : a));
  for (let n = 0; n < AT_FIRST; n++) await ask();
  // A database that does not answer has been noticed elsewhere.
  const stop = beginRounds({ clock, everyMs: () => ASK_MS, work: ask, onError: () => undefined });
  return {
    clock: { ...clock, nowMs: () => Math.round(best().originMs + clock.monotonicMs()) },
    stop,
  };
}
