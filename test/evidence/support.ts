/** A gateway's evidence over a real SQLite file, with a clock and a signer that do as they are told. */
import { join } from "node:path";
import { encodeBase64, type RunPredicate, type Trust, verifyBundle } from "../../src/core/manifest/index.ts";
import { createEvidence, type Evidence, type KnownBeforeRun } from "../../src/evidence/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import type { Clock, NoteSigner, PublicKey, RunRow, Signer, Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { predicateOf, type TestKey, testKey } from "../core/manifest/fixtures.ts";
import { testLog } from "../core/manifest/logs.ts";
import { type Faults, openFaultySqlite, temporaryFolder } from "../support/sqlite.ts";

/** A clock that moves when it is told to. */
export interface TestClock extends Clock {
  now: number;
  /** What waits, oldest first. */
  readonly waiting: { readonly ms: number; readonly action: () => void }[];
}

/** @returns a clock standing at 2026-02-01T00:00:00Z. */
export function testClock(): TestClock {
  const waiting: TestClock["waiting"] = [];
  const clock: TestClock = {
    now: Date.UTC(2026, 1, 1),
    waiting,
    nowMs: () => clock.now,
    monotonicMs: () => clock.now,
    after(ms, action) {
      const entry = { ms, action };
      waiting.push(entry);
      return () => void waiting.splice(waiting.indexOf(entry) >>> 0, 1);
    },
  };
  return clock;
}

/** A signer that fails when it is told to: before it signs, or after. */
export interface TestSigner extends Signer {
  fails: "before" | "after" | undefined;
}

const key: TestKey = await testKey();

/** The same key, as signers publish it. */
export const KEY: PublicKey = {
  keyId: key.trusted.keyId,
  spki: Uint8Array.from(Buffer.from(key.trusted.spki, "base64")),
  validFromMs: 0,
};

const log = await testLog();

/** What verifies the gateway's manifests. */
export const TRUST: Trust = { keys: [key.trusted], logs: [log.trusted], logRequired: true };

/** A signer of checkpoints that fails when it is told to. */
export interface TestNoteSigner extends NoteSigner {
  fails: boolean;
  /** How many checkpoints it was asked for. */
  asked: number;
}

/** @returns a signer for the log that {@link TRUST} trusts. */
export function testNoteSigner(): TestNoteSigner {
  const signer: TestNoteSigner = {
    ...log.signer,
    fails: false,
    asked: 0,
    sign(bytes) {
      signer.asked++;
      return signer.fails ? Promise.reject(new Error("checkpoint signer down")) : log.signer.sign(bytes);
    },
  };
  return signer;
}

/** @returns a signer with the key that {@link TRUST} trusts. */
export function testSigner(): TestSigner {
  const signer: TestSigner = {
    fails: undefined,
    keys: async () => [KEY],
    async sign(bytes) {
      if (signer.fails === "before") throw new Error("signer down");
      const signature = await key.sign(Uint8Array.from(bytes));
      if (signer.fails === "after") throw new Error("signer answered too late");
      return { signature, key: KEY };
    },
  };
  return signer;
}

/** One gateway's life over a storage that outlives it. */
export interface TestGateway {
  readonly store: Store;
  readonly evidence: Evidence;
  readonly signer: TestSigner;
  readonly noteSigner: TestNoteSigner;
  readonly clock: TestClock;
}

/** @returns a storage on which gateways can be started one after the other. */
export async function testStorage() {
  const folder = await temporaryFolder();
  return {
    async start(faults: Faults): Promise<TestGateway> {
      // Every look at the clock is a minute later, so that a disk that failed is tried again at once.
      let nowMs = 0;
      const options = { nowMs: () => (nowMs += 60_000) };
      const store = await openStore(openFaultySqlite(join(folder.path, "writ.db"), faults), options);
      const parts = { store, signer: testSigner(), noteSigner: testNoteSigner(), clock: testClock() };
      return { ...parts, evidence: createEvidence(parts) };
    },
    remove: folder.remove,
  };
}

/** @returns run number `n`, completed. */
export function completed(n: number): RunPredicate {
  return predicateOf({ run: `run_${String(n).padStart(26, "0")}` });
}

/** @returns what was known of a run before it ran. */
export function knownOf(predicate: RunPredicate): KnownBeforeRun {
  const { output_hash, memory_peak_bytes, events, outcome, fallback, aggregate, finished_at, ...known } =
    predicate;
  return known;
}

/** @returns the verified predicate of a stored seal; throws when it does not verify, or is not in the log. */
export async function verifiedSeal(gateway: TestGateway, row: RunRow | undefined): Promise<RunPredicate> {
  return await verified(row?.seal && (await gateway.evidence.manifest(row.seal)));
}

/** @returns the verified predicate of a manifest; throws when it does not verify. */
export async function verified(bundle: string | undefined): Promise<RunPredicate> {
  const report = await verifyBundle(new TextEncoder().encode(bundle ?? ""), TRUST, verifySignature);
  if (!report.ok) throw new Error(`not verified: ${JSON.stringify(report.checks.at(-1))}`);
  if (report.predicate === undefined) throw new Error("the manifest is of no run");
  return report.predicate;
}

/** @returns bytes as a PEM of that label. */
export function toPem(label: string, bytes: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${encodeBase64(bytes)}\n-----END ${label}-----\n`;
}
