/** What every ItemStore must do. Called by {@link storeSuite}'s implementations with a way to open themselves. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Drawer, ItemQuota, Store } from "../../../src/ports/index.ts";
import { arm, type Faults, noFaults } from "../../support/faults.ts";
import type { StoreSubject } from "./store.suite.ts";

const DRAWER: Drawer = { tenant: "acme", tool: "notes", kind: "keyvalue", bucket: "a" };
const ROOM: ItemQuota = { bytes: 1000, items: 10 };
const bytes = (text: string) => new TextEncoder().encode(text);
const put = (key: string, text: string, expected?: number) => ({
  key,
  value: bytes(text),
  ...(expected === undefined ? {} : { expected }),
});
const drop = (key: string) => ({ key, value: null });

/** Declares the suite. */
export function itemsSuite(name: string, createSubject: () => Promise<StoreSubject>): void {
  describe(`ItemStore contract: ${name}`, () => {
    let subject: StoreSubject;
    let faults: Faults;
    let store: Store;
    beforeEach(async () => {
      subject = await createSubject();
      faults = noFaults();
      store = await subject.open(faults);
    });
    afterEach(async () => {
      await store.close().catch(() => undefined);
      await subject.remove();
    });
    const read = async (key: string, drawer = DRAWER) => {
      const item = await store.items.get(drawer, key);
      return item === undefined ? undefined : new TextDecoder().decode(item.value);
    };

    it("gives back what was put, and nothing for what was not", async () => {
      expect(await store.items.change(DRAWER, [put("k", "one")], ROOM, 7)).toBe("done");
      expect(await store.items.get(DRAWER, "k")).toEqual({
        key: "k",
        value: bytes("one"),
        bytes: 3,
        version: 1,
        modifiedAtMs: 7,
      });
      expect(await read("K")).toBeUndefined();
      expect(await read("")).toBeUndefined();
    });

    it("shows nothing of a drawer in another: tenant, tool, kind and bucket all part them", async () => {
      await store.items.change(DRAWER, [put("k", "mine")], ROOM, 1);
      const others: Partial<Drawer>[] = [
        { tenant: "other" },
        { tool: "other" },
        { kind: "volume" },
        { bucket: "b" },
        { tenant: "acme' OR '1'='1" },
        { bucket: "%" },
      ];
      for (const other of others) {
        expect(await read("k", { ...DRAWER, ...other })).toBeUndefined();
        expect(await store.items.list({ ...DRAWER, ...other }, "", 10)).toEqual([]);
      }
    });

    it("survives a restart", async () => {
      await store.items.change(DRAWER, [put("k", "kept")], ROOM, 1);
      await store.close();
      store = await subject.open(faults);
      expect(await read("k")).toBe("kept");
      expect(await store.items.change(DRAWER, [put("k", "x".repeat(1000))], ROOM, 1)).toBe("over-quota");
    });

    it("makes all changes or none", async () => {
      await store.items.change(DRAWER, [put("a", "1"), put("b", "2")], ROOM, 1);
      expect(await store.items.change(DRAWER, [put("a", "9"), put("b", "9", 77)], ROOM, 2)).toBe("conflict");
      expect([await read("a"), await read("b")]).toEqual(["1", "2"]);
      expect(await store.items.change(DRAWER, [drop("a"), put("c", "3")], ROOM, 3)).toBe("done");
      expect([await read("a"), await read("c")]).toEqual([undefined, "3"]);
    });

    it("swaps only what was not changed since, put back to the same bytes included", async () => {
      await store.items.change(DRAWER, [put("k", "one")], ROOM, 1);
      const before = (await store.items.get(DRAWER, "k"))?.version ?? -1;
      await store.items.change(DRAWER, [put("k", "two")], ROOM, 1);
      await store.items.change(DRAWER, [put("k", "one")], ROOM, 1);
      expect(await store.items.change(DRAWER, [put("k", "x", before)], ROOM, 1)).toBe("conflict");
      await store.items.change(DRAWER, [drop("k")], ROOM, 1);
      expect(await store.items.change(DRAWER, [put("k", "x", before)], ROOM, 1)).toBe("conflict");
      expect(await store.items.change(DRAWER, [put("k", "x", 0)], ROOM, 1)).toBe("done");
      expect(await store.items.change(DRAWER, [put("k", "y", 0)], ROOM, 1)).toBe("conflict");
    });

    it("loses none of many increments at once", async () => {
      const increment = async (): Promise<void> => {
        const item = await store.items.get(DRAWER, "n");
        const next = Number(item === undefined ? 0 : new TextDecoder().decode(item.value)) + 1;
        const made = await store.items.change(DRAWER, [put("n", String(next), item?.version ?? 0)], ROOM, 1);
        if (made === "conflict") await increment();
      };
      await Promise.all(Array.from({ length: 25 }, increment));
      expect(await read("n")).toBe("25");
    });

    it("keeps to the quota over all buckets, and lets go of anything at any time", async () => {
      const other = { ...DRAWER, bucket: "b" };
      // 1 byte of key and 499 of value, twice: exactly all of it.
      expect(await store.items.change(DRAWER, [put("a", "x".repeat(499))], ROOM, 1)).toBe("done");
      expect(await store.items.change(other, [put("a", "x".repeat(499))], ROOM, 1)).toBe("done");
      expect(await store.items.change(DRAWER, [put("b", "")], ROOM, 1)).toBe("over-quota");
      expect(
        await store.items.change({ ...DRAWER, kind: "volume", bucket: "" }, [put("b", "")], ROOM, 1),
      ).toBe("done");
      // The operator has made the quota smaller: less is better, even if it is still too much.
      const small = { bytes: 10, items: 10 };
      expect(await store.items.change(DRAWER, [put("a", "x".repeat(498))], small, 1)).toBe("done");
      expect(await store.items.change(other, [drop("a")], small, 1)).toBe("done");
    });

    it("bounds the number of items too, for empty ones cost rows", async () => {
      const few = { bytes: 1000, items: 2 };
      expect(await store.items.change(DRAWER, [put("a", ""), put("b", ""), put("c", "")], few, 1)).toBe(
        "over-quota",
      );
      expect(await store.items.change(DRAWER, [put("a", ""), put("b", "")], few, 1)).toBe("done");
    });

    it("lists in the order of bytes, page by page", async () => {
      const keys = ["b", "a", "B", "é", "ab", "\u{1f600}"];
      await store.items.change(
        DRAWER,
        keys.map((key) => put(key, key)),
        ROOM,
        1,
      );
      const first = await store.items.list(DRAWER, "", 4);
      expect(first.map(({ key }) => key)).toEqual(["B", "a", "ab", "b"]);
      const rest = await store.items.list(DRAWER, first.at(-1)?.key ?? "", 4);
      expect(rest.map(({ key }) => key)).toEqual(["é", "\u{1f600}"]);
    });

    it("counts what it holds exactly, whatever was done", async () => {
      const step = fc.record({ key: fc.constantFrom("a", "bb", "é"), size: fc.option(fc.nat(300)) });
      await fc.assert(
        fc.asyncProperty(
          fc.uuid(),
          fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 8 }),
          async (tool, all) => {
            const drawer = { ...DRAWER, tool };
            for (const steps of all) {
              const changes = steps.map(({ key, size }) => ({
                key,
                value: size === null ? null : new Uint8Array(size),
              }));
              await store.items.change(drawer, changes, ROOM, 1);
            }
            const heads = await store.items.list(drawer, "", 100);
            const held = heads.reduce((sum, { key, bytes: size }) => sum + bytes(key).length + size, 0);
            expect(held).toBeLessThanOrEqual(ROOM.bytes);
            // What is left is exactly what can still be put, to the byte.
            const room = ROOM.bytes - held - 1;
            if (room < 0) return;
            expect(await store.items.change(drawer, [put("z", "x".repeat(room + 1))], ROOM, 1)).toBe(
              "over-quota",
            );
            expect(await store.items.change(drawer, [put("z", "x".repeat(room))], ROOM, 1)).toBe("done");
          },
        ),
        { numRuns: 25 },
      );
    });

    it.each(["not-stored", "stored"] as const)("tells of a write that failed, %s", async (mode) => {
      arm(faults, 1, mode);
      await expect(store.items.change(DRAWER, [put("k", "one")], ROOM, 1)).rejects.toThrow("fault at write");
      arm(faults, undefined);
      // Begun and undone: the next change sees a range that is whole.
      expect(await store.items.change(DRAWER, [put("k", "two")], ROOM, 1)).toBe("done");
      expect(await read("k")).toBe("two");
    });
  });
}
