/** Runs around a rotation of both keys: what was sealed before verifies for ever, what was sealed after verifies too. */

import { join } from "node:path";
import { expect, it } from "vitest";
import { runtime } from "#runtime";
import { joinTrust, parseTrust, verifyBundle } from "../../src/core/manifest/index.ts";
import { createEvidence } from "../../src/evidence/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { openSigners, rotateKeys } from "../../src/wiring/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { temporaryFolder } from "../support/sqlite.ts";
import { knownOf, testClock } from "./support.ts";

const HOUR = 3_600_000;

async function open() {
  const folder = await temporaryFolder();
  const clock = testClock();
  const world = { ...runtime, clock };
  const place = { keysFolder: join(folder.path, "keys"), origin: "log.example" };
  const signers = await openSigners(world, { ...place, address: undefined });
  const store = await openStore(runtime.openSqlite(join(folder.path, "writ.sqlite")));
  const evidence = createEvidence({ store, clock, ...signers });
  const run = (n: number, finishedAtMs = clock.now) =>
    predicateOf({
      run: `run_${String(n).padStart(26, "0")}`,
      finished_at: new Date(finishedAtMs).toISOString(),
    });
  const seal = async (n: number, finishedAtMs?: number) => {
    await evidence.admit(knownOf(run(n)));
    return await evidence.seal(run(n, finishedAtMs), []);
  };
  /** With nothing but the files that a verifier is given. */
  const verify = async (text: string) => {
    const files = ["jwks.json", "trusted_root.json"].map((name) =>
      runtime.files.read(`${place.keysFolder}/${name}`),
    );
    const parts = (await Promise.all(files)).map((bytes) => parseTrust(bytes ?? new Uint8Array()));
    const trust = joinTrust(parts.map((part) => (part.ok ? part.trust : expect.fail(JSON.stringify(part)))));
    return await verifyBundle(new TextEncoder().encode(text), trust, verifySignature);
  };
  const rotate = (overlapMs: number) =>
    rotateKeys(world, { ...place, overlapMs, kinds: ["manifest", "checkpoint"] });
  const close = async () => {
    await store.close();
    await folder.remove();
  };
  return { clock, store, evidence, seal, verify, rotate, close };
}

it("a rotation with overlap: every run before, during and after it verifies with what is published", async () => {
  const { clock, store, evidence, seal, verify, rotate, close } = await open();
  const texts: string[] = [];
  const seals: Awaited<ReturnType<typeof seal>>[] = [];
  const sealNext = async () => {
    const sealed = await seal(seals.length);
    seals.push(sealed);
    texts.push(sealed.text);
  };
  await sealNext();
  await rotate(HOUR);
  for (let step = 0; step < 5; step++) {
    await sealNext();
    clock.now += HOUR / 4;
  }
  await sealNext();
  expect(new Set(seals.map(({ receipt }) => receipt.keyId)).size).toBe(2);
  // A year later, those that were given out then, and those that are asked for now.
  clock.now += 365 * 24 * HOUR;
  for (const text of texts) expect((await verify(text)).checks.at(-1)).toMatchObject({ ok: true });
  for (const { intent, seal: stored } of await store.listRuns("acme", 100)) {
    const report = await verify(await evidence.manifest(stored ?? expect.fail(intent.run)));
    expect(report.checks.filter(({ ok }) => !ok)).toEqual([]);
  }
  await close();
});

it("a lost key: what it signs after its end is refused by every verifier that knows of it", async () => {
  const { clock, seal, verify, rotate, close } = await open();
  const before = await seal(1);
  const stolen = await seal(2, clock.now + HOUR);
  clock.now += 1_000;
  await rotate(0);
  expect((await verify(before.text)).ok).toBe(true);
  expect((await verify(stolen.text)).checks.at(-1)).toMatchObject({ check: "key-validity", ok: false });
  await close();
});

it("a run that ended before an urgent rotation, sealed after it: never signed as it is, closed as indeterminate", async () => {
  const { clock, store, evidence, seal, verify, rotate, close } = await open();
  await seal(1);
  const endedAtMs = clock.now;
  clock.now += 1_000;
  await rotate(0);
  clock.now += 6_000;
  await expect(seal(2, endedAtMs)).rejects.toMatchObject({ code: "evidence-unavailable" });
  await evidence.reconcile(0);
  await evidence.reconcile(Number.POSITIVE_INFINITY);
  const [row] = await store.listRuns("acme", 1);
  expect(row?.seal?.outcome).toBe("indeterminate");
  const report = await verify(await evidence.manifest(row?.seal ?? expect.fail("open")));
  expect(report.ok).toBe(true);
  await close();
});
