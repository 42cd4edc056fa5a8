/**
 * A guest that computes while its intent is being stored, which takes a good part of the time that a small guest does.
 *
 * It begins when everything is decided and what it claims of shared budgets is taken, and nothing but the storing is left. What
 * it computes before its intent is there is nobody's: its calls wait for the intent, and then for a sync
 * (`held-calls.ts`), and whoever waits for its end waits for the intent first. So a crash in between leaves no intent and a
 * computation that was lost with its executor, as if it had never been.
 *
 * INVARIANT: of a run whose intent failed no call was served and no end is looked at.
 */
import type { Ended } from "./guest.ts";

/** A run, and the word about its intent. */
export interface HeadStart {
  /** It may compute. For whoever stores the intent: at most once, and never throws. */
  begin(): void;
  /** Its intent is stored: it begins now, where it has not. @returns how it ends */
  goOn(): Promise<Ended>;
  /** There is no intent: it never begins, or ends as it can. */
  end(reason: unknown): void;
}

/** @param run runs the guest, to an end that can be sealed; never rejects. It is given what rejects when there is no intent */
export function giveHeadStart(run: (recorded: Promise<void>) => Promise<Ended>): HeadStart {
  const recorded = Promise.withResolvers<void>();
  // Nobody has to listen.
  recorded.promise.catch(() => undefined);
  let ended: Promise<Ended> | undefined;
  return {
    begin() {
      ended ??= run(recorded.promise);
    },
    goOn() {
      recorded.resolve();
      ended ??= run(recorded.promise);
      return ended;
    },
    end: recorded.reject,
  };
}
