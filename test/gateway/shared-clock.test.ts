/** The time that gateways of one database share, whatever the clocks of their machines say. */

import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/ports/index.ts";
import { openSharedClock } from "../../src/wiring/index.ts";

/** A machine whose wall clock is wrong, and may jump; `pass` is real time, and lets what waits for it happen. */
function createMachine() {
  const machine = { wrongMs: 0, monotonic: 500, waiting: [] as { atMs: number; action: () => void }[] };
  const clock: Clock = {
    nowMs: () => 1_000_000 + machine.monotonic + machine.wrongMs,
    monotonicMs: () => machine.monotonic,
    after(ms, action) {
      const entry = { atMs: machine.monotonic + ms, action };
      machine.waiting.push(entry);
      return () => void machine.waiting.splice(machine.waiting.indexOf(entry), 1);
    },
  };
  async function pass(ms: number) {
    machine.monotonic += ms;
    const due = machine.waiting.filter(({ atMs }) => atMs <= machine.monotonic);
    machine.waiting = machine.waiting.filter((entry) => !due.includes(entry));
    for (const { action } of due) action();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { machine, clock, pass };
}

describe("openSharedClock()", () => {
  it("says what the database says, goes on without it, and does not jump with the machine", async () => {
    const { machine, clock, pass } = createMachine();
    const log: object[] = [];
    let away = false;
    const store = {
      async nowMs() {
        if (away) throw new Error("away");
        return 1_000_000 + machine.monotonic;
      },
    };
    machine.wrongMs = -90_000;
    const shared = await openSharedClock(clock, store, (line) => void log.push(line));
    expect(shared.clock.nowMs()).toBe(1_000_500);
    expect(log).toEqual([{ event: "clock-differs", aheadMs: -90_000 }]);
    away = true;
    machine.wrongMs = 5_000_000;
    await pass(10_000);
    await pass(10_000);
    expect(shared.clock.nowMs()).toBe(1_020_500);
    away = false;
    machine.wrongMs = 200;
    await pass(10_000);
    expect(shared.clock.nowMs()).toBe(1_030_500);
    expect(log.slice(1)).toEqual([{ event: "clock-agrees", aheadMs: 200 }]);
    shared.stop();
    expect(machine.waiting).toEqual([]);
  });

  it("tells nobody that a clock differs because the database took long to say so", async () => {
    const { machine, clock } = createMachine();
    const log: object[] = [];
    const store = {
      async nowMs() {
        const nowMs = 1_000_000 + machine.monotonic;
        machine.monotonic += 8_000;
        return nowMs;
      },
    };
    (await openSharedClock(clock, store, (line) => void log.push(line))).stop();
    expect(log).toEqual([]);
  });
});
