/** Retry budgets: an outage multiplies what is asked by little, whatever callers do, and costs other tenants nothing. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noteRequest, type RetryState, takeRetry } from "../../../src/core/budget/index.ts";

/** Asks as callers do: at random moments, each either anew or again. @returns what was let through */
function play(
  budget: { ratio: number; min_per_second: number; ttl_seconds: number },
  asks: readonly { readonly atMs: number; readonly retries: number }[],
): { readonly requests: number; readonly retries: number } {
  let state: RetryState = [];
  let retries = 0;
  for (const { atMs, retries: wanted } of asks) {
    state = noteRequest(state, budget, atMs);
    for (let n = 0; n < wanted; n++) {
      const charge = takeRetry(state, budget, atMs);
      if (charge.kind === "spent") break;
      ({ state } = charge);
      retries++;
    }
  }
  return { requests: asks.length, retries };
}

describe("a retry budget", () => {
  it("multiplies an outage of a minute by 1.2 and its floor at most, whoever retries how often", () => {
    const budget = fc.record({
      ratio: fc.constantFrom(0, 0.1, 0.2),
      min_per_second: fc.constantFrom(0, 0.5, 1, 5),
      ttl_seconds: fc.constantFrom(1, 10, 60),
    });
    const asks = fc
      .array(fc.record({ atMs: fc.nat(60_000), retries: fc.nat(50) }), { maxLength: 400 })
      .map((all) => all.sort((a, b) => a.atMs - b.atMs));
    fc.assert(
      fc.property(budget, asks, (numbers, outage) => {
        const { requests, retries } = play(numbers, outage);
        const { ratio, min_per_second, ttl_seconds } = numbers;
        // The floor is there for each second, and once for the time before the first.
        const floor = min_per_second * (60 + ttl_seconds);
        return retries <= requests * ratio + floor + 1e-6;
      }),
      { numRuns: 500 },
    );
  });

  it("lets through the share that it promises: one retry for five requests", () => {
    const budget = { ratio: 0.2, min_per_second: 0, ttl_seconds: 60 };
    const asks = Array.from({ length: 1000 }, (_, n) => ({ atMs: n * 50, retries: 5 }));
    expect(play(budget, asks)).toEqual({ requests: 1000, retries: 200 });
  });

  it("forgets, and says when", () => {
    const budget = { ratio: 0, min_per_second: 0.1, ttl_seconds: 10 };
    const first = takeRetry([], budget, 500);
    if (first.kind !== "ok") throw new TypeError("wanted a retry");
    const second = takeRetry(first.state, budget, 4_000);
    expect(second).toEqual({ kind: "spent", freesInMs: 6_000 });
    expect(takeRetry(first.state, budget, 10_000).kind).toBe("ok");
  });

  it("keeps its books short, and stands still when the clock goes back", () => {
    const budget = { ratio: 1, min_per_second: 0, ttl_seconds: 10 };
    let state: RetryState = [];
    for (let second = 0; second < 1000; second++) state = noteRequest(state, budget, second * 1000);
    expect(state.length).toBeLessThanOrEqual(10);
    const before = state.reduce((sum, { requests }) => sum + requests, 0);
    const after = noteRequest(state, budget, 5);
    expect(after.reduce((sum, { requests }) => sum + requests, 0)).toBe(before + 1);
  });
});
