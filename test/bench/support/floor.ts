/** What a run costs the gateway's thread before anything of ours is around it: two signatures and two writes. */
import { join } from "node:path";
import { runtime } from "#runtime";
import {
  createBundle,
  createStatement,
  encodeLogEntry,
  encodeStatement,
  PAYLOAD_TYPE,
  pae,
} from "../../../src/core/manifest/index.ts";
import { openNoteSigner, openSigner } from "../../../src/identity/index.ts";
import type { RunSettlement } from "../../../src/ports/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { type Row, rowOf } from "../harness.ts";
import { predicateOf } from "./predicate.ts";

/** Runs that share a commit. */
const TOGETHER = 8;

/** @param folder for the keys */
export async function floorRows(folder: string, quick: boolean): Promise<readonly Row[]> {
  const { files, clock, signing } = runtime;
  const keys = (name: string) => ({ files, clock, signing, path: join(folder, name) });
  const signer = await openSigner(keys("floor.pem"));
  const noteSigner = await openNoteSigner({ ...keys("floor-log.pem"), origin: "bench" });
  const payload = encodeStatement(createStatement(predicateOf(1)));
  const bytes = pae(PAYLOAD_TYPE, payload);
  const { signature, key } = await signer.sign(bytes);
  const note = new Uint8Array(120);
  const bundle = createBundle({ payload, signatureDer: signature, keyId: key.keyId });
  const entry = encodeLogEntry({ digest: new Uint8Array(32), signatureDer: signature, spki: key.spki });
  const times = quick ? 20 : 400;
  const answer = { run: "run", outcome: { kind: "completed" }, manifest: bundle, receipt: { proof: entry } };
  return [
    await timed("the statement's signature (ECDSA, DER)", times, () => signer.sign(bytes)),
    await timed("a checkpoint's signature (Ed25519), once for a commit", times, () => noteSigner.sign(note)),
    await timed("statement and answer as JSON", times, async () => {
      encodeStatement(createStatement(predicateOf(1)));
      JSON.stringify(answer);
    }),
    await writes(`intent and seal in a database in memory: one run`, 1, times),
    await writes(`… ${TOGETHER} runs that share their commits, for each`, TOGETHER, times),
  ];

  async function writes(name: string, together: number, count: number): Promise<Row> {
    const store = await openStore(runtime.openSqlite(":memory:"), { nextTurn: queueMicrotask });
    const text = JSON.stringify(bundle);
    let index = 0;
    const row = await timed(
      name,
      count,
      async () => {
        const runs = Array.from({ length: together }, () => predicateOf(index++));
        await Promise.all(
          runs.map(({ run, tenant, tool, function: name, ...rest }) =>
            store.recordIntent({
              ...{ run, tenant, tool, function: name, admittedAtMs: index },
              predicate: JSON.stringify(rest),
            }),
          ),
        );
        await Promise.all(
          runs.map(({ run }) => {
            const seal = { run, outcome: "completed", digest: "0".repeat(64), bundle: text, entry };
            return store.seal({ ...seal, sealedAtMs: index }, SETTLEMENT);
          }),
        );
      },
      together,
    );
    await store.close();
    return row;
  }
}

const SETTLEMENT: RunSettlement = {
  used: { runs: 1, fuel: 242, egress_bytes: 0, wall_ms: 1 },
  good: true,
  cost: {
    ...{ tenant: "bench", tool: "hash", purpose: "benchmark", class: "exploratory" },
    ...{ fuel: 242, egressBytes: 0, wallMs: 1, amount: 0, atMs: 1 },
  },
};

async function timed(name: string, count: number, does: () => Promise<unknown>, shared = 1): Promise<Row> {
  const samples: number[] = [];
  for (let at = 0; at < 2 * count; at++) {
    const startedAt = performance.now();
    await does();
    samples.push((performance.now() - startedAt) / shared);
  }
  return rowOf(name, samples.slice(count));
}
