/** What evidence costs: intent, statement, signature, seal, sync; and how fast anyone can verify. */
import { join } from "node:path";
import { runtime } from "#runtime";
import { canonicalJson, sha256Hex } from "../../../src/core/digest.ts";
import { bundleVerifier, encodeBase64, thumbprint } from "../../../src/core/manifest/index.ts";
import { createEvidence } from "../../../src/evidence/index.ts";
import { openNoteSigner, openSigner, signatureVerifier } from "../../../src/identity/index.ts";
import type { Store } from "../../../src/ports/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { newestSpki } from "../../support/signing.ts";
import { compare, planFor, rowOf } from "../harness.ts";
import type { Suite } from "../suite.ts";
import { predicateOf } from "../support/predicate.ts";

const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** The suite. */
export const evidence: Suite = {
  name: "evidence",
  about: "admit + seal per run beside a bare signature; verifications per second",
  async run({ folder, seconds, quick, say }) {
    const { clock, files, signing } = runtime;
    const signer = await openSigner({ files, clock, signing, path: join(folder, "manifest.pem") });
    const store = await openStore(runtime.openSqlite(join(folder, "evidence.sqlite")));
    const noteSigner = await openNoteSigner({
      files,
      clock,
      signing,
      path: join(folder, "checkpoint.pem"),
      origin: "log.example",
    });
    const durable = createEvidence({ store, signer, noteSigner, clock });
    const forgetful = createEvidence({ store: forgetfulStore(store), signer, noteSigner, clock });
    const pair = await crypto.subtle.generateKey(ES256, false, ["sign", "verify"]);
    const statement = new TextEncoder().encode(JSON.stringify(predicateOf(0)));
    let runs = 0;
    const sealWith = async (keeper: typeof durable) => {
      const predicate = predicateOf(++runs);
      await keeper.admit(predicate);
      return await keeper.seal(predicate, ["trace_id", "policy_id", "artifact_hash", "tenant", "purpose"]);
    };
    try {
      say("admit and seal");
      const rows = await compare(
        [
          {
            name: "bare crypto.subtle.sign of the statement",
            run: async () => void (await crypto.subtle.sign(ES256, pair.privateKey, statement)),
          },
          { name: "admit + seal, stored nowhere", run: async () => void (await sealWith(forgetful)) },
          { name: "admit alone, durable", run: () => durable.admit(predicateOf(++runs)) },
          { name: "admit + seal, durable", run: async () => void (await sealWith(durable)) },
        ],
        planFor(1.5, seconds),
      );

      say("16 at once share commits");
      const grouped: number[] = [];
      for (let i = 0; i < (quick ? 5 : 100); i++) {
        const at = performance.now();
        await Promise.all(Array.from({ length: 16 }, () => sealWith(durable)));
        grouped.push((performance.now() - at) / 16);
      }

      const together = async () =>
        void (await Promise.all(Array.from({ length: 16 }, () => sealWith(durable))));
      const groupedCpu = (await cpuOf(quick ? 5 : 100, together)) / 16;
      const sealCpu = await cpuOf(quick ? 50 : 1_000, async () => void (await sealWith(durable)));

      say("verify");
      // Each with a checkpoint of its own, as runs one after another have; and 16 to a checkpoint.
      const own: Uint8Array[] = [];
      for (let n = 0; n < (quick ? 300 : 500); n++) own.push(encode((await sealWith(durable)).text));
      const shared: Uint8Array[] = [];
      for (let n = 0; n < own.length; n += 16) {
        const together = await Promise.all(Array.from({ length: 16 }, () => sealWith(durable)));
        shared.push(...together.map(({ text }) => encode(text)));
      }
      const [bundle = new Uint8Array()] = own;
      const spki = await newestSpki(signer);
      const { origin } = noteSigner;
      const trust = {
        keys: [{ keyId: thumbprint(spki), spki: encodeBase64(spki), validFromMs: 0 }],
        logs: [{ origin, spki: encodeBase64(await newestSpki(noteSigner)), validFromMs: 0 }],
        logRequired: true,
      };
      const { verification } = runtime;
      // As `writ verify` of a folder does it: one verifier for all of them, which remembers 256 checkpoints.
      const verifier = () => bundleVerifier(trust, signatureVerifier(verification), verification.sha256);
      const verifyNext = (bundles: readonly Uint8Array[]) => {
        const verify = verifier();
        let next = 0;
        return async () => {
          const report = await verify(bundles[next++ % bundles.length] ?? bundle);
          if (!report.ok) throw new Error(`Cannot verify our own manifest: ${JSON.stringify(report.checks)}`);
        };
      };
      const signature = await crypto.subtle.sign(ES256, pair.privateKey, statement);
      const bare = async () => {
        if (!(await crypto.subtle.verify(ES256, pair.publicKey, signature, statement)))
          throw new Error("Cannot verify our own signature");
      };
      const verifying = await compare(
        [
          { name: "bare crypto.subtle.verify", run: bare },
          { name: "manifest whole, a checkpoint of its own", run: verifyNext(own) },
          { name: "manifest whole, 16 to a checkpoint", run: verifyNext(shared) },
        ],
        planFor(0.5, seconds / 2),
      );
      const count = quick ? 100 : 4_000;
      const cpu = {
        bare: await cpuOf(count, bare),
        own: await cpuOf(count, verifyNext(own)),
        shared: await cpuOf(count, verifyNext(shared)),
      };

      const parts = await compare(
        [
          { name: "sha256Hex of the statement", run: () => void sha256Hex(statement) },
          { name: "base64 of the statement", run: () => void encodeBase64(statement) },
          {
            name: "canonicalJson + sha256Hex of a small input",
            run: () => void sha256Hex(canonicalJson({ data: "aGVsbG8=" })),
          },
        ],
        planFor(0.05, seconds / 4),
      );
      return {
        tables: [
          { title: "per run, one after another", rows },
          { title: "per run, 16 at once", rows: [rowOf("admit + seal, durable", grouped)] },
          { title: "verification", rows: verifying },
          { title: "parts in our own JavaScript", rows: parts },
        ],
        figures: [
          { name: "admit + seal, durable, one after another: CPU", value: sealCpu, unit: "ms" },
          { name: "admit + seal, durable, 16 at once: CPU", value: groupedCpu, unit: "ms" },
          { name: "bare crypto.subtle.verify: CPU", value: cpu.bare, unit: "ms" },
          { name: "manifest, a checkpoint of its own: CPU", value: cpu.own, unit: "ms" },
          { name: "manifest, 16 to a checkpoint: CPU", value: cpu.shared, unit: "ms" },
          {
            name: "verifications a second of one core, own checkpoints",
            value: 1 / cpu.own,
            unit: "thousands",
          },
          { name: "verifications a second of one core, 16 each", value: 1 / cpu.shared, unit: "thousands" },
          { name: "statement", value: statement.length, unit: "bytes" },
          { name: "manifest", value: bundle.length, unit: "bytes" },
        ],
        notes: [
          "durable: SQLite, write-ahead log, synchronous = FULL: admit and seal wait for a sync to disk each",
        ],
      };
    } finally {
      await store.close();
    }
  },
};

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** @returns CPU time of one operation in ms, of all threads together: what others use of this machine is not in it */
async function cpuOf(count: number, run: () => Promise<void>): Promise<number> {
  for (let n = 0; n < Math.min(count, 300); n++) await run();
  const before = process.cpuUsage();
  for (let n = 0; n < count; n++) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / count;
}

/** Everything but the disk: what remains is our own work and the signature. */
function forgetfulStore(store: Store): Store {
  let sequence = 0;
  return {
    ...store,
    recordIntent: () => Promise.resolve({ kind: "ok", held: [] }),
    // A head of its own for each, so that each pays for its checkpoint, as one after another do.
    seal: () => {
      const head = { size: ++sequence, root: new Uint8Array(32) };
      return Promise.resolve({ sequence: sequence - 1, head, path: [] });
    },
  };
}
