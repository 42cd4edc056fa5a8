/** Manifests for other people's verifiers: honest ones of a real log, and what forgeries are made of. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runtime } from "#runtime";
import { sha256Hex } from "../../src/core/digest.ts";
import {
  type Bundle,
  encodeBase64,
  encodeTrustedRoot,
  type RunPredicate,
} from "../../src/core/manifest/index.ts";
import { formatNote, noteKeyDigest } from "../../src/core/merkle/index.ts";
import { createEvidence } from "../../src/evidence/index.ts";
import { jwks, openNoteSigner, openSigner } from "../../src/identity/index.ts";
import type { Signer } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { predicateOf } from "../core/manifest/fixtures.ts";
import { knownOf } from "../evidence/support.ts";
import { newestKey, newestSpki } from "../support/signing.ts";

/** What a verifier is given. */
export interface Samples {
  /** SubjectPublicKeyInfo of the manifest key. */
  readonly spki: Uint8Array<ArrayBuffer>;
  readonly keyFile: string;
  /** The same as a JWKS, with its end. */
  readonly keySetFile: string;
  readonly trustedRootFile: string;
  /** Trusts another log, under the same name. */
  readonly foreignRootFile: string;
  /** The output that every honest manifest is about. */
  readonly blobFile: string;
  readonly otherBlobFile: string;
  readonly honest: readonly Bundle[];
  /** Manifests of the same runs, signed by a stranger's key and logged with it. */
  readonly strangers: readonly Bundle[];
  /** Honest in every way, but of runs that finished when the key was not believed any more. */
  readonly late: readonly Bundle[];
  /** Signs what a checkpoint says with a stranger's key of the same name. */
  readonly strangeNote: (note: string) => Promise<string>;
}

const ORIGIN = "log.example";

/** When the key ends to be believed: after every honest run, before every late one. */
const KEY_ENDS_MS = Date.UTC(2026, 5, 1);
/** Sealed together: they share a checkpoint. */
const GROUP = 8;

/** Seals `count` runs in a fresh log, some of them together, and writes what verifiers need beside it. */
export async function makeSamples(folder: string, count: number): Promise<Samples> {
  const { files, clock, signing } = runtime;
  const file = (name: string) => join(folder, name);
  const signer = await openSigner({ files, clock, signing, path: file("manifest.pem") });
  const stranger = await openSigner({ files, clock, signing, path: file("stranger.pem") });
  const noteSigner = await openNoteSigner({
    files,
    clock,
    signing,
    path: file("checkpoint.pem"),
    origin: ORIGIN,
  });
  const foreign = await openNoteSigner({ files, clock, signing, path: file("foreign.pem"), origin: ORIGIN });
  const store = await openStore(runtime.openSqlite(file("log.sqlite")));
  const blob = new TextEncoder().encode('{"an":"output"}');
  let runs = 0;
  const seal = async (by: Signer, how: Partial<RunPredicate> = {}): Promise<Bundle> => {
    const evidence = createEvidence({ store, signer: by, noteSigner, clock });
    const run = `run_${String(runs++).padStart(26, "0")}`;
    const predicate = predicateOf({ run, output_hash: `sha256:${sha256Hex(blob)}`, ...how });
    await evidence.admit(knownOf(predicate));
    return (await evidence.seal(predicate, [])).bundle;
  };
  const sealGroup = (by: Signer, how: Partial<RunPredicate> = {}) =>
    Promise.all(Array.from({ length: GROUP }, () => seal(by, how)));
  // The first entries of a log have short paths: there is nothing to reorder in them.
  await sealGroup(signer);
  await sealGroup(signer);
  const honest: Bundle[] = [];
  while (honest.length < count) honest.push(...(await sealGroup(signer)));
  const strangers = await sealGroup(stranger);
  const late = await sealGroup(signer, { finished_at: new Date(KEY_ENDS_MS).toISOString() });
  await store.close();

  const key = await newestKey(signer);
  const pem = encodeBase64(key.spki).replace(/.{64}/g, "$&\n");
  await writeFile(file("key.pem"), `-----BEGIN PUBLIC KEY-----\n${pem}\n-----END PUBLIC KEY-----\n`);
  await writeFile(file("jwks.json"), JSON.stringify(await jwks([{ ...key, validUntilMs: KEY_ENDS_MS }])));
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
    spki: key.spki,
    keyFile: file("key.pem"),
    keySetFile: file("jwks.json"),
    trustedRootFile: file("trusted_root.json"),
    foreignRootFile: file("foreign_root.json"),
    blobFile: file("output.json"),
    otherBlobFile: file("other.json"),
    honest: honest.slice(0, count),
    strangers,
    late,
    async strangeNote(note) {
      const text = note.slice(0, note.indexOf("\n\n") + 1);
      const signed = await foreign.sign(new TextEncoder().encode(text));
      const keyId = noteKeyDigest(ORIGIN, signed.key.spki).subarray(0, 4);
      return formatNote(text, [{ name: ORIGIN, keyId, signature: signed.signature }]);
    },
  };
}
