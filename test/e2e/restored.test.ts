/** A database restored from a copy that was taken while it was written: whole by itself, and never signed again as newer. */

import { cp } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createEvidence } from "../../src/evidence/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { guardLog } from "../../src/wiring/index.ts";
import { completed, knownOf, testNoteSigner, testSigner, verified } from "../evidence/support.ts";
import { temporaryFolder } from "../support/sqlite.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const closers: (() => Promise<void> | void)[] = [];
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await folder.remove();
});

const { clock } = runtime;
const kept = () => join(folder.path, "last-checkpoint");

async function open(name: string) {
  const store = await openStore(runtime.openSqlite(join(folder.path, name, "writ.sqlite")));
  closers.push(() => store.close());
  const signers = { signer: testSigner(), noteSigner: testNoteSigner() };
  const evidence = createEvidence({ store, clock, ...signers });
  const seal = async (n: number) => {
    await evidence.admit(knownOf(completed(n)));
    await evidence.seal(completed(n), []);
  };
  const guard = async () => closers.push(await guardLog(runtime, kept(), { store, evidence, ...signers }));
  return { store, evidence, seal, guard };
}

/** Copies the files one after another, as a backup does that knows nothing of SQLite. */
async function copyWhile(work: () => Promise<void>): Promise<void> {
  const working = work();
  await cp(join(folder.path, "live"), join(folder.path, "copy"), { recursive: true });
  await working;
}

it("a copy taken while it is written opens as a whole, earlier log, or not at all", async () => {
  await runtime.files.write(join(folder.path, "live", "README"), "");
  const live = await open("live");
  for (let n = 0; n < 50; n++) await live.seal(n);
  await copyWhile(async () => {
    for (let n = 50; n < 150; n++) await live.seal(n);
  });
  const copy = await open("copy").catch((error: unknown) =>
    expect(String(error)).toMatch(/malformed|corrupt|hash/),
  );
  if (copy === undefined) return;
  await copy.evidence.reconcile(Number.POSITIVE_INFINITY);
  const { size } = await copy.store.logHead();
  expect(size).toBeGreaterThanOrEqual(50);
  for (const { seal } of await copy.store.listRuns("acme", 200)) {
    await verified(seal && (await copy.evidence.manifest(seal)));
  }
});

it("an older database than what was signed is not gone on with; a newer one, and another log, are", async () => {
  await runtime.files.write(join(folder.path, "live", "README"), "");
  const live = await open("live");
  for (let n = 0; n < 10; n++) await live.seal(n);
  await cp(join(folder.path, "live"), join(folder.path, "copy"), { recursive: true });
  for (let n = 10; n < 300; n++) await live.seal(n);
  await live.guard();
  await expect.poll(async () => (await runtime.files.read(kept())) !== undefined).toBe(true);

  const copy = await open("copy");
  await expect(copy.guard()).rejects.toThrow(/its database has \d+ entries, and 300 were signed before/);
  // As long as before, with other runs: the same size, another history.
  for (let n = 1000; n < 1290; n++) await copy.seal(n);
  await expect(copy.guard()).rejects.toThrow(/does not begin with the 300 entries/);
  for (let n = 2000; n < 2010; n++) await copy.seal(n);
  await expect(copy.guard()).rejects.toThrow(/does not begin with the 300 entries/);

  for (let n = 300; n < 320; n++) await live.seal(n);
  await live.guard();
  await runtime.files.write(kept(), "other.example\n5\nAAAA\n");
  await live.guard();
});

it("a guard that was told to stop writes nothing after it says that it has stopped", async () => {
  await runtime.files.write(join(folder.path, "live", "README"), "");
  const live = await open("live");
  await live.seal(0);
  const noteSigner = testNoteSigner();
  const events: string[] = [];
  const arrived = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const files: typeof runtime.files = {
    ...runtime.files,
    async write(path, bytes, options) {
      arrived.resolve();
      await held.promise;
      await runtime.files.write(path, bytes, options);
      events.push("written");
    },
  };
  const { store, evidence } = live;
  const stop = await guardLog({ ...runtime, files }, kept(), { store, evidence, noteSigner });
  await arrived.promise;
  const stopped = stop().then(() => events.push("stopped"));
  held.resolve();
  await stopped;
  expect(events).toEqual(["written", "stopped"]);
});
