/**
 * Loop caps: a task whose runs, one after another, are begun with little confidence is made to wait, longer each time.
 * What the caller says of its own confidence is believed: the cap is for agents that do not notice their loop, and
 * window budgets are for those that would lie.
 */
import type { LoopCap } from "../policy/types.ts";

/** The longest wait. */
const LONGEST_SECONDS = 86_400;

/** What is remembered of a task. */
export interface LoopState {
  /** Runs in a row below the threshold. */
  readonly low: number;
  /** When the last of them was let in. */
  readonly lastAtMs: number;
}

/** The answer to a run of a task. */
export type LoopVerdict =
  | { readonly kind: "ok"; readonly state: LoopState }
  /** Nothing is noted. */
  | { readonly kind: "capped"; readonly low: number; readonly freesInMs: number };

/**
 * Judges one more run of a task.
 *
 * @param state undefined = none so far
 * @param confidence as the caller states it, 0 to 1. At the threshold or above it, a run is let in and ends the row.
 *   None stated: neither ends the row nor makes it longer, and waits like the others
 */
export function judgeLoop(
  state: LoopState | undefined,
  cap: LoopCap,
  confidence: number | undefined,
  nowMs: number,
): LoopVerdict {
  const { low = 0, lastAtMs = 0 } = state ?? {};
  if (confidence !== undefined && confidence >= cap.confidence_below)
    return { kind: "ok", state: { low: 0, lastAtMs } };
  if (low >= cap.runs) {
    const seconds = Math.min(LONGEST_SECONDS, cap.backoff_seconds * 2 ** Math.min(30, low - cap.runs));
    const freesInMs = lastAtMs + seconds * 1000 - nowMs;
    if (freesInMs > 0) return { kind: "capped", low, freesInMs };
  }
  if (confidence === undefined) return { kind: "ok", state: { low, lastAtMs } };
  return { kind: "ok", state: { low: low + 1, lastAtMs: nowMs } };
}
