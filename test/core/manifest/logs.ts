/** Logs for tests: a key, a tree of a few entries around a manifest, and the bundle that proves it. */
import {
  type Bundle,
  decodeBase64,
  digestOfPayload,
  encodeBase64,
  encodeLogEntry,
  type Trust,
  type TrustedKey,
  type TrustedLog,
  withLogEntry,
} from "../../../src/core/manifest/index.ts";
import {
  type Bytes,
  formatCheckpoint,
  formatNote,
  leafHash,
  nodeHash,
  noteKeyDigest,
  proveInclusion,
  rootOf,
} from "../../../src/core/merkle/index.ts";
import type { NoteSigner } from "../../../src/ports/index.ts";

/** A log's key, as its signer has it and as verifiers trust it. */
export interface TestLog {
  readonly signer: NoteSigner;
  readonly spki: Bytes;
  readonly trusted: TrustedLog;
}

/** @returns a fresh key under that name. */
export async function testLog(origin = "log.example"): Promise<TestLog> {
  // The DOM's types do not know that Ed25519 always gives a pair.
  const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const key = { keyId: "test", spki, validFromMs: 0 };
  const sign = async (bytes: Uint8Array) => ({
    signature: new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, Uint8Array.from(bytes))),
    key,
  });
  return {
    spki,
    signer: { origin, keys: async () => [key], sign },
    trusted: { origin, spki: encodeBase64(spki), validFromMs: 0 },
  };
}

/** Trust in these keys that asks for no log. */
export function withoutLog(keys: readonly TrustedKey[]): Trust {
  return { keys, logs: [], logRequired: false };
}

/** Signs a tree's head as the log's checkpoint. */
export async function signCheckpoint(
  { signer, spki }: TestLog,
  head: { readonly size: bigint; readonly root: Bytes; readonly origin?: string },
): Promise<string> {
  const { origin } = signer;
  const text = formatCheckpoint({ origin, ...head });
  const keyId = noteKeyDigest(origin, spki).slice(0, 4);
  return formatNote(text, [
    { name: origin, keyId, signature: (await signer.sign(new TextEncoder().encode(text))).signature },
  ]);
}

/** The entry that a log keeps of a bundle. */
export function entryOf(bundle: Bundle, spki: string): string {
  const { payload, signatures } = bundle.dsseEnvelope;
  return encodeLogEntry({
    digest: digestOfPayload(unbase64(payload)),
    signatureDer: unbase64(signatures[0].sig),
    spki: unbase64(spki),
  });
}

/**
 * Logs a bundle among others.
 *
 * @param options `index` of `size` entries; `spki`: of the key that signed, base64
 */
export async function logBundle(
  log: TestLog,
  bundle: Bundle,
  options: { readonly spki: string; readonly index?: number; readonly size?: number },
): Promise<Bundle> {
  const { spki, index = 5, size = 11 } = options;
  const entry = entryOf(bundle, spki);
  const leaves = Array.from({ length: size }, (_, n) =>
    leafHash(new TextEncoder().encode(n === index ? entry : `entry ${n}`)),
  );
  const node = (level: number, at: number): Bytes =>
    level === 0
      ? (leaves[at] ?? new Uint8Array())
      : nodeHash(node(level - 1, 2 * at), node(level - 1, 2 * at + 1));
  const root = rootOf(size, node);
  const logKeyDigest = noteKeyDigest(log.signer.origin, log.spki);
  const path = proveInclusion(index, size, node);
  const checkpoint = await signCheckpoint(log, { size: BigInt(size), root });
  return withLogEntry(bundle, { entry, logKeyDigest, index, size, root, path, checkpoint });
}

function unbase64(text: string): Bytes {
  return decodeBase64(text) ?? new Uint8Array();
}
