/** What every JournalStore must do. Called by {@link storeSuite}'s implementations with a way to open themselves. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JournalRow, Store } from "../../../src/ports/index.ts";
import { arm, type Faults, noFaults } from "../../support/faults.ts";
import { intentOf } from "./intents.ts";
import type { StoreSubject } from "./store.suite.ts";

const KEY = { tenant: "acme", id: "k1", wrapped: Uint8Array.of(1, 2, 3) };

function journalOf(run: string, changes: Partial<JournalRow> = {}): JournalRow {
  const content = Uint8Array.of(9, 8, 7);
  return { run, tenant: "acme", keyId: "k1", keptAtMs: 1, expiresAtMs: 1000, content, ...changes };
}

/** Declares the suite. */
export function journalsSuite(name: string, createSubject: () => Promise<StoreSubject>): void {
  describe(`JournalStore contract: ${name}`, () => {
    let subject: StoreSubject;
    let faults: Faults;
    let store: Store;
    beforeEach(async () => {
      subject = await createSubject();
      faults = noFaults();
      store = await subject.open(faults);
      for (const n of [1, 2]) await store.recordIntent({ ...intentOf(n), run: `run_${n}` });
    });
    afterEach(async () => {
      await store.close().catch(() => undefined);
      await subject.remove();
    });

    it("keeps the first key of a tenant, whoever else makes one", async () => {
      expect(await store.journals.hasKeys()).toBe(false);
      expect(await store.journals.findKey("acme")).toBeUndefined();
      expect(await store.journals.insertKey(KEY)).toEqual(KEY);
      expect(await store.journals.insertKey({ ...KEY, id: "k2" })).toEqual(KEY);
      expect(await store.journals.findKey("acme")).toEqual(KEY);
      expect(await store.journals.findKey("other")).toBeUndefined();
      expect(await store.journals.hasKeys()).toBe(true);
    });

    it("goes through all keys by tenant, and puts one anew that is still as it was", async () => {
      const { journals } = store;
      const rows = ["acme", "beta", "zeta"].map((tenant) => ({ ...KEY, tenant }));
      for (const row of [...rows].reverse()) await journals.insertKey(row);
      expect(await journals.scanKeys("", 2)).toEqual(rows.slice(0, 2));
      expect(await journals.scanKeys("beta", 2)).toEqual(rows.slice(2));
      expect(await journals.scanKeys("zeta", 2)).toEqual([]);
      const [row = KEY] = rows;
      const wrapped = Uint8Array.of(7);
      await journals.rewrapKey(row, wrapped);
      // As it was before: somebody else was there first.
      await journals.rewrapKey(row, Uint8Array.of(8));
      await journals.rewrapKey({ ...row, id: "k2", wrapped }, Uint8Array.of(8));
      expect(await journals.findKey("acme")).toEqual({ ...row, wrapped });
      expect(await journals.findKey("beta")).toEqual(rows[1]);
      await journals.erase({ kind: "tenant", tenant: "acme" }, 1);
      await journals.rewrapKey({ ...row, wrapped }, Uint8Array.of(8));
      expect(await journals.findKey("acme")).toBeUndefined();
    });

    it("gives a journal back as it was put, and only of that run", async () => {
      await store.journals.insertKey(KEY);
      expect(await store.journals.put(journalOf("run_1"))).toBe(true);
      expect(await store.journals.find("run_1")).toEqual(journalOf("run_1"));
      expect(await store.journals.find("run_2")).toBeUndefined();
    });

    it("keeps no journal under a key that is no longer its tenant's", async () => {
      expect(await store.journals.put(journalOf("run_1"))).toBe(false);
      await store.journals.insertKey({ ...KEY, id: "k2" });
      expect(await store.journals.put(journalOf("run_1"))).toBe(false);
      expect(await store.journals.find("run_1")).toBeUndefined();
    });

    it("refuses a second journal of a run, and one of a run that was never admitted", async () => {
      await store.journals.insertKey(KEY);
      await store.journals.put(journalOf("run_1"));
      await expect(store.journals.put(journalOf("run_1"))).rejects.toThrow();
      await expect(store.journals.put(journalOf("run_9"))).rejects.toThrow();
    });

    it("erases one run, and says so afterwards", async () => {
      await store.journals.insertKey(KEY);
      await store.journals.put(journalOf("run_1"));
      await store.journals.put(journalOf("run_2"));
      expect(await store.journals.erase({ kind: "run", run: "run_1" }, 77)).toBe(1);
      expect(await store.journals.find("run_1")).toBeUndefined();
      expect(await store.journals.find("run_2")).toBeDefined();
      expect(await store.journals.findErasure("run_1")).toEqual({
        run: "run_1",
        tenant: "acme",
        atMs: 77,
        why: "run",
      });
      expect(await store.journals.findErasure("run_2")).toBeUndefined();
      expect(await store.journals.erase({ kind: "run", run: "run_1" }, 78)).toBe(0);
    });

    it("erases a tenant with its key, and nothing of another's", async () => {
      await store.journals.insertKey(KEY);
      await store.journals.insertKey({ ...KEY, tenant: "other" });
      await store.journals.put(journalOf("run_1"));
      await store.journals.put(journalOf("run_2", { tenant: "other" }));
      expect(await store.journals.erase({ kind: "tenant", tenant: "acme" }, 5)).toBe(1);
      expect(await store.journals.findKey("acme")).toBeUndefined();
      expect(await store.journals.findKey("other")).toBeDefined();
      expect(await store.journals.find("run_2")).toBeDefined();
    });

    it("erases what is over its days, to the millisecond", async () => {
      await store.journals.insertKey(KEY);
      await store.journals.put(journalOf("run_1", { expiresAtMs: 10 }));
      await store.journals.put(journalOf("run_2", { expiresAtMs: 11 }));
      expect(await store.journals.erase({ kind: "retention", expiredBeforeMs: 10 }, 10)).toBe(1);
      expect(await store.journals.find("run_1")).toBeUndefined();
      expect(await store.journals.find("run_2")).toBeDefined();
    });

    for (const failAt of [1, 2, 3, 4]) {
      it(`erases whole or not at all when write ${failAt} fails`, async () => {
        await store.journals.insertKey(KEY);
        await store.journals.put(journalOf("run_1"));
        arm(faults, failAt);
        await store.journals.erase({ kind: "tenant", tenant: "acme" }, 5).catch(() => undefined);
        arm(faults, undefined);
        const there = [
          (await store.journals.find("run_1")) !== undefined,
          (await store.journals.findKey("acme")) !== undefined,
          (await store.journals.findErasure("run_1")) === undefined,
        ];
        expect(new Set(there).size).toBe(1);
      });
    }
  });
}
