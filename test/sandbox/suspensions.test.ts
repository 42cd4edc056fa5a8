/** What an executor tells its gateway of a guest that is suspended: what the gateway can not know by itself, and no more. */
import { describe, expect, it } from "vitest";
import { createGuard } from "../../src/sandbox/executor/guard.ts";

/** A guard, what it told, and who waits for it to tell something. */
function openGuard() {
  const told: boolean[] = [];
  let wake = () => {};
  const guard = createGuard(9, (isWaiting) => {
    told.push(isWaiting);
    wake();
  });
  const next = () => new Promise<void>((resolve) => (wake = resolve));
  /** Suspends a guest. @returns what ends it */
  function suspend() {
    const { promise, resolve } = Promise.withResolvers<void>();
    const over = Promise.resolve(guard.wrapWaiting("x", () => promise)());
    return async () => {
      resolve();
      await over;
    };
  }
  return { guard, told, next, suspend };
}

/** Longer than any suspension that is told. */
const aWhile = () => new Promise<void>((resolve) => void setTimeout(resolve, 30));

describe("createGuard()", () => {
  it("tells that its guest waits where no call is under way, and that it goes on", async () => {
    const { told, next, suspend } = openGuard();
    const waits = next();
    const goOn = suspend();
    await waits;
    expect(told).toEqual([true]);
    await goOn();
    expect(told).toEqual([true, false]);
  });

  it("tells nothing while the broker has a call of its guest's, however long that takes", async () => {
    const { guard, told, suspend } = openGuard();
    for (let call = 0; call < 3; call += 1) {
      guard.asks();
      const goOn = suspend();
      await aWhile();
      guard.answered();
      await goOn();
    }
    await aWhile();
    expect(told).toEqual([]);
  });

  it("tells it once the last call is answered and its guest waits for something else", async () => {
    const { guard, told, next, suspend } = openGuard();
    guard.asks();
    guard.asks();
    const goOn = suspend();
    await aWhile();
    guard.answered();
    await aWhile();
    expect(told).toEqual([]);
    const waits = next();
    guard.answered();
    await waits;
    expect(told).toEqual([true]);
    await goOn();
    expect(told).toEqual([true, false]);
  });
});
