/**
 * The time that the gateways of one database share: the database's. Windows, leases, heartbeats and the age of open runs
 * are compared by it, so that a gateway whose clock is wrong gives nobody a second budget, ends no run of another, and is
 * not taken for dead.
 *
 * What is signed is not dated by it: who owns the database must not be able to date manifests, nor to keep expired
 * credentials alive. It gives him no power over what he has anyway.
 */
import type { Clock, Store } from "./ports/index.ts";

/** Pause between two questions: quartz drifts by less than a millisecond in that time. */
const ASK_MS = 10_000;
/** The machine's clock may be this far from the database's before the operator is told. */
const TOLERATED_MS = 1_000;

/** A clock that follows the database's. */
export interface SharedClock {
  readonly clock: Clock;
  stop(): void;
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
  /** What the database's time was at zero of the clock that does not jump. */
  let originMs = 0;
  let differs = false;
  async function ask(): Promise<void> {
    const asked = clock.monotonicMs();
    const nowMs = await store.nowMs();
    const answered = clock.monotonicMs();
    originMs = nowMs - (asked + answered) / 2;
    const aheadMs = Math.round(clock.nowMs() - (originMs + answered));
    // An answer that took long says little: it was true at some moment in between.
    const isFar = Math.abs(aheadMs) > TOLERATED_MS + (answered - asked);
    if (isFar !== differs) log({ event: isFar ? "clock-differs" : "clock-agrees", aheadMs });
    differs = isFar;
  }
  await ask();
  let stopped = false;
  let cancel = (): void => undefined;
  const next = (): void => {
    cancel = clock.after(ASK_MS, () => {
      // A database that does not answer has been noticed elsewhere.
      void ask()
        .catch(() => undefined)
        .then(() => {
          if (!stopped) next();
        });
    });
  };
  next();
  return {
    clock: { ...clock, nowMs: () => Math.round(originMs + clock.monotonicMs()) },
    stop() {
      stopped = true;
      cancel();
    },
  };
}
