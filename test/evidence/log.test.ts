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

describe("Checkpoints.expect()", () => {
  const headOf = (size: number, n: number) => ({ size, root: new Uint8Array(32).fill(n) });
  const askable = () => Object.assign(testNoteSigner(), { mayBeAskedAhead: true } as const);

  it("signs once for a head that comes to be", async () => {
    const signer = askable();
    const checkpoints = new Checkpoints(signer);
    const head = headOf(3, 1);
    checkpoints.expect(head);
    expect(signer.asked).toBe(1);
    expect(await checkpoints.of(head)).toEqual(await new Checkpoints(testNoteSigner()).of(headOf(3, 1)));
    expect(signer.asked).toBe(1);
  });

  it("shows nothing of a head that does not come to be, and signs the one that does", async () => {
    const signer = askable();
    const checkpoints = new Checkpoints(signer);
    checkpoints.expect(headOf(3, 1));
    const other = headOf(3, 2);
    expect(await checkpoints.of(other)).toEqual(await new Checkpoints(testNoteSigner()).of(other));
    // Not the same commit's either, though it reads alike: that it failed is all that is known of it.
    checkpoints.expect(headOf(4, 3));
    await checkpoints.of(headOf(4, 3));
    expect(signer.asked).toBe(4);
  });

  it("tells of a signer that failed only whoever asks", async () => {
    const signer = askable();
    const checkpoints = new Checkpoints(signer);
    const head = headOf(3, 1);
    signer.fails = true;
    checkpoints.expect(head);
    await expect(checkpoints.of(head)).rejects.toThrow("checkpoint signer down");
    signer.fails = false;
    expect((await checkpoints.of(head)).note).toContain("\n3\n");
  });

  it("does not ask a signer that keeps account, nor of a size that is signed", async () => {
    const [account, open] = [testNoteSigner(), askable()];
    new Checkpoints(account).expect(headOf(3, 1));
    const checkpoints = new Checkpoints(open);
    await checkpoints.of(headOf(3, 1));
    checkpoints.expect(headOf(3, 2));
    expect([account.asked, open.asked]).toEqual([0, 1]);
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
