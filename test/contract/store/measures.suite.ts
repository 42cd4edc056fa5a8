/** What every MeasureStore must do. Called by implementations with a way to open themselves. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Count, Store } from "../../../src/ports/index.ts";
import { noFaults } from "../../support/sqlite.ts";
import { intentOf, sealOf } from "./intents.ts";
import type { StoreSubject } from "./store.suite.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Begins an hour. */
const NOW = 500_000 * HOUR;

function countOf(changes: Partial<Count> = {}): Count {
  return {
    atMs: NOW,
    tool: "hash",
    version: "v",
    measure: "outcome",
    key: "completed",
    count: 1,
    ...changes,
  };
}

/** Declares the suite. */
export function measuresSuite(name: string, createSubject: () => Promise<StoreSubject>): void {
  describe(`MeasureStore contract: ${name}`, () => {
    let subject: StoreSubject;
    let store: Store;
    beforeEach(async () => {
      subject = await createSubject();
      store = await subject.open(noFaults());
    });
    afterEach(async () => {
      await store.close();
      await subject.remove();
    });
    const total = async (nowMs: number, spanMs: number) =>
      (await store.measures.sums(nowMs, spanMs)).reduce((sum, { count }) => sum + count, 0);

    it("adds up what many count at the same time, each thing by itself", async () => {
      const counts = Array.from({ length: 50 }, (_, n) => [
        countOf({ count: 2 }),
        countOf({ atMs: NOW + 59_999, key: "trapped" }),
        countOf({ tool: `tool-${n % 7}`, version: "w", measure: "latency", key: String(n % 60) }),
      ]);
      await Promise.all(counts.map((some) => store.measures.add(some)));
      const sums = await store.measures.sums(NOW, HOUR);
      const of = (key: string) => sums.find((sum) => sum.measure === "outcome" && sum.key === key);
      expect(of("completed")).toEqual({
        tool: "hash",
        version: "v",
        measure: "outcome",
        key: "completed",
        count: 100,
      });
      expect(of("trapped")?.count).toBe(50);
      expect(await total(NOW, HOUR)).toBe(200);
    });

    it("takes the same thing several times in one go", async () => {
      const many = Array.from({ length: 45 }, (_, n) => countOf({ atMs: NOW + n, key: `k${n % 41}` }));
      await store.measures.add([...many, ...many]);
      expect(await total(NOW, HOUR)).toBe(90);
      await store.measures.add([]);
    });

    it("cuts windows up to an hour by the minute, and longer ones by the hour", async () => {
      const ago = [0, 4, 5, 30, 59, 60, 119, 600];
      await store.measures.add(ago.map((minutes) => countOf({ atMs: NOW - minutes * MINUTE })));
      expect(await total(NOW, 5 * MINUTE)).toBe(2);
      expect(await total(NOW, 30 * MINUTE)).toBe(3);
      expect(await total(NOW, HOUR)).toBe(5);
      // The hour under way has begun just now: the first of six. Before it are five whole ones.
      expect(await total(NOW, 6 * HOUR)).toBe(7);
      expect(await total(NOW, 24 * HOUR)).toBe(8);
      expect(await store.measures.sumsOf("hash", NOW - 5 * MINUTE)).toMatchObject([{ count: 3 }]);
      expect(await store.measures.sumsOf("text", NOW - HOUR)).toEqual([]);
    });

    it("forgets minutes soon, and hours late", async () => {
      await store.measures.add([countOf({ atMs: NOW - 3 * HOUR }), countOf({ atMs: NOW - 40 * 24 * HOUR })]);
      await store.measures.forget(NOW);
      expect(await total(NOW, 60 * 24 * HOUR)).toBe(1);
      expect(await store.measures.sumsOf("hash", 0)).toEqual([]);
    });

    it("says which runs are sealed", async () => {
      const [one, two] = [intentOf(1), intentOf(2)];
      await store.recordIntent(one);
      await store.recordIntent(two);
      await store.seal(sealOf(one));
      expect(await store.measures.sealedAmong([one.run, two.run, "run_none"])).toEqual([one.run]);
      expect(await store.measures.sealedAmong([])).toEqual([]);
    });

    it("turns an alert once, whoever says so, and gives each change to one to tell", async () => {
      const alert = { name: "a", firing: true, detail: "it burns" };
      expect(await store.measures.setAlert({ ...alert, firing: false }, 1)).toBe(false);
      const turned = await Promise.all(Array.from({ length: 8 }, () => store.measures.setAlert(alert, 10)));
      expect(turned.filter(Boolean)).toHaveLength(1);
      expect(await store.measures.listAlerts()).toEqual([{ ...alert, sinceMs: 10, change: 1 }]);

      const claims = await Promise.all(Array.from({ length: 8 }, () => store.measures.claimAlert(20, 100)));
      expect(claims.filter((claim) => claim !== undefined)).toEqual([
        { ...alert, sinceMs: 10, change: 1, attempt: 1 },
      ]);
      // Whoever had it has died: another one takes it once the lease is over.
      expect(await store.measures.claimAlert(119, 100)).toBeUndefined();
      expect(await store.measures.claimAlert(120, 100)).toMatchObject({ name: "a", attempt: 2 });
      await store.measures.settleAlert("a", 1);
      expect(await store.measures.claimAlert(999, 100)).toBeUndefined();

      expect(await store.measures.setAlert({ ...alert, firing: false, detail: "over" }, 1000)).toBe(true);
      expect(await store.measures.claimAlert(1000, 1)).toMatchObject({
        firing: false,
        change: 2,
        attempt: 1,
      });
      // Late word of the change before settles nothing of this one.
      await store.measures.settleAlert("a", 1);
      expect(await store.measures.claimAlert(1001, 1)).toMatchObject({ change: 2, attempt: 2 });
    });
  });
}
