/** Manifests for other people's verifiers: honest ones of a real log, and each of them forged in many ways. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runtime } from "#runtime";
import { sha256Hex } from "../../src/core/digest.ts";
import { type Bundle, encodeBase64, encodeTrustedRoot } from "../../src/core/manifest/index.ts";
import { createEvidence } from "../../src/evidence/index.ts";
import { openNoteSigner, openSigner } from "../../src/identity/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { knownOf } from "../evidence/support.ts";
import { newestSpki } from "../support/signing.ts";

/** What a verifier is given. */
export interface Samples {
  /** SubjectPublicKeyInfo of the manifest key. */
  readonly spki: Uint8Array<ArrayBuffer>;
  readonly keyFile: string;
  readonly trustedRootFile: string;
  /** Trusts another log, under the same name. */
  readonly foreignRootFile: string;
  /** The output that every honest manifest is about. */
  readonly blobFile: string;
  readonly otherBlobFile: string;
  readonly honest: readonly Bundle[];
  readonly forged: readonly Forged[];
}

/** A forged manifest. */
export interface Forged {
  readonly name: string;
  readonly bundle: unknown;
  /**
   * Whether the lie is in a member that says what is said elsewhere too: a verifier that takes the entry from the
   * manifest, and the root from the checkpoint, never reads it.
   */
  readonly redundant?: true;
}

const ORIGIN = "log.example";

/** Seals `count` runs in a fresh log, some of them together, and writes what verifiers need beside it. */
export async function makeSamples(folder: string, count: number): Promise<Samples> {
  const { files, clock } = runtime;
  const file = (name: string) => join(folder, name);
  const signer = await openSigner({ files, clock, path: file("manifest.pem") });
  const noteSigner = await openNoteSigner({ files, clock, path: file("checkpoint.pem"), origin: ORIGIN });
  const foreign = await openNoteSigner({ files, clock, path: file("foreign.pem"), origin: ORIGIN });
  const store = await openStore(runtime.openSqlite(file("log.sqlite")));
  const evidence = createEvidence({ store, signer, noteSigner, clock });
  const blob = new TextEncoder().encode('{"an":"output"}');
  const honest = await Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const run = `run_${String(n).padStart(26, "0")}`;
      const predicate = predicateOf({ run, output_hash: `sha256:${sha256Hex(blob)}` });
      await evidence.admit(knownOf(predicate));
      return (await evidence.seal(predicate, [])).bundle;
    }),
  );
  await store.close();

  const spki = await newestSpki(signer);
  const pem = encodeBase64(spki).replace(/.{64}/g, "$&\n");
  await writeFile(file("key.pem"), `-----BEGIN PUBLIC KEY-----\n${pem}\n-----END PUBLIC KEY-----\n`);
  for (const [name, { keys }] of [
    ["trusted_root.json", noteSigner],
    ["foreign_root.json", foreign],
  ] as const) {
    const log = { origin: ORIGIN, spki: encodeBase64(await newestSpki({ keys })), validFromMs: 0 };
    await writeFile(
      file(name),
      encodeTrustedRoot([log], (atMs) => new Date(atMs).toISOString()),
    );
  }
  await writeFile(file("output.json"), blob);
  await writeFile(file("other.json"), '{"another":"output"}');
  return {
    spki,
    keyFile: file("key.pem"),
    trustedRootFile: file("trusted_root.json"),
    foreignRootFile: file("foreign_root.json"),
    blobFile: file("output.json"),
    otherBlobFile: file("other.json"),
    honest,
    forged: forge(honest),
  };
}

/** Every class of forgery that a verifier with key and log must refuse. */
function forge(honest: readonly Bundle[]): Samples["forged"] {
  // The first entry of a log may be alone in its checkpoint: then there is no path to forge.
  const [first, second] = honest.filter(
    ({ verificationMaterial }) => verificationMaterial.tlogEntries?.[0].inclusionProof.hashes.length !== 0,
  );
  const entry = first?.verificationMaterial.tlogEntries?.[0];
  const other = second?.verificationMaterial.tlogEntries?.[0];
  if (first === undefined || second === undefined || entry === undefined || other === undefined) {
    throw new RangeError("Cannot forge: two logged manifests are wanted");
  }
  const { verificationMaterial: material, dsseEnvelope: envelope } = first;
  const [signature] = envelope.signatures;
  const { inclusionProof: proof } = entry;
  const withEntries = (tlogEntries: readonly object[]) => ({
    ...first,
    verificationMaterial: { ...material, tlogEntries },
  });
  const withProof = (changes: object) =>
    withEntries([{ ...entry, inclusionProof: { ...proof, ...changes } }]);
  const { envelope: note } = proof.checkpoint;
  return [
    { name: "no log entry", bundle: withEntries([]) },
    { name: "another manifest's log entry", bundle: withEntries([other]) },
    {
      name: "another manifest's body",
      redundant: true,
      bundle: withEntries([{ ...entry, canonicalizedBody: other.canonicalizedBody }]),
    },
    { name: "a flipped root", redundant: true, bundle: withProof({ rootHash: flipBase64(proof.rootHash) }) },
    { name: "a flipped hash", bundle: withProof({ hashes: proof.hashes.map(flipBase64) }) },
    { name: "a path cut short", bundle: withProof({ hashes: proof.hashes.slice(1) }) },
    {
      name: "a checkpoint of another size",
      bundle: withProof({ checkpoint: { envelope: note.replace(/\n(\d+)\n/, "\n1$1\n") } }),
    },
    {
      name: "a checkpoint without signature",
      bundle: withProof({ checkpoint: { envelope: `${note.split("\n\n")[0]}\n\n` } }),
    },
    {
      name: "a flipped signature",
      bundle: {
        ...first,
        dsseEnvelope: { ...envelope, signatures: [{ ...signature, sig: flipBase64(signature.sig) }] },
      },
    },
    {
      name: "another manifest's payload",
      bundle: { ...first, dsseEnvelope: { ...envelope, payload: second.dsseEnvelope.payload } },
    },
    {
      name: "another payload type",
      bundle: { ...first, dsseEnvelope: { ...envelope, payloadType: "text/plain" } },
    },
  ];
}

/** Flips a bit in the middle of what base64 says. */
function flipBase64(base64: string): string {
  const bytes = Buffer.from(base64, "base64");
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 4;
  return bytes.toString("base64");
}
