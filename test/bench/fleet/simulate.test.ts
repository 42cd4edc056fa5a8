/** The simulation does what its page says: repeatable, and right where the answer is known. */
import { describe, expect, it } from "vitest";
import { createRandom, type Load, type Node, simulate } from "./simulate.ts";

const NODE: Node = { executors: 2, warmMs: 2, firstMs: 40, turnoverMs: 300, keeps: 10 };
const LOAD: Load = { tenants: 1, tools: 1, perSecond: 20, burst: 1, seconds: 60 };

describe("simulate()", () => {
  it("gives the same for the same stream of numbers", () => {
    const load = { ...LOAD, tenants: 50, tools: 20, burst: 5 };
    const run = () => simulate(4, NODE, load, "tenant", createRandom(1));
    expect(run()).toEqual(run());
  });

  it("warms up once where there is one tenant and one tool", () => {
    const { p50, first, turnover } = simulate(1, NODE, LOAD, "tenant", createRandom(1));
    expect(p50).toBe(2);
    expect(turnover).toBe(0);
    expect(first).toBeLessThan(0.01);
  });

  it("ends no other tenant's executor where each has its own, and many where none has", () => {
    const load = { ...LOAD, tenants: 8, perSecond: 40 };
    const own = simulate(64, NODE, load, "tenant", createRandom(1));
    const none = simulate(64, { ...NODE, executors: 1 }, load, "round-robin", createRandom(1));
    expect(own.turnover).toBe(0);
    expect(none.turnover).toBeGreaterThan(0.5);
  });

  it("shows more work than there is room for as waiting without end", () => {
    const { busy, p99 } = simulate(1, NODE, { ...LOAD, perSecond: 5000 }, "tenant", createRandom(1));
    expect(busy).toBeGreaterThan(1);
    expect(p99).toBeGreaterThan(1000);
  });
});
