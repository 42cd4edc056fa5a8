/** What a loss of power leaves of a SQLite store: nothing less than was synced, and whole. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { Store } from "../../../src/ports/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { type Commit, diskOf, tellCommits } from "../../support/commits.ts";
import { arm, type Faults, noFaults, openFaultySqlite, temporaryFolder } from "../../support/sqlite.ts";
import { intentOf, sealOf } from "./intents.ts";

const WINDOW = { class: "exploratory", per_seconds: 60, starts_at_ms: 0, limit: { runs: 9 } } as const;
const OWNER = { tenant: "acme", tool: "hash" };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let commits: Commit[];
let faults: Faults;
let now: number;
let store: Store;
let disk: ReturnType<typeof diskOf>;

beforeEach(async () => {
  folder = await temporaryFolder();
  [commits, faults, now] = [[], noFaults(), 0];
  const path = join(folder.path, "writ.db");
  disk = diskOf(path);
  store = await openStore(
    tellCommits(openFaultySqlite(path, faults), (make, commit) => {
      commits.push(commit);
      disk.onCommit(make, commit);
    }),
    { nowMs: () => now },
  );
  await store.check();
  commits.length = 0;
});
afterEach(async () => {
  await store.close();
  await folder.remove();
});

/** Admits a run that takes one from a window. */
function admit(n: number) {
  const intent = intentOf(n);
  const take = { runs: 1, fuel: 0, egress_bytes: 0, wall_ms: 0 };
  const claims = { ...intent, atMs: 2, windows: [{ ...WINDOW, take }], expiresAtMs: 9000 };
  return store.recordIntent(intent, claims);
}

/** Runs that are found when the machine is on again, and what is held of the window. */
async function lose() {
  const to = join(folder.path, "found.db");
  disk.losePower(to);
  const found = await openStore(runtime.openSqlite(to));
  try {
    const runs = (await found.scanRuns("", 100)).map(
      ({ intent, seal }) => `${Number(intent.run.slice(4))} ${seal?.outcome ?? "open"}`,
    );
    return { runs, held: (await found.accounts.heldOf(OWNER, WINDOW))?.runs ?? 0 };
  } finally {
    await found.close();
  }
}

const syncs = () => commits.filter(({ synced }) => synced).length;

describe("a machine that loses its power", () => {
  it("may have lost an intent that nobody synced, and then what it claimed as well", async () => {
    await admit(1);
    expect(await lose()).toEqual({ runs: [], held: 0 });
    expect(syncs()).toBe(0);
  });

  it("has an intent that was synced, and what it claimed", async () => {
    await admit(1);
    await admit(2);
    await store.syncIntent(intentOf(1).run);
    // In the order in which they were written: the second is behind the first, and before the sync.
    expect(await lose()).toEqual({ runs: ["1 open", "2 open"], held: 2 });
    expect(syncs()).toBe(1);
  });

  it("has what any other write took along, which needs no further sync", async () => {
    await admit(1);
    await store.check();
    await store.syncIntent(intentOf(1).run);
    expect(await lose()).toEqual({ runs: ["1 open"], held: 1 });
    expect(syncs()).toBe(1);
  });

  it("has it also when another write came between that found nothing to change, and so synced nothing by itself", async () => {
    await admit(1);
    await store.accounts.expire(0);
    await store.syncIntent(intentOf(1).run);
    expect(await lose()).toEqual({ runs: ["1 open"], held: 1 });
  });

  it("has a sealed run whole: its intent and its seal by one sync", async () => {
    await admit(1);
    await store.seal(sealOf(intentOf(1)));
    expect(await lose()).toEqual({ runs: ["1 completed"], held: 1 });
    expect(commits.map(({ synced }) => synced)).toEqual([false, true]);
  });

  it("syncs what is to be synced when it shares a commit with what is not", async () => {
    await Promise.all([admit(1), store.check(), admit(2)]);
    expect(commits.map(({ synced }) => synced)).toEqual([true]);
    await admit(3);
    expect((await lose()).runs).toEqual(["1 open", "2 open"]);
  });
});

describe("a disk that fails between an intent and its sync", () => {
  /** Lets the next write of somebody else fail as disks fail. */
  async function fail(): Promise<void> {
    arm(faults, 1, "not-stored");
    faults.errcode = 1034;
    await expect(store.check()).rejects.toThrow("fault");
    arm(faults, undefined);
    await expect(store.syncIntent(intentOf(1).run)).rejects.toThrow("the disk failed");
    now = 1000;
  }

  it("rejects at every failing step, and syncs when it is asked again", async () => {
    for (const [index, mode] of (["not-stored", "stored"] as const).entries()) {
      for (const step of [1, 2, 3]) {
        const n = 10 * index + step;
        await admit(n);
        arm(faults, step, mode);
        await expect(store.syncIntent(intentOf(n).run)).rejects.toThrow(`fault at write ${step}`);
        arm(faults, undefined);
        await store.syncIntent(intentOf(n).run);
        expect((await lose()).runs.at(-1)).toBe(`${n} open`);
      }
    }
  });

  it("lets the run go on when it has kept the intent", async () => {
    await admit(1);
    await fail();
    await store.syncIntent(intentOf(1).run);
    expect((await lose()).runs).toEqual(["1 open"]);
  });

  it("has the run end when it has lost the intent, and nobody is told that it was kept", async () => {
    await admit(1);
    const path = join(folder.path, "writ.db");
    await fail();
    // What the log of writes had of it is gone.
    const thief = runtime.openSqlite(path);
    thief.exec(
      "PRAGMA foreign_keys = OFF; DROP TRIGGER open_runs_close_by_seal; DROP TRIGGER runs_refuse_delete",
    );
    thief.exec("DELETE FROM open_runs; DELETE FROM runs");
    thief.close();
    await expect(store.syncIntent(intentOf(1).run)).rejects.toThrow("it is not open");
    await expect(store.seal(sealOf(intentOf(1)))).rejects.toThrow();
    // Of what was never said to be durable nothing is missed: the store goes on.
    await store.check();
    await admit(2);
    await store.syncIntent(intentOf(2).run);
  });
});
