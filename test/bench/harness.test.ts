/** The harness is what every figure rests on: it is tested like anything else. */
import { describe, expect, it } from "vitest";
import { compare, planFor, rowOf } from "./harness.ts";
import { median, quantile } from "./stats.ts";

describe("quantile()", () => {
  for (const [samples, share, wanted] of [
    [[3, 1, 2], 0.5, 2],
    [[4, 3, 2, 1], 0.5, 2],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.95, 10],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9, 9],
    [[7], 0.99, 7],
    [[5, 1], 0, 1],
  ] as const) {
    it(`gives ${wanted}, which was measured, for ${share} of ${samples.join(" ")}`, () => {
      expect(quantile(samples, share)).toBe(wanted);
    });
  }

  it("gives NaN for no samples", () => {
    expect(median([])).toBeNaN();
  });
});

describe("compare()", () => {
  it("takes turns between the subjects, after warming each up", async () => {
    const order: string[] = [];
    const subject = (name: string) => ({ name, run: () => void order.push(name) });
    await compare([subject("a"), subject("b")], { rounds: 2, perRound: 2, warmUp: 1, maxMs: 10_000 });
    expect(order.join("")).toBe("abaabbaabb");
  });

  it("compares the rounds' medians with the first subject's, and shows how far they spread", async () => {
    const own = [2, 6, 3];
    const rows = await compare(
      [
        { name: "base", run: () => 1 },
        { name: "other", run: () => own.shift() ?? 0 },
      ],
      { rounds: 3, perRound: 1, warmUp: 0, maxMs: 10_000 },
    );
    expect(rows[0]?.ratio).toBeUndefined();
    expect(rows[1]?.ratio).toEqual({ to: "base", median: 3, low: 2, high: 6 });
  });

  it("begins no round once its time is over, and keeps those it made", async () => {
    const slow = { name: "slow", run: () => new Promise((resolve) => setTimeout(resolve, 5)) };
    const [row] = await compare([slow], { rounds: 1000, perRound: 1, warmUp: 0, maxMs: 20 });
    expect(row?.samples).toBeLessThan(20);
    expect(row?.samples).toBeGreaterThan(0);
  });

  it("fails when an operation fails", async () => {
    const failing = { name: "failing", run: () => Promise.reject(new Error("refused")) };
    await expect(compare([failing], { rounds: 1, perRound: 1, warmUp: 0, maxMs: 10 })).rejects.toThrow(
      "refused",
    );
  });
});

describe("rowOf()", () => {
  it("takes more samples than a call takes arguments", () => {
    const samples = Array.from({ length: 300_000 }, (_, index) => index);
    expect(rowOf("many", samples)).toMatchObject({ samples: 300_000, min: 0, p50: 149_999 });
  });
});

describe("planFor()", () => {
  for (const operationMs of [0.01, 1, 50, 5000]) {
    it(`stays within bounds for operations of ${operationMs} ms`, () => {
      const { rounds, perRound, warmUp } = planFor(operationMs, 4);
      expect(rounds).toBeGreaterThanOrEqual(3);
      expect(rounds * perRound).toBeGreaterThanOrEqual(3);
      expect(rounds * perRound).toBeLessThanOrEqual(4200);
      expect(warmUp).toBeLessThanOrEqual(300);
    });
  }
});
