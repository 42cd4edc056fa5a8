import { describe, expect, it } from "vitest";
import { beginRounds } from "../../src/core/rounds.ts";

/** A clock that goes on by hand. */
function handClock() {
  const timers = new Map<number, { readonly ms: number; readonly action: () => void }>();
  let next = 0;
  return {
    timers,
    after(ms: number, action: () => void) {
      const id = next++;
      timers.set(id, { ms, action });
      return () => void timers.delete(id);
    },
    /** The pauses that are being waited for, in ms. */
    pauses: () => [...timers.values()].map(({ ms }) => ms),
    ring() {
      const [[id, timer] = []] = timers;
      if (id === undefined || timer === undefined) return expect.fail("nothing is waited for");
      timers.delete(id);
      timer.action();
    },
  };
}

/** Work of which each round is ended, or fails, by hand. */
function handWork() {
  const rounds: PromiseWithResolvers<void>[] = [];
  const work = () => {
    const round = Promise.withResolvers<void>();
    rounds.push(round);
    return round.promise;
  };
  return { rounds, work };
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
const none = (error: unknown) => expect.fail(String(error));

describe("beginRounds()", () => {
  it("waits before the first round, or not, and between the end of one and the next", async () => {
    const clock = handClock();
    const { rounds, work } = handWork();
    beginRounds({ clock, everyMs: () => 5, work, onError: none });
    expect([rounds.length, clock.pauses()]).toEqual([0, [5]]);
    clock.ring();
    expect([rounds.length, clock.pauses()]).toEqual([1, []]);
    rounds[0]?.resolve();
    await settled();
    expect([rounds.length, clock.pauses()]).toEqual([1, [5]]);

    const atOnce = handWork();
    beginRounds({ clock: handClock(), everyMs: () => 5, atOnce: true, work: atOnce.work, onError: none });
    expect(atOnce.rounds.length).toBe(1);
  });

  it("asks for the pause each time", async () => {
    const clock = handClock();
    let pauseMs = 5;
    const work = async () => {
      pauseMs += 1;
    };
    beginRounds({ clock, everyMs: () => pauseMs, work, onError: none });
    clock.ring();
    await settled();
    expect(clock.pauses()).toEqual([6]);
  });

  it("tells of a round that failed, whether at once or later, and goes on", async () => {
    const clock = handClock();
    const errors: unknown[] = [];
    const faults = [
      () => Promise.reject(new Error("later")),
      () => {
        throw new Error("at once");
      },
    ];
    const work = () => (faults.shift() ?? (async () => undefined))();
    beginRounds({ clock, everyMs: () => 5, work, onError: (error) => errors.push(String(error)) });
    for (let round = 0; round < 3; round++) {
      clock.ring();
      await settled();
    }
    expect(errors).toEqual(["Error: later", "Error: at once"]);
    expect(clock.pauses()).toEqual([5]);
  });

  it("has ended when it says so: the round under way is over, and none begins", async () => {
    const clock = handClock();
    const { rounds, work } = handWork();
    const stop = beginRounds({ clock, everyMs: () => 5, atOnce: true, work, onError: none });
    const events: string[] = [];
    const stopping = stop().then(() => events.push("stopped"));
    const again = stop().then(() => events.push("stopped"));
    await settled();
    expect(events).toEqual([]);
    events.push("ended");
    rounds[0]?.resolve();
    await Promise.all([stopping, again]);
    expect(events).toEqual(["ended", "stopped", "stopped"]);
    expect(clock.timers.size).toBe(0);
  });

  it("has ended at once where nothing is under way, and when its round failed", async () => {
    const clock = handClock();
    const waiting = beginRounds({ clock, everyMs: () => 5, work: async () => undefined, onError: none });
    await waiting();
    expect(clock.timers.size).toBe(0);

    const { rounds, work } = handWork();
    const errors: unknown[] = [];
    const failing = beginRounds({
      ...{ clock, everyMs: () => 5, atOnce: true, work, onError: (error: unknown) => errors.push(error) },
    });
    const stopping = failing();
    rounds[0]?.reject("gone");
    await stopping;
    expect(errors).toEqual(["gone"]);
    expect(clock.timers.size).toBe(0);
  });
});
