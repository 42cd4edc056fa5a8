/**
 * Which keys a verifier believes, since when and until when: the operator's decision, kept in a file of theirs and
 * never taken from the manifest under test.
 *
 * Two documents are read: our `trusted-keys.json`, and a JSON Web Key Set as a gateway publishes it. Whoever controls
 * the channel that the second came over chose the keys in it: fetch it over one you trust, and keep it.
 */
import { z } from "zod";
import { decodeBase64, encodeBase64 } from "../base64.ts";
import type { Fault } from "../errors.ts";
import type { WitnessDemand } from "../merkle/index.ts";
import { isP256Spki, spkiFromJwk, thumbprint } from "./ecdsa.ts";
import { parseStrictJson } from "./strict-json.ts";
import { readTrustedRoot, type TrustedLog } from "./trusted-root.ts";

/** One key that a verifier believes. */
export interface TrustedKey {
  /** RFC 7638 thumbprint of `spki`, base64url. */
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER, base64. */
  readonly spki: string;
  /** Manifests of runs that finished before this are not believed. 0 = since ever. */
  readonly validFromMs: number;
  /** Manifests of runs that finished at this or later are not believed. Absent = no end. */
  readonly validUntilMs?: number;
}

/** The keys that a verifier believes. */
export type TrustedKeys = readonly TrustedKey[];

/** All that a verifier believes. */
export interface Trust {
  readonly keys: TrustedKeys;
  readonly logs: readonly TrustedLog[];
  /**
   * Whether a manifest must be in one of the logs. False only by the operator's own word, in their `trusted-keys.json`:
   * then a log entry is not looked at at all.
   */
  readonly logRequired: boolean;
  /** How many of which witnesses must have cosigned the checkpoint that a manifest is proven by; absent = nobody. */
  readonly witnesses?: WitnessDemand;
}

const trustedKeysSchema = z.strictObject({
  log: z.enum(["required", "not-required"]).exactOptional(),
  trustedKeys: z.array(
    z.strictObject({
      keyId: z.string(),
      spki: z.string(),
      validFromMs: z.int().nonnegative(),
      validUntilMs: z.int().nonnegative().exactOptional(),
    }),
  ),
});

// Members beyond these (use, alg, x5c …) are other people's business; private members are refused below.
const keySetSchema = z.looseObject({
  keys: z.array(z.looseObject({ kty: z.string() })),
});
const ecKeySchema = z.looseObject({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: z.string(),
  y: z.string(),
  nbf: z.number().nonnegative().exactOptional(),
  exp: z.number().nonnegative().exactOptional(),
  d: z.never({ error: "a private key does not belong here" }).exactOptional(),
});

/**
 * Reads any of the documents that say whom to believe, to be put together by {@link joinTrust}.
 *
 * @param bytes `trusted-keys.json` (with `"log": "not-required"` if no log is asked for), a JWKS, or a Sigstore
 *   `trusted_root.json`, of which the logs with Ed25519 keys are taken
 * @returns what the document says, or what is wrong with it
 */
export function parseTrust(
  bytes: Uint8Array,
): { readonly ok: true; readonly trust: Trust } | { readonly ok: false; readonly errors: readonly Fault[] } {
  const parsed = parseStrictJson(bytes);
  if (!parsed.ok) return fault("", parsed.reason);
  const document = parsed.value;
  if (typeof document === "object" && document !== null && "mediaType" in document) {
    const root = readTrustedRoot(document);
    return root.ok
      ? { ok: true, trust: { keys: [], logs: root.logs, logRequired: true } }
      : fault(root.pointer, root.detail);
  }
  const read = parseTrustedKeys(bytes);
  if (!read.ok) return read;
  const settings = trustedKeysSchema.safeParse(document);
  const logRequired = !settings.success || settings.data.log !== "not-required";
  return { ok: true, trust: { keys: read.keys, logs: [], logRequired } };
}

/**
 * Puts together what several documents say. One that asks for no log speaks for all: the operator named it.
 *
 * @param witnesses what is wanted of witnesses beside that
 */
export function joinTrust(parts: readonly Trust[], witnesses?: WitnessDemand): Trust {
  return {
    keys: parts.flatMap(({ keys }) => keys),
    logs: parts.flatMap(({ logs }) => logs),
    logRequired: parts.every(({ logRequired }) => logRequired),
    ...(witnesses === undefined ? {} : { witnesses }),
  };
}

/**
 * Reads a document of keys.
 *
 * @param bytes `{ "trustedKeys": [{ keyId, spki, validFromMs, validUntilMs? }] }`, or a JWKS `{ "keys": [...] }`, of
 *   which the P-256 keys are taken and other kinds are passed over
 * @returns the keys, at least one; or what is wrong with the document
 */
export function parseTrustedKeys(
  bytes: Uint8Array,
):
  | { readonly ok: true; readonly keys: TrustedKeys }
  | { readonly ok: false; readonly errors: readonly Fault[] } {
  const parsed = parseStrictJson(bytes);
  if (!parsed.ok) return fault("", parsed.reason);
  const set = keySetSchema.safeParse(parsed.value);
  return set.success ? readKeySet(set.data.keys) : readTrustedKeys(parsed.value);
}

/**
 * Writes `trusted-keys.json`.
 *
 * @returns JSON text that {@link parseTrustedKeys} reads back to the same keys
 */
export function encodeTrustedKeys(keys: TrustedKeys): string {
  return `${JSON.stringify({ trustedKeys: keys }, null, 2)}\n`;
}

function readTrustedKeys(document: unknown): ReturnType<typeof parseTrustedKeys> {
  const result = trustedKeysSchema.safeParse(document);
  if (!result.success) return { ok: false, errors: faultsOf(result.error, "") };
  const { trustedKeys } = result.data;
  for (const [index, key] of trustedKeys.entries()) {
    const spki = decodeBase64(key.spki);
    const pointer = `/trustedKeys/${index}`;
    if (spki === undefined || !isP256Spki(spki)) return fault(`${pointer}/spki`, "not a P-256 key");
    const expected = thumbprint(spki);
    // A name that belongs to another key would make the report lie about who signed.
    if (key.keyId !== expected) return fault(`${pointer}/keyId`, `the key's thumbprint is ${expected}`);
  }
  return trustedKeys.length > 0 ? { ok: true, keys: trustedKeys } : fault("/trustedKeys", "no key");
}

function readKeySet(entries: readonly { readonly kty: string }[]): ReturnType<typeof parseTrustedKeys> {
  const keys: TrustedKey[] = [];
  for (const [index, entry] of entries.entries()) {
    if (entry.kty !== "EC" || ("crv" in entry && entry.crv !== "P-256")) continue;
    const result = ecKeySchema.safeParse(entry);
    if (!result.success) return { ok: false, errors: faultsOf(result.error, `/keys/${index}`) };
    const spki = spkiFromJwk(result.data.x, result.data.y);
    if (spki === undefined) return fault(`/keys/${index}`, "x and y must be base64url of 32 bytes each");
    // `kid` is the publisher's word; the thumbprint is the key's own name.
    const { nbf, exp } = result.data;
    keys.push({
      keyId: thumbprint(spki),
      spki: encodeBase64(spki),
      validFromMs: nbf === undefined ? 0 : nbf * 1000,
      ...(exp === undefined ? {} : { validUntilMs: exp * 1000 }),
    });
  }
  return keys.length > 0 ? { ok: true, keys } : fault("/keys", "no P-256 key");
}

function fault(pointer: string, detail: string): { readonly ok: false; readonly errors: readonly Fault[] } {
  return { ok: false, errors: [{ pointer, detail }] };
}

function faultsOf(error: z.ZodError, prefix: string): readonly Fault[] {
  return error.issues.map((issue) => ({
    pointer: prefix + issue.path.map((part) => `/${String(part)}`).join(""),
    detail: issue.message,
  }));
}
