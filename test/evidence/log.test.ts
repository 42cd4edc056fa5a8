/** The log of a gateway: what it refuses to sign, what failing to sign costs, and what callers keep. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decodeBase64 } from "../../src/core/manifest/index.ts";
import {
  openCheckpoint,
  parseProof,
  proveConsistency,
  TileNodes,
  verifyConsistency,
} from "../../src/core/merkle/index.ts";
import { Checkpoints } from "../../src/evidence/checkpoints.ts";
import { verifySignature } from "../../src/identity/index.ts";
import { noFaults } from "../support/sqlite.ts";
import {
  completed,
  knownOf,
  type TestGateway,
  TRUST,
  testNoteSigner,
  testStorage,
  verified,
  verifiedSeal,
} from "./support.ts";

let storage: Awaited<ReturnType<typeof testStorage>>;
let gateway: TestGateway;

beforeEach(async () => {
  storage = await testStorage();
  gateway = await storage.start(noFaults());
});
afterEach(async () => {
  await gateway.store.close();
  await storage.remove();
});

async function sealOne(n: number) {
  await gateway.evidence.admit(knownOf(completed(n)));
  return await gateway.evidence.seal(completed(n), []);
}

async function readCheckpoint() {
  const opened = await openCheckpoint(await gateway.evidence.checkpoint(), TRUST.logs, verifySignature);
  return opened?.checkpoint ?? expect.fail("no checkpoint of the log's");
}

describe("Checkpoints", () => {
  const root = (n: number) => new Uint8Array(32).fill(n);

  it("never signs two roots of one size", async () => {
    const checkpoints = new Checkpoints(testNoteSigner());
    await checkpoints.of({ size: 3, root: root(1) });
    await expect(checkpoints.of({ size: 3, root: root(2) })).rejects.toThrow("another root of 3 entries");
  });

  it("signs a head once, however many ask, and again after a failure", async () => {
    const signer = testNoteSigner();
    const checkpoints = new Checkpoints(signer);
    signer.fails = true;
    await expect(checkpoints.of({ size: 3, root: root(1) })).rejects.toThrow("checkpoint signer down");
    signer.fails = false;
    const notes = await Promise.all(
      Array.from({ length: 20 }, () => checkpoints.of({ size: 3, root: root(1) })),
    );
    expect(new Set(notes).size).toBe(1);
    expect(signer.asked).toBe(2);
  });

  it("signs a head that it has forgotten as the same text", async () => {
    const checkpoints = new Checkpoints(testNoteSigner());
    const first = await checkpoints.of({ size: 1, root: root(1) });
    for (let size = 2; size < 600; size++) await checkpoints.of({ size, root: root(2) });
    expect(await checkpoints.of({ size: 1, root: root(1) })).toEqual(first);
  });
});

describe("evidence with a log", () => {
  it("withholds the answer while no checkpoint can be signed; the manifest can be had later", async () => {
    gateway.noteSigner.fails = true;
    await gateway.evidence.admit(knownOf(completed(1)));
    const sealing = gateway.evidence.seal(completed(1), []);
    await expect(sealing).rejects.toMatchObject({ code: "evidence-unavailable" });
    await expect(gateway.evidence.checkpoint()).rejects.toMatchObject({ code: "evidence-unavailable" });
    const row = await gateway.store.findRun("acme", completed(1).run);
    await expect(verifiedSeal(gateway, row)).rejects.toMatchObject({ code: "evidence-unavailable" });
    gateway.noteSigner.fails = false;
    expect(await gateway.evidence.reconcile(Number.POSITIVE_INFINITY)).toEqual({ sealed: 0, failed: 0 });
    expect((await verifiedSeal(gateway, row)).outcome).toEqual({ kind: "completed" });
  });

  it("signs one checkpoint for all seals of a commit", async () => {
    const runs = Array.from({ length: 40 }, (_, n) => completed(n));
    await Promise.all(runs.map((run) => gateway.evidence.admit(knownOf(run))));
    const sealed = await Promise.all(runs.map((run) => gateway.evidence.seal(run, [])));
    const notes = new Set(sealed.map(({ receipt }) => parseProof(receipt.proof)?.checkpoint));
    expect(gateway.noteSigner.asked).toBe(notes.size);
    expect(notes.size).toBeLessThan(10);
    for (const { text } of sealed) await verified(text);
  });

  it("gives a receipt that proves the same as the manifest", async () => {
    await sealOne(1);
    const { bundle, receipt } = await sealOne(2);
    const [entry] = bundle.verificationMaterial.tlogEntries ?? expect.fail("no log entry");
    const { logIndex, hashes, checkpoint } = entry.inclusionProof;
    expect(parseProof(receipt.proof)).toEqual({
      index: BigInt(receipt.sequence),
      path: hashes.map(decodeBase64),
      checkpoint: checkpoint.envelope,
    });
    expect(logIndex).toBe("1");
  });

  it("has every sealed run, refusals too, in its newest checkpoint, consistent with each before", async () => {
    const heads = [];
    for (let n = 0; n < 30; n++) {
      if (n % 5 === 4) await gateway.evidence.refuse({ ...completed(n), outcome: { kind: "denied" } });
      else await sealOne(n);
      heads.push(await readCheckpoint());
    }
    expect(heads.map(({ size }) => size)).toEqual(heads.map((_, n) => BigInt(n + 1)));
    const last = heads.at(-1) ?? expect.fail();
    const tile = new TileNodes(await gateway.store.logTile(0, 0, 30));
    for (const { size, root } of heads) {
      const path = proveConsistency(Number(size), 30, (level, at) => tile.node(level, at) ?? expect.fail());
      expect(verifyConsistency({ oldSize: size, oldRoot: root, size: 30n, root: last.root, path })).toBe(
        true,
      );
    }
  });

  it("gives a seal from before the log as it is, without a proof, and no verifier takes it for logged", async () => {
    const entry = `{"apiVersion":"0.0.1","kind":"unlogged","spec":{"digest":"${"0".repeat(64)}"}}`;
    const { bundle } = await sealOne(1);
    const { tlogEntries: _, ...material } = bundle.verificationMaterial;
    const old = JSON.stringify({ ...bundle, verificationMaterial: material });
    const { sequence } = await gateway.store.recordRefusal(
      { run: "run_old", tenant: "acme", tool: "t", function: "f", admittedAtMs: 1, predicate: "{}" },
      { run: "run_old", outcome: "completed", digest: "", bundle: old, entry, sealedAtMs: 1 },
    );
    const row = await gateway.store.findRun("acme", "run_old");
    expect(row?.seal?.sequence).toBe(sequence);
    expect(await gateway.evidence.manifest(row?.seal ?? expect.fail())).toBe(old);
    await expect(verified(old)).rejects.toThrow("0 log entries, want 1");
  });
});
