/** What evidence costs: intent, statement, signature, seal, sync; and how fast anyone can verify. */
import { join } from "node:path";
import { runtime } from "#runtime";
import { canonicalJson, sha256Hex } from "../../../src/core/digest.ts";
import { encodeBase64, thumbprint, verifyBundle } from "../../../src/core/manifest/index.ts";
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

      say("verify");
      const { text } = await sealWith(durable);
      const bundle = new TextEncoder().encode(text);
      const spki = await newestSpki(signer);
      const { origin } = noteSigner;
      const trust = {
        keys: [{ keyId: thumbprint(spki), spki: encodeBase64(spki), validFromMs: 0 }],
        logs: [{ origin, spki: encodeBase64(await newestSpki(noteSigner)), validFromMs: 0 }],
        logRequired: true,
      };
      const verifier = signatureVerifier(runtime.verification);
      const report = await verifyBundle(bundle, trust, verifier);
      if (!report.ok) throw new Error(`Cannot verify our own manifest: ${JSON.stringify(report.checks)}`);
      const publicKey = await crypto.subtle.importKey("spki", new Uint8Array(spki), ES256, false, ["verify"]);
      const signature = await crypto.subtle.sign(ES256, pair.privateKey, statement);
      const verifying = await compare(
        [
          {
            name: "bare crypto.subtle.verify",
            run: async () => void (await crypto.subtle.verify(ES256, publicKey, signature, statement)),
          },
          {
            name: "verifyBundle, offline, whole",
            run: async () => void (await verifyBundle(bundle, trust, verifier)),
          },
        ],
        planFor(0.5, seconds / 2),
      );

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
      const verifyMs = verifying[1]?.p50 ?? Number.NaN;
      return {
        tables: [
          { title: "per run, one after another", rows },
          { title: "per run, 16 at once", rows: [rowOf("admit + seal, durable", grouped)] },
          { title: "verification", rows: verifying },
          { title: "parts in our own JavaScript", rows: parts },
        ],
        figures: [
          { name: "verifications, one core", value: 1000 / verifyMs, unit: "per second" },
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
