/**
 * A second opinion: verifies an execution manifest by the published formats alone. It shares no line with Writ's own
 * code, by design: other parser, other hashing, other signature calls, the proof checked the other way round (recursively,
 * from the top). What both accept is what the formats say; a bug would have to be made twice.
 *
 * Run: `node test/interop/independent/verify.ts <bundle> <jwks.json> <trusted_root.json>`; ends with 0 or 1.
 * @see DSSE v1, in-toto Statement v1, Sigstore bundle v0.3, RFC 9162 section 2.1.3, C2SP signed-note and tlog-checkpoint
 */
import { createHash, createPublicKey, verify as verifyRaw } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";

/** A manifest key, from a JWKS. Times in seconds. */
interface Jwk {
  readonly kty: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly kid?: string;
  readonly nbf?: number;
  readonly exp?: number;
}

/** What is read of a trusted root. */
interface TrustedRoot {
  readonly tlogs: readonly {
    readonly baseUrl: string;
    readonly publicKey: { readonly rawBytes: string; readonly validFor?: { start?: string; end?: string } };
    readonly logId: { readonly keyId: string };
  }[];
}

/** What is read of a bundle. */
interface Bundle {
  readonly mediaType: string;
  readonly verificationMaterial: {
    readonly publicKey: { readonly hint: string };
    readonly tlogEntries: readonly {
      readonly logIndex: string;
      readonly logId: { readonly keyId: string };
      readonly kindVersion: { readonly kind: string; readonly version: string };
      readonly inclusionProof: {
        readonly logIndex: string;
        readonly rootHash: string;
        readonly treeSize: string;
        readonly hashes: readonly string[];
        readonly checkpoint: { readonly envelope: string };
      };
      readonly canonicalizedBody: string;
    }[];
  };
  readonly dsseEnvelope: {
    readonly payload: string;
    readonly payloadType: string;
    readonly signatures: readonly { readonly sig: string; readonly keyid: string }[];
  };
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function must(ok: boolean, what: string): asserts ok {
  if (!ok) throw new Error(what);
}

/** Base64 in its one spelling. */
function base64(text: string, what: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  must(bytes.toString("base64") === text, `${what}: not base64`);
  return bytes;
}

/** Root of an inclusion path, from the top of the tree down: RFC 9162 section 2.1.3.1 read backwards. */
function rootOf(index: bigint, size: bigint, leaf: Buffer, path: readonly Buffer[]): Buffer {
  if (size === 1n) {
    must(path.length === 0 && index === 0n, "inclusion: the path is too long");
    return leaf;
  }
  const top = path.at(-1);
  must(top !== undefined, "inclusion: the path is too short");
  let left = 1n;
  while (left * 2n < size) left *= 2n;
  const rest = path.slice(0, -1);
  const one = Buffer.of(1);
  return index < left
    ? sha256(one, rootOf(index, left, leaf, rest), top)
    : sha256(one, top, rootOf(index - left, size - left, leaf, rest));
}

/** The log that signed a checkpoint, and what it says. */
function openCheckpoint(note: string, { tlogs }: TrustedRoot) {
  const cut = note.indexOf("\n\n");
  must(cut > 0, "checkpoint: no signatures");
  const text = note.slice(0, cut + 1);
  const [origin = "", size = "", root = "", end, ...more] = text.split("\n");
  must(end === "" && more.length === 0, "checkpoint: not three lines");
  must(/^(0|[1-9][0-9]*)$/.test(size), "checkpoint: no size");
  for (const line of note.slice(cut + 2).split("\n")) {
    const [dash, name, encoded, ...none] = line.split(" ");
    if (dash !== "\u2014" || name !== origin || encoded === undefined || none.length > 0) continue;
    const signature = base64(encoded, "checkpoint");
    for (const log of tlogs) {
      if (new URL(log.baseUrl).hostname !== origin) continue;
      const spki = base64(log.publicKey.rawBytes, "trusted root");
      const digest = sha256(Buffer.from(`${origin}\n\u0001`), spki.subarray(-32));
      if (!digest.subarray(0, 4).equals(signature.subarray(0, 4))) continue;
      const key = createPublicKey({ key: spki, format: "der", type: "spki" });
      if (verifyRaw(null, Buffer.from(text), key, signature.subarray(4))) {
        return {
          log,
          logId: digest.toString("base64"),
          size: BigInt(size),
          root: base64(root, "checkpoint"),
        };
      }
    }
  }
  throw new Error("checkpoint: signed by no trusted log");
}

/**
 * Verifies a manifest.
 *
 * @param text the bundle, attacker-controlled
 * @returns the statement
 * @throws {Error} saying what does not hold
 */
export function verifyManifest(text: string, keys: readonly Jwk[], root: TrustedRoot) {
  const bundle = JSON.parse(text) as Bundle;
  // Whoever writes a member twice, or hides one, does not survive being written again.
  must(JSON.stringify(bundle) === text.trim(), "bundle: not in the spelling that it is published in");
  must(bundle.mediaType === "application/vnd.dev.sigstore.bundle.v0.3+json", "bundle: another media type");
  const { dsseEnvelope: envelope, verificationMaterial: material } = bundle;
  must(envelope.payloadType === "application/vnd.in-toto+json", "envelope: another payload type");
  const [signed, ...others] = envelope.signatures;
  must(signed !== undefined && others.length === 0, "envelope: not one signature");
  const payload = base64(envelope.payload, "payload");
  const { payloadType: type } = envelope;
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
  const signature = base64(signed.sig, "signature");

  const key = keys.find((jwk) => {
    if (jwk.kty !== "EC" || jwk.crv !== "P-256") return false;
    return verifyRaw("sha256", pae, createPublicKey({ key: { ...jwk }, format: "jwk" }), signature);
  });
  must(key !== undefined, "signature: by no trusted key");
  must(material.publicKey.hint === key.kid, "bundle: hints at another key");
  must(signed.keyid === "" || signed.keyid === key.kid, "envelope: names another key");

  const [entry, ...more] = material.tlogEntries;
  must(entry !== undefined && more.length === 0, "log: not one entry");
  const body = base64(entry.canonicalizedBody, "log entry");
  const said = JSON.parse(body.toString("utf8"));
  must(said.kind === "hashedrekord" && said.apiVersion === "0.0.2", "log entry: another kind");
  must(entry.kindVersion.kind === said.kind, "log: another kind");
  must(entry.kindVersion.version === said.apiVersion, "log: another version");
  const { data, signature: about } = said.spec.hashedRekordV002;
  must(data.algorithm === "SHA2_256", "log entry: another algorithm");
  must(data.digest === sha256(pae).toString("base64"), "log entry: of other bytes");
  must(about.content === signed.sig, "log entry: of another signature");
  const spki = createPublicKey({ key: { ...key }, format: "jwk" }).export({ format: "der", type: "spki" });
  must(about.verifier.publicKey.rawBytes === spki.toString("base64"), "log entry: of another key");

  const { inclusionProof: proof } = entry;
  const checkpoint = openCheckpoint(proof.checkpoint.envelope, root);
  must(entry.logId.keyId === checkpoint.logId, "log: another log");
  must(proof.treeSize === String(checkpoint.size), "log: another size than the checkpoint's");
  must(proof.rootHash === checkpoint.root.toString("base64"), "log: another root than the checkpoint's");
  must(entry.logIndex === proof.logIndex, "log: two indices");
  const index = BigInt(proof.logIndex);
  must(index >= 0n && index < checkpoint.size, "inclusion: beyond the log");
  const path = proof.hashes.map((hash) => base64(hash, "inclusion"));
  must(
    path.every(({ length }) => length === 32),
    "inclusion: not hashes",
  );
  const found = rootOf(index, checkpoint.size, sha256(Buffer.of(0), body), path);
  must(found.equals(checkpoint.root), "inclusion: not in the log");

  const statement = JSON.parse(payload.toString("utf8"));
  must(statement._type === "https://in-toto.io/Statement/v1", "statement: another type");
  must(statement.predicateType === "https://writ.dev/execution-manifest/v1", "statement: another predicate");
  const { predicate, subject } = statement;
  const hashes = {
    output: predicate.output_hash,
    component: predicate.artifact_hash,
    policy: predicate.policy_id,
  };
  for (const [name, hash] of Object.entries(hashes)) {
    const named = subject.filter((one: { name: string }) => one.name === name);
    must(named.length === (hash === null ? 0 : 1), `statement: subject ${name}`);
    if (hash !== null) must(`sha256:${named[0].digest.sha256}` === hash, `statement: subject ${name}`);
  }
  const at = Date.parse(predicate.finished_at);
  must(at >= (key.nbf ?? 0) * 1000 && (key.exp === undefined || at < key.exp * 1000), "key: not valid then");
  const { start, end } = checkpoint.log.publicKey.validFor ?? {};
  must(start === undefined || at >= Date.parse(start), "log: not valid then");
  must(end === undefined || at < Date.parse(end), "log: not valid any more");
  return statement;
}

if (import.meta.main) {
  const [file = "", keysFile = "", rootFile = ""] = process.argv.slice(2);
  try {
    const read = (path: string) => readFileSync(path, "utf8");
    const { predicate } = verifyManifest(
      read(file),
      JSON.parse(read(keysFile)).keys,
      JSON.parse(read(rootFile)),
    );
    console.log(`verified: ${predicate.run} ${predicate.outcome.kind}`);
  } catch (error) {
    console.log(`refused: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
