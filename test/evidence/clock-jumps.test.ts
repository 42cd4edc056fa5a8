/** The wall clock jumps by an hour, either way, at every step of a run: nothing is lost, sealed twice or left open. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { noFaults } from "../support/sqlite.ts";
import { completed, knownOf, type TestGateway, testStorage, verifiedSeal } from "./support.ts";

const HOUR = 3_600_000;
const GRACE = 660_000;

let storage: Awaited<ReturnType<typeof testStorage>>;
let gateway: TestGateway;
let monotonic: number;
beforeEach(async () => {
  storage = await testStorage();
  gateway = await storage.start(noFaults());
  monotonic = 0;
  // Unlike the wall clock, this one does not jump.
  Object.assign(gateway.clock, { monotonicMs: () => monotonic });
});
afterEach(async () => {
  await gateway.store.close();
  await storage.remove();
});

const errors: unknown[] = [];

/** Lets one round of the reconciler happen. */
async function round(): Promise<void> {
  const stop = gateway.evidence.watch({
    everyMs: 5_000,
    graceMs: GRACE,
    onError: (error) => void errors.push(error),
  });
  const [waiting] = gateway.clock.waiting.splice(0);
  waiting?.action();
  await expect.poll(() => gateway.clock.waiting.length).toBe(1);
  stop();
  gateway.clock.waiting.splice(0);
}

const outcomes = async () =>
  (await gateway.store.listRuns("acme", 100)).map(({ seal }) => seal?.outcome ?? "open");

describe("the wall clock", () => {
  for (const jump of [HOUR, -HOUR]) {
    it(`jumps by ${jump / HOUR} h while a run is under way: it is sealed once, by itself, and verifies`, async () => {
      const predicate = completed(1);
      await gateway.evidence.admit(knownOf(predicate));
      gateway.clock.now += jump;
      await round();
      expect(await outcomes()).toEqual(["open"]);
      const finished_at = new Date(gateway.clock.now).toISOString();
      await gateway.evidence.seal({ ...predicate, finished_at }, []);
      await round();
      const [row] = await gateway.store.listRuns("acme", 1);
      expect((await verifiedSeal(gateway, row)).outcome).toEqual({ kind: "completed" });
      expect(errors).toEqual([]);
    });

    it(`jumps by ${jump / HOUR} h after a gateway died: the next one closes its runs all the same`, async () => {
      await gateway.evidence.admit(knownOf(completed(1)));
      await gateway.store.close();
      gateway = await storage.start(noFaults());
      gateway.clock.now += jump;
      expect(await gateway.evidence.reconcile(Number.POSITIVE_INFINITY)).toEqual({ sealed: 1, failed: 0 });
      expect(await outcomes()).toEqual(["indeterminate"]);
    });
  }

  it("does not keep a run open for ever that nobody seals", async () => {
    await gateway.evidence.admit(knownOf(completed(1)));
    gateway.clock.now += HOUR;
    await round();
    expect(await outcomes()).toEqual(["open"]);
    monotonic += GRACE + (completed(1).budget?.wall_ms.granted ?? 0);
    await round();
    expect(await outcomes()).toEqual(["indeterminate"]);
  });
});
