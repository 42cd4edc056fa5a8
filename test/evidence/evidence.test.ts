import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GatewayError } from "../../src/core/errors.ts";
import type { RunPredicate } from "../../src/core/manifest/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { arm, type Faults, noFaults } from "../support/sqlite.ts";
import { completed, KEY, knownOf, type TestGateway, testStorage, verified, verifiedSeal } from "./support.ts";

let storage: Awaited<ReturnType<typeof testStorage>>;
let faults: Faults;
let gateway: TestGateway;

beforeEach(async () => {
  storage = await testStorage();
  faults = noFaults();
  gateway = await storage.start(faults);
});
afterEach(async () => {
  await gateway.store.close();
  await storage.remove();
});

/** The gateway dies and another one starts on what it left. */
async function restart(): Promise<void> {
  await gateway.store.close();
  faults = noFaults();
  gateway = await storage.start(faults);
}

async function outcomeOf(run: string): Promise<RunPredicate["outcome"]> {
  return (await verifiedSeal(gateway, await gateway.store.findRun("acme", run))).outcome;
}

describe("seal()", () => {
  it("withholds the answer while a required field is missing, and the manifest still says what happened", async () => {
    const predicate = predicateOf({ trace_id: "" });
    await gateway.evidence.admit(knownOf(predicate));
    const sealing = gateway.evidence.seal(predicate, ["tenant", "trace_id"]);
    await expect(sealing).rejects.toThrow("the policy requires trace_id");
    await expect(sealing).rejects.toBeInstanceOf(GatewayError);
    expect((await gateway.store.findRun("acme", predicate.run))?.seal).toBeUndefined();
    expect(await gateway.evidence.reconcile(0)).toEqual({ sealed: 1, failed: 0 });
    expect(await outcomeOf(predicate.run)).toEqual({ kind: "completed" });
  });

  it("refuses a run that was not admitted, or is sealed", async () => {
    const predicate = completed(1);
    await expect(gateway.evidence.seal(predicate, [])).rejects.toThrow("Cannot seal run");
    await gateway.evidence.admit(knownOf(predicate));
    await gateway.evidence.seal(predicate, []);
    await expect(gateway.evidence.seal(predicate, [])).rejects.toMatchObject({
      code: "evidence-unavailable",
    });
    expect(await gateway.evidence.reconcile(Number.POSITIVE_INFINITY)).toEqual({ sealed: 0, failed: 0 });
  });

  it("refuses a run that the reconciler sealed under its feet: the answer is withheld", async () => {
    const predicate = completed(1);
    await gateway.evidence.admit(knownOf(predicate));
    await gateway.evidence.reconcile(Number.POSITIVE_INFINITY);
    await expect(gateway.evidence.seal(predicate, [])).rejects.toMatchObject({
      code: "evidence-unavailable",
    });
    await gateway.evidence.reconcile(Number.POSITIVE_INFINITY);
    expect(await outcomeOf(predicate.run)).toEqual({ kind: "indeterminate", reason: "gateway-ended" });
  });

  it("gives a receipt that matches what is stored", async () => {
    const predicate = completed(1);
    await gateway.evidence.admit(knownOf(predicate));
    const { bundle, text, receipt } = await gateway.evidence.seal(predicate, ["fuel", "task"]);
    const stored = (await gateway.store.findRun("acme", predicate.run))?.seal;
    expect(stored).toMatchObject({ sequence: receipt.sequence, digest: receipt.digest });
    expect(await gateway.evidence.manifest(stored ?? expect.fail("nothing stored"))).toBe(text);
    expect(JSON.parse(text)).toEqual(bundle);
    expect(receipt).toMatchObject({ sequence: 0, keyId: KEY.keyId });
    expect(await verified(text)).toEqual(predicate);
  });
});

describe("reconcile()", () => {
  it("seals what a dead gateway left as indeterminate, with all that was known before", async () => {
    const predicate = completed(1);
    await gateway.evidence.admit(knownOf(predicate));
    await restart();
    gateway.clock.now += 60_000;
    expect(await gateway.evidence.reconcile(Number.POSITIVE_INFINITY)).toEqual({ sealed: 1, failed: 0 });
    const row = await gateway.store.findRun("acme", predicate.run);
    expect(await verifiedSeal(gateway, row)).toEqual({
      ...knownOf(predicate),
      output_hash: null,
      memory_peak_bytes: null,
      events: [],
      outcome: { kind: "indeterminate", reason: "gateway-ended" },
      finished_at: "2026-02-01T00:01:00.000Z",
    });
    expect(row?.seal?.outcome).toBe("indeterminate");
  });

  it("leaves runs alone that were admitted at or after the moment", async () => {
    const admittedAtMs = gateway.clock.now;
    await gateway.evidence.admit(knownOf(completed(1)));
    expect(await gateway.evidence.reconcile(admittedAtMs)).toEqual({ sealed: 0, failed: 0 });
    expect(await gateway.evidence.reconcile(admittedAtMs + 1)).toEqual({ sealed: 1, failed: 0 });
  });

  it("says that a run did not start when its intent was stored in spite of the failure", async () => {
    arm(faults, 4, "stored");
    await expect(gateway.evidence.admit(knownOf(completed(1)))).rejects.toMatchObject({
      code: "evidence-unavailable",
    });
    arm(faults, undefined);
    expect(await gateway.evidence.reconcile(0)).toEqual({ sealed: 1, failed: 0 });
    expect(await outcomeOf(completed(1).run)).toEqual({ kind: "indeterminate", reason: "not-started" });
  });

  it("seals many runs of a dead gateway, once each, also when rounds are asked for at once", async () => {
    await Promise.all(Array.from({ length: 150 }, (_, n) => gateway.evidence.admit(knownOf(completed(n)))));
    await restart();
    const rounds = [1, 2, 3].map(() => gateway.evidence.reconcile(Number.POSITIVE_INFINITY));
    expect((await Promise.all(rounds)).map(({ sealed, failed }) => [sealed, failed])).toEqual([
      [150, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it("names an intent that it can not read, and seals the others", async () => {
    const { store, evidence } = gateway;
    const broken = { tenant: "acme", tool: "t", function: "f", admittedAtMs: 1 };
    await store.recordIntent({ ...broken, run: "run_a", predicate: "{" });
    await store.recordIntent({ ...broken, run: "run_b", predicate: "null" });
    await evidence.admit(knownOf(completed(1)));
    const { sealed, failed, error } = await evidence.reconcile(Number.POSITIVE_INFINITY);
    expect([sealed, failed]).toEqual([1, 2]);
    expect(error).toBeInstanceOf(Error);
  });

  it("believes the columns, not the stored text, about which run it is", async () => {
    const intent = { run: "run_x", tenant: "acme", tool: "t", function: "f", admittedAtMs: 1 };
    await gateway.store.recordIntent({
      ...intent,
      predicate: JSON.stringify({ ...knownOf(completed(7)), tenant: "evil" }),
    });
    await gateway.evidence.reconcile(Number.POSITIVE_INFINITY);
    const row = await gateway.store.findRun("acme", "run_x");
    expect(await verifiedSeal(gateway, row)).toMatchObject({ run: "run_x", tenant: "acme", tool: "t" });
  });

  it("rejects with evidence-unavailable when open runs can not be read", async () => {
    await gateway.store.close();
    await expect(gateway.evidence.reconcile(0)).rejects.toMatchObject({ code: "evidence-unavailable" });
    gateway = await storage.start(noFaults());
  });
});

describe("watch()", () => {
  /** Lets the next waiting round happen, and waits until the one after it is waiting. */
  async function round(): Promise<void> {
    gateway.clock.waiting.shift()?.action();
    await expect.poll(() => gateway.clock.waiting.length).toBe(1);
  }

  it("seals what failed once the signer is back, tells of failures, and stops", async () => {
    const errors: unknown[] = [];
    const stop = gateway.evidence.watch({
      everyMs: 1000,
      graceMs: 60_000,
      onError: (error) => errors.push(error),
    });
    expect(gateway.clock.waiting.map(({ ms }) => ms)).toEqual([1000]);
    await gateway.evidence.admit(knownOf(completed(1)));
    await gateway.evidence.admit(knownOf(completed(2)));
    gateway.signer.fails = "before";
    await expect(gateway.evidence.seal(completed(1), [])).rejects.toThrow();
    await round();
    expect(errors).toHaveLength(1);
    gateway.signer.fails = undefined;
    await round();
    expect(errors).toHaveLength(1);
    expect(await outcomeOf(completed(1).run)).toEqual({ kind: "completed" });
    expect((await gateway.store.findRun("acme", completed(2).run))?.seal).toBeUndefined();
    // Its own time to live is over, and the grace is not: another gateway's clock may be behind this one's.
    const { granted } = completed(2).budget?.wall_ms ?? expect.fail("no time to live");
    gateway.clock.now += granted + 60_000;
    await round();
    expect((await gateway.store.findRun("acme", completed(2).run))?.seal).toBeUndefined();
    gateway.clock.now += 1;
    await round();
    expect(await outcomeOf(completed(2).run)).toEqual({ kind: "indeterminate", reason: "gateway-ended" });
    stop();
    expect(gateway.clock.waiting).toEqual([]);
  });
});
