/**
 * Whose turn it is to compute, in an executor where one run computes at a time. A run that has computed for a while lets
 * the process look at what came in meanwhile: commands, answers that others wait for, the word that it is to stop. Then
 * whatever that has begun goes first, and those that stood aside go on in the order in which they did.
 *
 * Wall time decides when a run stands aside, and nothing that a guest can see depends on it but time itself.
 */
import type { ExecutorHost } from "../../ports/index.ts";

/** How long a run computes before others are looked at. */
export const TURN_MS = 10;

/** The turns of one executor. */
export interface Turns {
  /** A run begins to compute. */
  begin(): void;
  /** @returns undefined while whoever computes may go on; else its next turn, which it has to wait for */
  next(): Promise<void> | undefined;
}

/** Makes the turns of one executor. */
export function createTurns({
  monotonicMs,
  nextRound,
}: Pick<ExecutorHost, "monotonicMs" | "nextRound">): Turns {
  const aside: (() => void)[] = [];
  let sinceMs = monotonicMs();

  /** One at a time: between two of them the process looks at what came in. */
  async function giveTurns(): Promise<void> {
    for (;;) {
      await nextRound();
      sinceMs = monotonicMs();
      aside.shift()?.();
      if (aside.length === 0) return;
    }
  }

  return {
    begin() {
      sinceMs = monotonicMs();
    },
    next() {
      if (monotonicMs() - sinceMs < TURN_MS) return undefined;
      return new Promise((resolve) => {
        aside.push(resolve);
        if (aside.length === 1) void giveTurns();
      });
    },
  };
}
