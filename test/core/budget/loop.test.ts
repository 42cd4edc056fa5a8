/** Loop caps: a table of what a task does, and whether it is let in. */
import { expect, it } from "vitest";
import { judgeLoop, type LoopState } from "../../../src/core/budget/index.ts";

const CAP = { confidence_below: 0.5, runs: 2, backoff_seconds: 10 };

/** Moments in seconds, the confidence stated there, and how many seconds there are to wait; 0 = let in. */
const STORIES: Readonly<Record<string, readonly (readonly [number, number | undefined, number])[]>> = {
  "two runs are let in, then it waits twice as long each time": [
    [0, 0.1, 0],
    [1, 0.4, 0],
    [2, 0.4, 9],
    [11, 0.4, 0],
    [12, 0.4, 19],
    [31, 0.4, 0],
    [32, 0.4, 39],
  ],
  "being confident ends the row, also while it waits": [
    [0, 0.1, 0],
    [1, 0.1, 0],
    [2, 0.5, 0],
    [3, 0.1, 0],
    [4, 0.1, 0],
    [5, 0.1, 9],
  ],
  "saying nothing waits like the others, and neither ends the row nor makes it longer": [
    [0, 0.1, 0],
    [1, undefined, 0],
    [2, 0.1, 0],
    [3, undefined, 9],
    [12, undefined, 0],
    [13, 0.1, 0],
  ],
};

it.each(Object.entries(STORIES))("judgeLoop(): %s", (_, story) => {
  let state: LoopState | undefined;
  for (const [second, confidence, waits] of story) {
    const verdict = judgeLoop(state, CAP, confidence, second * 1000);
    const seconds = verdict.kind === "capped" ? verdict.freesInMs / 1000 : 0;
    expect([second, confidence, seconds]).toEqual([second, confidence, waits]);
    if (verdict.kind === "ok") ({ state } = verdict);
  }
});

it("judgeLoop() waits a day at most", () => {
  const verdict = judgeLoop({ low: 100, lastAtMs: 0 }, CAP, 0.1, 0);
  expect(verdict).toEqual({ kind: "capped", low: 100, freesInMs: 86_400_000 });
});
