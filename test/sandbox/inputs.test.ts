/** Timers of a guest, on a clock that they run ahead of. */
import { describe, expect, it } from "vitest";
import { createInputs, createNotedInputs } from "../../src/sandbox/executor/inputs.ts";

/** A clock that says what it is given, and its last reading for ever. */
function clockOf(...readings: readonly number[]) {
  let read = 0;
  return {
    elapsedMs: () => readings[Math.min(read++, readings.length - 1)] ?? 0,
    read: () => read,
  };
}

const NEVER = new Promise<void>(() => undefined);

describe.each([
  ["as they come", createInputs],
  [
    "noted",
    ({ elapsedMs }: { elapsedMs: () => number }) => createNotedInputs({ elapsedMs, isAside: () => false }),
  ],
])("inputs %s: a timer", (_name, create) => {
  it("that fires early is not over", async () => {
    // Asked for, fired a millisecond early, asked for the rest, fired in time.
    const clock = clockOf(0, 4, 4, 5);
    await create(clock).timer(5, NEVER);
    expect(clock.read()).toBe(4);
  });

  it("ends before its time where it is woken", async () => {
    const clock = clockOf(0);
    await create(clock).timer(60_000, Promise.resolve());
    expect(clock.read()).toBe(1);
  });
});
