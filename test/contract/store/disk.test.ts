/** A disk that fails under the SQLite store: nothing goes on before it is proven well, and then it does by itself. */
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Store } from "../../../src/ports/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { removeFolder } from "../../support/folder.ts";
import { arm, type Faults, noFaults, openFaultySqlite, temporaryFolder } from "../../support/sqlite.ts";
import { intentOf, sealOf } from "./intents.ts";

/** SQLite's codes for what a disk does. */
const FAILURES = { "read error": 266, "write error": 778, "failed sync": 1034, "failed truncation": 1546 };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let path: string;
let faults: Faults;
let now: number;
let told: string[];
let store: Store;

beforeEach(async () => {
  folder = await temporaryFolder();
  path = join(folder.path, "writ.db");
  [faults, now, told] = [noFaults(), 0, []];
  store = await openStore(openFaultySqlite(path, faults), {
    nowMs: () => now,
    tellDisk: ({ event }) => void told.push(event),
  });
  await store.recordIntent(intentOf(1));
  await store.seal(sealOf(intentOf(1)));
});
afterEach(async () => {
  await store.close();
  await folder.remove();
});

/** Lets one write fail as the disk fails. */
async function fail(errcode = FAILURES["failed sync"], mode: "not-stored" | "stored" = "not-stored") {
  arm(faults, 4, mode);
  faults.errcode = errcode;
  await expect(store.recordIntent(intentOf(2))).rejects.toThrow("COMMIT");
  arm(faults, undefined);
}

describe("the head that is expected of a commit", () => {
  it("is told before it, and is the very one that is returned", async () => {
    const told: unknown[] = [];
    for (const n of [3, 4]) await store.recordIntent(intentOf(n));
    const expected = (head: unknown) => void told.push(head);
    const logged = await Promise.all([3, 4].map((n) => store.seal(sealOf(intentOf(n)), undefined, expected)));
    expect([told.length, logged.every(({ head }) => head === told[0])]).toEqual([1, true]);
  });

  it("is another one after a commit that failed", async () => {
    const told: unknown[] = [];
    const expected = (head: unknown) => void told.push(head);
    await store.recordIntent(intentOf(3));
    arm(faults, 1, "not-stored");
    const sealing = store.seal(sealOf(intentOf(3)), undefined, expected);
    await expect(sealing).rejects.toThrow();
    for (let step = 2; told.length === 0; step++) {
      arm(faults, step, "not-stored");
      await expect(store.seal(sealOf(intentOf(3)), undefined, expected)).rejects.toThrow();
    }
    arm(faults, undefined);
    const { head } = await store.seal(sealOf(intentOf(3)), undefined, expected);
    expect([head === told.at(-1), told.includes(head), head === told[0]]).toEqual([true, true, false]);
  });
});

describe("a store whose disk failed", () => {
  for (const [name, errcode] of Object.entries(FAILURES)) {
    for (const mode of ["not-stored", "stored"] as const) {
      it(`writes nothing for a second after a ${name} (${mode}), then goes on by itself`, async () => {
        await fail(errcode, mode);
        now = 999;
        expect(store.isWritable()).toBe(false);
        const begin = () => expect.fail("nobody is to begin");
        await expect(store.recordIntent(intentOf(3), undefined, begin)).rejects.toThrow("the disk failed");
        await expect(store.check()).rejects.toThrow("the disk failed");
        expect(faults.writes).toBe(0);
        now = 1000;
        let taken = 0;
        await store.recordIntent(intentOf(3), undefined, () => taken++);
        expect([taken, store.isWritable()]).toEqual([1, true]);
        const logged = await store.seal(sealOf(intentOf(3)));
        expect(logged).toMatchObject({ sequence: 1, head: { size: 2 } });
        expect(await store.logHead()).toEqual(logged.head);
        const runs = (await store.listRuns("acme", 10)).map(({ intent }) => intent.run);
        const stored = mode === "stored" ? [intentOf(2).run] : [];
        expect(runs.toSorted()).toEqual([intentOf(1).run, ...stored, intentOf(3).run].toSorted());
        expect(told).toEqual(["disk-failed", "disk-recovered"]);
      });
    }
  }

  it("asks less and less often while the disk stays bad, twice a minute in the end", async () => {
    await fail();
    // The write that has to pass before anything else does.
    arm(faults, 1, "not-stored");
    const attempts: number[] = [];
    for (; now < 120_000; now += 500) {
      faults.writes = 0;
      await expect(store.check()).rejects.toThrow("the disk failed");
      if (faults.writes > 0) attempts.push(now);
    }
    expect(attempts).toEqual([1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000]);
    arm(faults, undefined);
    now = 121_000;
    await store.check();
    expect(told.at(-1)).toBe("disk-recovered");
  });

  it("refuses everybody who waits when it fails, and loses none of what waits later", async () => {
    arm(faults, 1, "not-stored");
    faults.errcode = FAILURES["write error"];
    const many = Array.from({ length: 300 }, (_, n) => store.recordIntent(intentOf(n + 10)));
    const ends = await Promise.allSettled(many);
    expect(ends.map(({ status }) => status)).toEqual(Array(300).fill("rejected"));
    arm(faults, undefined);
    now = 1000;
    await Promise.all(Array.from({ length: 300 }, (_, n) => store.recordIntent(intentOf(n + 10))));
    expect(await store.listRuns("acme", 500)).toHaveLength(301);
  });

  it("reads nothing while its file can not be opened, says which refusal that is, and goes on", async () => {
    await fail();
    await store.check().catch(() => undefined);
    await rename(path, `${path}.away`);
    // SQLite would make an empty file; a folder it can not open.
    await mkdir(path);
    now = 1000;
    await expect(store.check()).rejects.toThrow("the disk failed");
    await expect(store.findKey("00")).rejects.toMatchObject({ refusal: { code: "evidence-unavailable" } });
    await expect(store.openRuns(9e15, 1)).rejects.toMatchObject({
      refusal: { code: "evidence-unavailable" },
    });
    await removeFolder(path);
    await rename(`${path}.away`, path);
    now = 3000;
    await store.recordIntent(intentOf(3));
    expect(await store.openRuns(9e15, 10)).toHaveLength(1);
    expect(told).toEqual(["disk-failed", "disk-failed-again", "disk-recovered"]);
  });

  for (const [what, change] of [
    ["receipts", async () => void (await store.seal(sealOf(intentOf(5))))],
    [
      "a run whose intent was synced",
      async () => {
        await store.recordIntent(intentOf(8));
        await store.syncIntent(intentOf(8).run);
      },
    ],
  ] as const) {
    it(`stays stopped when the disk lost ${what} that callers were told of`, async () => {
      await store.recordIntent(intentOf(4));
      await store.recordIntent(intentOf(5));
      // The disk's idea of the file before that.
      const old = join(folder.path, "old.db");
      const copy = openFaultySqlite(path, noFaults());
      copy.exec(`VACUUM INTO '${old}'`);
      copy.close();
      await change();
      await store.recordIntent(intentOf(6));
      await fail();
      await rm(`${path}-wal`, { force: true });
      await rm(`${path}-shm`, { force: true });
      // In its place, and not into it: what is open still goes to the file that was there.
      await rename(old, path);
      for (now = 1000; now < 500_000; now += 40_000)
        await expect(store.recordIntent(intentOf(7))).rejects.toThrow("what was acknowledged is missing");
      expect(told).toEqual(["disk-failed", "disk-lost-writes"]);
    });
  }
});
