/** Journals at rest: nothing of them can be read without both keys, moved, changed, or brought back. */
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createJournals, type Journals, rotateMasterKey } from "../../src/journal/index.ts";
import type { JournalStore, Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { intentOf } from "../contract/store/intents.ts";
import { temporaryFolder } from "../support/sqlite.ts";

/** Nothing else in a database reads like this. */
const MARK = "zebra-crossing-4711";
const TEXT = `{"journal":"${MARK}"}\n`.repeat(500);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let store: Store;
let nowMs: number;

beforeEach(async () => {
  folder = await temporaryFolder();
  store = await openStore(runtime.openSqlite(join(folder.path, "writ.db")));
  for (const n of [1, 2]) await store.recordIntent({ ...intentOf(n), run: `run_${n}` });
  nowMs = 1_000;
});
afterEach(async () => {
  await store.close().catch(() => undefined);
  await folder.remove();
});

function open(keyPath = join(folder.path, "journals.key"), files = runtime.files): Journals {
  const clock = { ...runtime.clock, nowMs: () => nowMs };
  return createJournals({ store: store.journals, clock, entropy: runtime.entropy, files, keyPath });
}

const kept = (run: string, tenant = "acme") => ({ run, tenant, text: TEXT, retentionDays: 1 });

/** Whether any file of the data folder holds the text. */
async function isOnDisk(text: string): Promise<boolean> {
  const names = await readdir(folder.path);
  const files = await Promise.all(names.map((name) => readFile(join(folder.path, name), "latin1")));
  return files.some((content) => content.includes(text));
}

describe("createJournals()", () => {
  it("gives a journal back, after a restart too", async () => {
    await open().keep(kept("run_1"));
    expect(await open().read("run_1")).toBe(TEXT);
    expect(await open().read("run_2")).toBeUndefined();
  });

  it("makes one master key for all that come first together", async () => {
    const runs = Array.from({ length: 12 }, (_, n) => `run_${n + 10}`);
    for (const [n, run] of runs.entries()) await store.recordIntent({ ...intentOf(n + 10), run });
    // The first who makes it is slow, and another gateway's vault is at it as well.
    let made = 0;
    const files: typeof runtime.files = {
      ...runtime.files,
      async create(...file) {
        made += 1;
        if (made === 1) await new Promise((resolve) => setTimeout(resolve, 100));
        return await runtime.files.create(...file);
      },
    };
    const gateways = [open(undefined, files), open(undefined, files)];
    await Promise.all(
      runs.map((run, n) => gateways[n % 3 === 0 ? 0 : 1]?.keep(kept(run, n % 2 === 0 ? "acme" : "other"))),
    );
    for (const run of runs) expect(await open().read(run)).toBe(TEXT);
  });

  it("leaves nothing of it in clear on disk, and a master key that others can not read", async () => {
    await open().keep(kept("run_1"));
    expect(await isOnDisk(MARK)).toBe(false);
    expect(await runtime.files.mode(join(folder.path, "journals.key"))).toBe(0o600);
  });

  it("gives each tenant a key of its own", async () => {
    await open().keep(kept("run_1"));
    await open().keep(kept("run_2", "other"));
    const [mine, others] = await Promise.all(
      ["acme", "other"].map((tenant) => store.journals.findKey(tenant)),
    );
    expect(mine?.wrapped).not.toEqual(others?.wrapped);
  });

  it("opens no journal that was moved to another run or tenant, or changed by a bit", async () => {
    await open().keep(kept("run_1"));
    const row = await store.journals.find("run_1");
    if (row === undefined) throw new TypeError("It was not kept");
    await store.journals.put({ ...row, run: "run_2" });
    await expect(open().read("run_2")).rejects.toThrow("belongs to another run");

    await store.journals.erase({ kind: "run", run: "run_1" }, 1);
    const content = row.content.slice();
    content[40] = (content[40] ?? 0) ^ 1;
    await store.journals.put({ ...row, content });
    await expect(open().read("run_1")).rejects.toThrow("it was changed");
  });

  it("opens none with another master key, and makes none where there was one", async () => {
    await open().keep(kept("run_1"));
    const path = join(folder.path, "journals.key");
    await writeFile(path, `${"0".repeat(64)}\n`);
    await expect(open().read("run_1")).rejects.toThrow("the master key is not the one");
    await expect(open(join(folder.path, "lost.key")).keep(kept("run_2", "new"))).rejects.toThrow(
      "there is no master key",
    );
    await writeFile(path, "not a key");
    await expect(open().read("run_1")).rejects.toThrow("64 hex digits");
    await chmod(path, 0o644);
    await expect(open().read("run_1")).rejects.toThrow("want 0600");
  });

  describe("under another master key", () => {
    const tenants = Array.from({ length: 5 }, (_, n) => `tenant-${n}`);
    const place = () => ({ ...runtime, path: join(folder.path, "journals.key") });
    const lines = async () => (await readFile(place().path, "utf8")).trim().split("\n");
    const rotate = (journals: Partial<JournalStore> = {}) =>
      rotateMasterKey(place(), [{ ...store.journals, ...journals }], () => undefined);

    beforeEach(async () => {
      for (const [n, tenant] of tenants.entries()) {
        await store.recordIntent({ ...intentOf(10 + n), run: `run_${tenant}` });
        await open().keep(kept(`run_${tenant}`, tenant));
      }
    });

    it("are read, by gateways that were there before too, and the old key opens nothing", async () => {
      const gateway = open();
      expect(await gateway.read("run_tenant-0")).toBe(TEXT);
      const [old = ""] = await lines();
      expect(await rotate()).toBe(5);
      expect(await lines()).toHaveLength(1);
      for (const journals of [gateway, open()])
        for (const tenant of tenants) expect(await journals.read(`run_${tenant}`)).toBe(TEXT);
      await gateway.keep(kept("run_1", "new"));
      expect(await open().read("run_1")).toBe(TEXT);
      await writeFile(place().path, `${old}\n`);
      for (const tenant of [...tenants, "new"])
        await expect(open().read(tenant === "new" ? "run_1" : `run_${tenant}`)).rejects.toThrow(
          /was wrapped with/,
        );
    });

    it("are all read wherever a rotation broke off, and the next one ends it", async () => {
      for (let failAt = 0; failAt <= tenants.length; failAt++) {
        let left = failAt;
        const rewrapKey: JournalStore["rewrapKey"] = async (...args) => {
          if (left-- === 0) throw new Error("the database is gone");
          await store.journals.rewrapKey(...args);
        };
        const broken = failAt < tenants.length;
        if (broken) await expect(rotate({ rewrapKey })).rejects.toThrow("the database is gone");
        else await rotate({ rewrapKey });
        expect((await lines()).length > 1).toBe(broken);
        for (const tenant of tenants) expect(await open().read(`run_${tenant}`)).toBe(TEXT);
      }
      await rotate();
      expect(await lines()).toHaveLength(1);
      for (const tenant of tenants) expect(await open().read(`run_${tenant}`)).toBe(TEXT);
    });

    it("are not lost when a tenant comes while it is rotated", async () => {
      const gateway = createJournals({
        ...runtime,
        keyPath: place().path,
        store: {
          ...store.journals,
          // The whole of a rotation between what the gateway read and what it writes.
          async insertKey(row) {
            if (row.tenant === "new") await rotate();
            return await store.journals.insertKey(row);
          },
        },
      });
      await gateway.read("run_tenant-0");
      await gateway.keep(kept("run_1", "new"));
      expect(await gateway.read("run_1")).toBe(TEXT);
      expect(await open().read("run_1")).toBe(TEXT);
    });

    it("takes no key away while there is one that it can not open, and names its tenant", async () => {
      const [row] = await store.journals.scanKeys("tenant-2", 1);
      if (row === undefined) throw new TypeError("There is no such key");
      await store.journals.rewrapKey(row, new Uint8Array(60));
      await expect(rotate()).rejects.toThrow('the key of tenant "tenant-3" was wrapped with');
      expect(await lines()).toHaveLength(2);
      for (const tenant of ["tenant-0", "tenant-4"]) expect(await open().read(`run_${tenant}`)).toBe(TEXT);
      await open().erase({ kind: "tenant", tenant: "tenant-3" });
      expect(await rotate()).toBe(4);
    });
  });

  it("leaves no byte of an erased journal in the data folder's files", async () => {
    await open().keep(kept("run_1"));
    const row = await store.journals.find("run_1");
    const piece = Buffer.from(row?.content.slice(1000, 1032) ?? []).toString("latin1");
    expect(await isOnDisk(piece)).toBe(true);
    expect(await open().erase({ kind: "run", run: "run_1" })).toBe(1);
    expect(await isOnDisk(piece)).toBe(false);
    expect(await open().read("run_1")).toBeUndefined();
    expect(await open().findErasure("run_1")).toMatchObject({ why: "run", atMs: 1_000 });
  });

  it("can not read a copy of a tenant's journals once the tenant was erased", async () => {
    const journals = open();
    await journals.keep(kept("run_1"));
    const copy = await store.journals.find("run_1");
    expect(await journals.erase({ kind: "tenant", tenant: "acme" })).toBe(1);
    // The tenant goes on, under a new key.
    await journals.keep(kept("run_2"));
    expect(await journals.read("run_2")).toBe(TEXT);
    if (copy === undefined) throw new TypeError("It was not kept");
    expect(await store.journals.put(copy)).toBe(false);
    const { id } = (await store.journals.findKey("acme")) ?? { id: "" };
    await store.journals.put({ ...copy, keyId: id });
    await expect(journals.read("run_1")).rejects.toThrow("it was changed");
  });

  it("erases by itself what is over its days", async () => {
    const journals = open();
    await journals.keep(kept("run_1"));
    const failures: unknown[] = [];
    nowMs += 86_400_000;
    const stop = journals.watch((error) => failures.push(error));
    await expect.poll(() => store.journals.findErasure("run_1")).toMatchObject({ why: "retention" });
    stop();
    expect(failures).toEqual([]);
  });
});
