/** The log of writes is brought into the database while nobody waits, and at no other time. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { Store } from "../../../src/ports/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { temporaryFolder } from "../../support/sqlite.ts";
import { intentOf, sealOf } from "./intents.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let path: string;
/** Whether the disk fails while the log of writes is brought into the database. */
let fails: boolean;
let told: string[];
let now: number;
let store: Store;
/** What is to happen after a pause. */
let pauses: (() => void)[];

beforeEach(async () => {
  folder = await temporaryFolder();
  path = join(folder.path, "writ.db");
  [fails, told, pauses, now] = [false, [], [], 0];
  const database = runtime.openSqlite(path);
  const failing = (sql: string) => {
    // SQLITE_IOERR_FSYNC
    if (fails && sql.includes("checkpoint"))
      throw Object.assign(new Error("disk I/O error"), { errcode: 1034 });
    database.exec(sql);
  };
  store = await openStore(
    { ...database, exec: failing },
    {
      nowMs: () => now,
      tellDisk: ({ event }) => void told.push(event),
      after(_, action) {
        pauses.push(action);
        return () => void pauses.splice(pauses.indexOf(action) >>> 0, 1);
      },
    },
  );
});
afterEach(async () => {
  await store.close();
  await folder.remove();
});

/** Runs, each of two transactions. */
async function run(from: number, count: number): Promise<void> {
  for (let n = from; n < from + count; n++) {
    await store.recordIntent(intentOf(n));
    await store.seal(sealOf(intentOf(n)));
  }
}

/** Lets a pause end. */
const pass = () => pauses.shift()?.();
const bytes = () => statSync(path).size;

it("is brought there behind many transactions and a pause in which none came", async () => {
  await run(0, 20);
  expect(pauses).toEqual([]);
  await run(20, 20);
  const before = bytes();
  await run(40, 1);
  pass();
  expect([bytes(), pauses.length]).toEqual([before, 1]);
  pass();
  expect([bytes() > before, pauses.length]).toEqual([true, 0]);
  // From here on it is counted anew, and written as before.
  await run(41, 20);
  expect([pauses.length, (await store.logHead()).size]).toEqual([0, 61]);
});

it("waits for what waits", async () => {
  await run(0, 40);
  pass();
  const before = bytes();
  const writing = store.recordIntent(intentOf(40));
  pass();
  expect([bytes(), pauses.length]).toEqual([before, 0]);
  await writing;
});

it("takes a failure of the disk for one, and goes on when it is well", async () => {
  await run(0, 40);
  pass();
  fails = true;
  pass();
  fails = false;
  expect([store.isWritable(), told]).toEqual([false, ["disk-failed"]]);
  now = 1000;
  await run(40, 1);
  expect([store.isWritable(), (await store.logHead()).size]).toEqual([true, 41]);
});

it("is left alone by a store that is closed", async () => {
  await run(0, 40);
  await store.close();
  expect(pauses).toEqual([]);
});
