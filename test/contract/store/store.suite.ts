/**
 * What every Store must do, whatever keeps its rows. An implementation's test file calls {@link storeSuite} with a way
 * to open itself, faults included.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { emptyRoot, leafHash, rootFromInclusion, TreeEdge } from "../../../src/core/merkle/index.ts";
import type { KeyRow, Logged, Store } from "../../../src/ports/index.ts";
import { arm, type FaultMode, type Faults, noFaults } from "../../support/faults.ts";
import { intentOf, sealOf } from "./intents.ts";

/** One storage that outlives the stores opened over it. */
export interface StoreSubject {
  /** Opens it; writes fail as `faults` says. */
  open(faults: Faults): Promise<Store>;
  /** Whether a statement makes durable what was written. */
  isCommit(sql: string): boolean;
  /** Removes it. */
  remove(): Promise<void>;
}

const KEY: KeyRow = {
  id: "key_00000001",
  hash: "a".repeat(64),
  tenant: "acme",
  tier: "free",
  scopes: ["invoke", "evidence"],
  createdAtMs: 1,
  label: "first",
};

const WRITES: readonly { readonly name: string; readonly write: (store: Store) => Promise<unknown> }[] = [
  { name: "recordIntent", write: (store) => store.recordIntent(intentOf(2)) },
  { name: "seal", write: (store) => store.seal(sealOf(intentOf(1))) },
  {
    name: "recordRefusal",
    write: (store) => store.recordRefusal(intentOf(3), sealOf(intentOf(3), "denied")),
  },
  { name: "insertKey", write: (store) => store.insertKey({ ...KEY, id: "key_2", hash: "b".repeat(64) }) },
  { name: "revokeKey", write: (store) => store.revokeKey(KEY.id, 9) },
  { name: "check", write: (store) => store.check() },
];

/** Declares the suite. */
export function storeSuite(name: string, createSubject: () => Promise<StoreSubject>): void {
  describe(`Store contract: ${name}`, () => {
    let subject: StoreSubject;
    let faults: Faults;
    let store: Store;

    beforeEach(async () => {
      subject = await createSubject();
      faults = noFaults();
      store = await subject.open(faults);
    });
    afterEach(async () => {
      await store.close();
      await subject.remove();
    });

    /** Closes and opens again without faults: what is left is what was stored. */
    async function reopen(): Promise<void> {
      await store.close();
      faults = noFaults();
      store = await subject.open(faults);
    }

    /** All that a store holds of these tests' tenant. */
    async function contents() {
      return {
        runs: await store.listRuns("acme", 10_000),
        open: await store.openRuns(Number.MAX_SAFE_INTEGER, 10_000),
        keys: await store.listKeys(),
        log: await store.logHead(),
      };
    }

    describe("fails whole, one write at a time", () => {
      for (const { name: method, write } of WRITES) {
        for (const mode of ["not-stored", "stored"] satisfies FaultMode[]) {
          it(`${method}() leaves all or nothing at every failing step, ${mode}`, async () => {
            await store.recordIntent(intentOf(1));
            await store.insertKey(KEY);
            const before = await contents();
            arm(faults, undefined);
            // How many steps the write has, learnt on a storage of its own.
            const rehearsal = await createSubject();
            const counted = noFaults();
            const other = await rehearsal.open(counted);
            await other.recordIntent(intentOf(1));
            await other.insertKey(KEY);
            arm(counted, undefined);
            await write(other);
            const steps = counted.writes;
            await other.close();
            await rehearsal.remove();
            expect(steps).toBeGreaterThanOrEqual(1);

            for (let step = 1; step <= steps; step++) {
              arm(faults, step, mode);
              await expect(write(store), `step ${step}`).rejects.toThrow(`fault at write ${step}`);
              const after = await contents();
              // Only a commit that was made and then reported as failed may have stored anything.
              if (mode === "not-stored" || step < steps) expect(after, `step ${step}`).toEqual(before);
              arm(faults, undefined);
              await store.check();
            }
            await reopen();
            if (mode === "not-stored") expect(await contents()).toEqual(before);
          });
        }
      }

      it("tells its database's time, in whole ms", async () => {
        const nowMs = await store.nowMs();
        expect(Number.isInteger(nowMs)).toBe(true);
        expect(Math.abs(nowMs - runtime.clock.nowMs())).toBeLessThan(3_600_000);
      });

      it("a failing write fails only its own caller", async () => {
        await store.recordIntent(intentOf(1));
        const results = await Promise.allSettled([
          store.recordIntent(intentOf(2)),
          store.recordIntent(intentOf(1)),
          store.seal(sealOf(intentOf(9))),
          store.recordIntent(intentOf(3)),
          store.seal(sealOf(intentOf(1))),
        ]);
        expect(results.map(({ status }) => status)).toEqual([
          "fulfilled",
          "rejected",
          "rejected",
          "fulfilled",
          "fulfilled",
        ]);
        await reopen();
        const { runs, open } = await contents();
        expect(runs.map(({ intent }) => intent.run)).toEqual([3, 2, 1].map((n) => intentOf(n).run));
        expect(open.map(({ run }) => run)).toEqual([2, 3].map((n) => intentOf(n).run));
      });

      it("a write that fails half way leaves nothing of itself in the commit it shared", async () => {
        // Whatever the statements are called: each in turn is the one that fails, in a batch of two.
        for (let at = 1; at <= 12; at++) {
          const [first, second] = [intentOf(2 * at), intentOf(2 * at + 1)];
          arm(faults, at, "stored");
          const results = await Promise.allSettled([store.recordIntent(first), store.recordIntent(second)]);
          const commitFailed = subject.isCommit(faults.log[at - 1] ?? "");
          arm(faults, undefined);
          for (const [index, { run }] of [first, second].entries()) {
            const stored = (await store.findRun("acme", run)) !== undefined;
            const open = (await store.openRuns(Number.MAX_SAFE_INTEGER, 100)).some(
              (intent) => intent.run === run,
            );
            expect(open, `write ${at}`).toBe(stored);
            if (results[index]?.status === "fulfilled") expect(stored, `write ${at}`).toBe(true);
            // Reported as failed and stored all the same: only a commit can do that.
            else if (!commitFailed) expect(stored, `write ${at}`).toBe(false);
          }
        }
      });

      it("concurrent writes share a commit, and all of them learn of its failure", async () => {
        arm(faults, undefined);
        await Promise.all([1, 2, 3, 4].map((n) => store.recordIntent(intentOf(n))));
        expect(faults.log.filter((sql) => subject.isCommit(sql))).toHaveLength(1);
        arm(faults, faults.writes, "not-stored");
        const results = await Promise.allSettled([5, 6, 7, 8].map((n) => store.recordIntent(intentOf(n))));
        expect(results.map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
        expect((await contents()).runs).toHaveLength(4);
      });
    });

    describe("intents", () => {
      it("syncIntent() makes durable what is open, again and again, and changes nothing", async () => {
        await Promise.all([1, 2, 3].map((n) => store.recordIntent(intentOf(n))));
        const before = await contents();
        for (let time = 0; time < 2; time++)
          await Promise.all([1, 2, 3].map((n) => store.syncIntent(intentOf(n).run)));
        expect(await contents()).toEqual(before);
      });

      it("syncIntent() refuses what never was and what is sealed, whoever else asks", async () => {
        await store.recordIntent(intentOf(1));
        await store.recordIntent(intentOf(2));
        await store.seal(sealOf(intentOf(1)));
        const asked = [2, 1, 9].map((n) => store.syncIntent(intentOf(n).run));
        const [open, ...others] = await Promise.allSettled(asked);
        expect(open?.status).toBe("fulfilled");
        expect(others.map((end) => end.status === "rejected" && String(end.reason))).toEqual(
          [1, 9].map((n) => `Error: Cannot sync intent of run "${intentOf(n).run}": it is not open`),
        );
      });
    });

    describe("seals", () => {
      it("seal() refuses an unknown run", async () => {
        await expect(store.seal(sealOf(intentOf(1)))).rejects.toThrow();
        expect(await contents()).toMatchObject({ runs: [], open: [], keys: [], log: { size: 0 } });
      });

      it("seal() refuses a second seal and keeps the first", async () => {
        await store.recordIntent(intentOf(1));
        await store.seal(sealOf(intentOf(1), "completed"));
        await expect(store.seal(sealOf(intentOf(1), "trapped"))).rejects.toThrow();
        const both = await Promise.allSettled([
          store.seal(sealOf(intentOf(1))),
          store.seal(sealOf(intentOf(1))),
        ]);
        expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
        expect((await store.findRun("acme", intentOf(1).run))?.seal?.outcome).toBe("completed");
      });

      it("seal() lets exactly one of many concurrent seals of a run through", async () => {
        await store.recordIntent(intentOf(1));
        const results = await Promise.allSettled(
          Array.from({ length: 20 }, () => store.seal(sealOf(intentOf(1)))),
        );
        expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      });

      it("seal() gives 500 concurrent seals the sequences 0 to 499 without a gap", async () => {
        const intents = Array.from({ length: 500 }, (_, n) => intentOf(n));
        await Promise.all(intents.map((intent) => store.recordIntent(intent)));
        // Every fifth is asked for twice: a refused seal must not use up a number.
        const asked = intents.flatMap((intent, n) => (n % 5 === 0 ? [intent, intent] : [intent]));
        const results = await Promise.allSettled(asked.map((intent) => store.seal(sealOf(intent))));
        const given = results.flatMap((result) =>
          result.status === "fulfilled" ? [result.value.sequence] : [],
        );
        expect(given.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, n) => n));
        await reopen();
        const stored = (await store.listRuns("acme", 1000)).map(({ seal }) => seal?.sequence ?? -1);
        expect(stored.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, n) => n));
        expect(await store.openRuns(Number.MAX_SAFE_INTEGER, 1000)).toEqual([]);
      });

      it("recordRefusal() stores intent and seal together, in the same sequence", async () => {
        await store.recordIntent(intentOf(1));
        expect((await store.seal(sealOf(intentOf(1)))).sequence).toBe(0);
        expect((await store.recordRefusal(intentOf(2), sealOf(intentOf(2), "denied"))).sequence).toBe(1);
        await expect(store.recordRefusal(intentOf(2), sealOf(intentOf(2), "denied"))).rejects.toThrow();
        await expect(store.recordRefusal(intentOf(3), sealOf(intentOf(4), "denied"))).rejects.toThrow(
          TypeError,
        );
        expect((await store.findRun("acme", intentOf(2).run))?.seal).toEqual({
          ...sealOf(intentOf(2), "denied"),
          sequence: 1,
        });
        expect(await store.openRuns(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
      });
    });

    describe("log", () => {
      /** The root that the entries of the first `size` sequences have, by themselves. */
      function rootOfEntries(entries: readonly string[]): Uint8Array {
        const edge = new TreeEdge(0);
        for (const entry of entries) edge.append(leafHash(new TextEncoder().encode(entry)));
        return edge.root();
      }

      function rootOfProof({ sequence, head, path }: Logged, entry: string): Uint8Array | undefined {
        const leaf = leafHash(new TextEncoder().encode(entry));
        return rootFromInclusion({ index: BigInt(sequence), size: BigInt(head.size), leaf, path });
      }

      /** Seals runs `from` to `until`, at most `together` of them in one commit. */
      async function sealMany(from: number, until: number, together: number): Promise<readonly Logged[]> {
        const logged: Logged[] = [];
        for (let n = from; n < until; n += together) {
          const intents = Array.from({ length: Math.min(together, until - n) }, (_, at) => intentOf(n + at));
          await Promise.all(intents.map((intent) => store.recordIntent(intent)));
          logged.push(...(await Promise.all(intents.map((intent) => store.seal(sealOf(intent))))));
        }
        return logged;
      }

      it("is empty at first, and has nothing to read or to prove", async () => {
        expect(await store.logHead()).toEqual({ size: 0, root: emptyRoot() });
        expect(await store.logTile(0, 0, 1)).toBeUndefined();
        expect(await store.logEntries(0, 1)).toBeUndefined();
        for (const sequence of [-1, 0, 1]) await expect(store.prove(sequence)).rejects.toThrow(RangeError);
      });

      it("has the entry of every seal at its sequence, and none of a write that failed", async () => {
        await store.recordIntent(intentOf(1));
        await store.recordIntent(intentOf(2));
        await Promise.allSettled([
          store.seal(sealOf(intentOf(9))),
          store.seal(sealOf(intentOf(2))),
          store.seal(sealOf(intentOf(2))),
          store.recordRefusal(intentOf(1), sealOf(intentOf(1))),
          store.recordRefusal(intentOf(3), sealOf(intentOf(3))),
        ]);
        const entries = [2, 3].map((n) => sealOf(intentOf(n)).entry);
        expect(await store.logEntries(0, 2)).toEqual(entries);
        expect(await store.logEntries(0, 3)).toBeUndefined();
        expect(await store.logHead()).toEqual({ size: 2, root: rootOfEntries(entries) });
      });

      it("forgets what a failed commit appended, whoever seals next", async () => {
        for (const mode of ["not-stored", "stored"] satisfies FaultMode[]) {
          for (let step = 1; step <= 5; step++) {
            const before = await store.logHead();
            const [lost, next] = [intentOf(before.size * 2 + 10), intentOf(before.size * 2 + 11)];
            await store.recordIntent(lost);
            await store.recordIntent(next);
            arm(faults, step, mode);
            await expect(store.seal({ ...sealOf(lost), entry: "lost" })).rejects.toThrow("fault");
            arm(faults, undefined);
            const { head } = await store.seal(sealOf(next));
            const entries = (await store.logEntries(0, head.size)) ?? expect.fail("no entries");
            expect(head, `${mode}, step ${step}`).toEqual(await store.logHead());
            expect(head.root).toEqual(rootOfEntries(entries));
            expect(entries.at(-1)).toBe(sealOf(next).entry);
          }
        }
      });

      it("proves every seal in the head of its commit, then and later", async () => {
        const logged = await sealMany(0, 700, 37);
        expect(new Set(logged.map(({ head }) => head)).size).toBe(Math.ceil(700 / 37));
        await reopen();
        for (const one of logged) {
          const entry = sealOf(intentOf(one.sequence)).entry;
          expect(rootOfProof(one, entry)).toEqual(one.head.root);
          expect(await store.prove(one.sequence)).toEqual(one);
        }
        await expect(store.prove(700)).rejects.toThrow(RangeError);
        const entries = logged.map(({ sequence }) => sealOf(intentOf(sequence)).entry);
        expect(await store.logHead()).toEqual({ size: 700, root: rootOfEntries(entries) });
      });

      it("goes on after it was closed anywhere", async () => {
        for (const until of [1, 2, 255, 256, 257, 300]) {
          const { size } = await store.logHead();
          await sealMany(size, until, 64);
          await reopen();
        }
        const { head } = (await sealMany(300, 301, 1))[0] ?? expect.fail("nothing sealed");
        const entries = Array.from({ length: 301 }, (_, n) => sealOf(intentOf(n)).entry);
        expect(head).toEqual({ size: 301, root: rootOfEntries(entries) });
      });

      it("gives tiles and entries that it has, whole or cut, and nothing else", async () => {
        await sealMany(0, 600, 100);
        const hashes = Array.from({ length: 600 }, (_, n) =>
          leafHash(new TextEncoder().encode(sealOf(intentOf(n)).entry)),
        );
        const flat = (from: number, until: number) =>
          Uint8Array.from(hashes.slice(from, until).flatMap((hash) => [...hash]));
        expect(await store.logTile(0, 1, 256)).toEqual(flat(256, 512));
        expect(await store.logTile(0, 1, 7)).toEqual(flat(256, 263));
        expect(await store.logTile(0, 2, 88)).toEqual(flat(512, 600));
        expect(await store.logTile(1, 0, 2)).toHaveLength(64);
        for (const [level, index, width] of [
          [0, 2, 89],
          [0, 3, 1],
          [0, -1, 1],
          [1, 0, 3],
          [2, 0, 1],
          [63, 0, 1],
        ] as const) {
          expect(await store.logTile(level, index, width), `${level}/${index}/${width}`).toBeUndefined();
        }
        expect(await store.logEntries(2, 88)).toHaveLength(88);
        expect(await store.logEntries(2, 89)).toBeUndefined();
      });
    });

    describe("runs", () => {
      it("recordIntent() refuses a second run of the same id, also of another tenant", async () => {
        await store.recordIntent(intentOf(1));
        await expect(store.recordIntent(intentOf(1))).rejects.toThrow();
        await expect(store.recordIntent(intentOf(1, "evil"))).rejects.toThrow();
        expect(await store.findRun("evil", intentOf(1).run)).toBeUndefined();
      });

      it("findRun() and listRuns() treat another tenant's run as absent", async () => {
        for (const n of [1, 2]) await store.recordIntent(intentOf(n, "acme"));
        await store.recordIntent(intentOf(3, "evil"));
        await store.seal(sealOf(intentOf(1)));
        for (const n of [1, 2]) expect(await store.findRun("evil", intentOf(n).run)).toBeUndefined();
        expect((await store.listRuns("evil", 10)).map(({ intent }) => intent.run)).toEqual([intentOf(3).run]);
        expect((await store.listRuns("evil", 10, intentOf(3).run)).length).toBe(0);
        expect(await store.listRuns("nobody", 10)).toEqual([]);
      });

      it("findRun() gives back exactly what was recorded", async () => {
        const intent = { ...intentOf(1), tool: "Ünïcode 🦀 'quoted\"", predicate: '{"a":"\\u0000\\ud83e"}' };
        await store.recordIntent(intent);
        expect(await store.findRun("acme", intent.run)).toEqual({ intent });
        await store.seal(sealOf(intent));
        await reopen();
        expect(await store.findRun("acme", intent.run)).toEqual({
          intent,
          seal: { ...sealOf(intent), sequence: 0 },
        });
      });

      it("listRuns() pages newest first without repeating or leaving out", async () => {
        for (let n = 0; n < 7; n++) await store.recordIntent(intentOf(n));
        const seen: string[] = [];
        let before: string | undefined;
        for (;;) {
          const page = await store.listRuns("acme", 3, before);
          seen.push(...page.map(({ intent }) => intent.run));
          before = page.at(-1)?.intent.run;
          if (page.length < 3) break;
        }
        expect(seen).toEqual([6, 5, 4, 3, 2, 1, 0].map((n) => intentOf(n).run));
      });

      it("openRuns() gives unsealed runs admitted before the moment, oldest first, within the limit", async () => {
        for (const n of [3, 1, 2, 4]) await store.recordIntent(intentOf(n));
        await store.seal(sealOf(intentOf(2)));
        const ids = async (before: number, limit: number) =>
          (await store.openRuns(before, limit)).map(({ run }) => run);
        expect(await ids(1004, 10)).toEqual([1, 3].map((n) => intentOf(n).run));
        expect(await ids(2000, 2)).toEqual([1, 3].map((n) => intentOf(n).run));
        expect(await ids(1001, 10)).toEqual([]);
        expect((await store.openRuns(2000, 1))[0]).toEqual(intentOf(1));
      });
    });

    describe("keys", () => {
      it("insertKey(), findKey() and listKeys() keep every member", async () => {
        const second = { ...KEY, id: "key_2", hash: "b".repeat(64), createdAtMs: 2, expiresAtMs: 99 };
        await store.insertKey(second);
        await store.insertKey(KEY);
        expect(await store.findKey(KEY.hash)).toEqual(KEY);
        expect(await store.findKey(second.hash)).toEqual(second);
        expect(await store.findKey("c".repeat(64))).toBeUndefined();
        expect(await store.listKeys()).toEqual([KEY, second]);
      });

      it("listKeyPage() gives pages of one tenant or of all, and no place by another's key", async () => {
        const key = (n: number, tenant: string) => ({
          ...{
            ...KEY,
            id: `key_${n}`,
            hash: String(n).repeat(64),
            tenant,
            createdAtMs: 10 - Math.floor(n / 2),
          },
        });
        for (const n of [1, 2, 3, 4, 5, 6]) await store.insertKey(key(n, n % 2 === 0 ? "acme" : "other"));
        const ids = async (page: Parameters<Store["listKeyPage"]>[0]) =>
          (await store.listKeyPage(page)).map(({ id }) => id);
        expect(await ids({ limit: 9 })).toEqual(["key_6", "key_4", "key_5", "key_2", "key_3", "key_1"]);
        expect(await ids({ limit: 2, after: "key_4" })).toEqual(["key_5", "key_2"]);
        expect(await ids({ limit: 2, tenant: "acme" })).toEqual(["key_6", "key_4"]);
        expect(await ids({ limit: 2, tenant: "acme", after: "key_4" })).toEqual(["key_2"]);
        for (const after of ["key_5", "key_none"])
          expect(await ids({ limit: 9, tenant: "acme", after })).toEqual([]);
      });

      it("insertKey() refuses an id or a hash that is there", async () => {
        await store.insertKey(KEY);
        await expect(store.insertKey({ ...KEY, hash: "b".repeat(64) })).rejects.toThrow();
        await expect(store.insertKey({ ...KEY, id: "key_2" })).rejects.toThrow();
      });

      it("revokeKey() marks a key once and says when there is none", async () => {
        await store.insertKey(KEY);
        expect(await store.revokeKey("key_none", 5)).toBe(false);
        expect(await store.revokeKey(KEY.id, 5)).toBe(true);
        expect(await store.revokeKey(KEY.id, 9)).toBe(true);
        expect(await store.revokeKey(KEY.id, 9, KEY.tenant)).toBe(true);
        await reopen();
        expect(await store.findKey(KEY.hash)).toEqual({ ...KEY, revokedAtMs: 5 });
      });

      it("revokeKey() of one tenant leaves another's key alone", async () => {
        await store.insertKey(KEY);
        expect(await store.revokeKey(KEY.id, 5, "somebody-else")).toBe(false);
        expect(await store.findKey(KEY.hash)).toEqual(KEY);
      });
    });

    it("claim() keeps the first value of a name, whoever else comes", async () => {
      const values = await Promise.all(
        Array.from({ length: 10 }, (_, n) => store.claim("origin", `log-${n}`)),
      );
      expect(new Set(values).size).toBe(1);
      await reopen();
      expect(await store.claim("origin", "another")).toBe(values[0]);
      expect(await store.claim("other", "another")).toBe("another");
    });

    it("close() finishes the writes that were asked for, then refuses", async () => {
      const asked = [1, 2, 3].map((n) => store.recordIntent(intentOf(n)));
      await store.close();
      await Promise.all(asked);
      await expect(store.recordIntent(intentOf(4))).rejects.toThrow("it is closed");
      faults = noFaults();
      store = await subject.open(faults);
      expect((await contents()).runs).toHaveLength(3);
    });
  });
}
