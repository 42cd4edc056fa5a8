/**
 * `trusted_root.json`: the document by which Sigstore's verifiers, and ours, are told which logs to believe. Manifest
 * keys are not in it: there they are given by themselves.
 * @see Sigstore protobuf-specs, sigstore_trustroot.proto
 */
import { z } from "zod";
import { decodeBase64, encodeBase64 } from "../base64.ts";
import { ed25519Key, isKeyName, noteKeyDigest } from "../merkle/index.ts";
import { parseInstant } from "./instant.ts";

/** The media type of a trusted root, a member of the document. */
export const TRUSTED_ROOT_MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";

/** A log that a verifier believes, since when and until when. */
export interface TrustedLog {
  /** Its name in checkpoints: a bare host. */
  readonly origin: string;
  /** SubjectPublicKeyInfo of its Ed25519 key, DER, base64. */
  readonly spki: string;
  /** ms since the Unix epoch: what a run finished before is not believed. */
  readonly validFromMs: number;
  readonly validUntilMs?: number;
}

const KEY_DETAILS = "PKIX_ED25519";

const validFor = z.looseObject({ start: z.string().exactOptional(), end: z.string().exactOptional() });
// Loose where other authorities are described: they are other verifiers' business.
const trustedRootSchema = z.looseObject({
  mediaType: z.literal(TRUSTED_ROOT_MEDIA_TYPE),
  tlogs: z.array(
    z.looseObject({
      baseUrl: z.string(),
      publicKey: z.looseObject({
        rawBytes: z.string(),
        keyDetails: z.string(),
        validFor: validFor.exactOptional(),
      }),
      logId: z.looseObject({ keyId: z.string() }),
    }),
  ),
});

/**
 * Writes `trusted_root.json`.
 *
 * @param logs their base URL becomes `https://` and their origin: verifiers take the log's name from there
 * @param writeInstant ms since the Unix epoch as RFC 3339 text
 */
export function encodeTrustedRoot(
  logs: readonly TrustedLog[],
  writeInstant: (atMs: number) => string,
): string {
  const document = {
    mediaType: TRUSTED_ROOT_MEDIA_TYPE,
    tlogs: logs.map(({ origin, spki, validFromMs, validUntilMs }) => ({
      baseUrl: `https://${origin}`,
      hashAlgorithm: "SHA2_256",
      publicKey: {
        rawBytes: spki,
        keyDetails: KEY_DETAILS,
        validFor: {
          start: writeInstant(validFromMs),
          ...(validUntilMs === undefined ? {} : { end: writeInstant(validUntilMs) }),
        },
      },
      logId: { keyId: encodeBase64(noteKeyDigest(origin, decodeBase64(spki) ?? new Uint8Array())) },
    })),
    certificateAuthorities: [],
    ctlogs: [],
    timestampAuthorities: [],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/**
 * Takes the logs out of a trusted root.
 *
 * @param document parsed strictly; whose it is, is for the operator to know
 * @returns the logs with Ed25519 keys, maybe none; or the place of the first fault
 */
export function readTrustedRoot(
  document: unknown,
):
  | { readonly ok: true; readonly logs: readonly TrustedLog[] }
  | { readonly ok: false; readonly pointer: string; readonly detail: string } {
  const read = trustedRootSchema.safeParse(document);
  if (!read.success) {
    const [issue] = read.error.issues;
    const pointer = (issue?.path ?? []).map((part) => `/${String(part)}`).join("");
    return { ok: false, pointer, detail: issue?.message ?? "no trusted root" };
  }
  const logs: TrustedLog[] = [];
  for (const [index, { baseUrl, publicKey, logId }] of read.data.tlogs.entries()) {
    const pointer = `/tlogs/${index}`;
    if (publicKey.keyDetails !== KEY_DETAILS) continue;
    const [, origin = ""] = /^https?:\/\/([^/:?#]+)(?::\d+)?\/?$/.exec(baseUrl) ?? [];
    if (!isKeyName(origin)) return { ok: false, pointer: `${pointer}/baseUrl`, detail: "names no log" };
    const spki = decodeBase64(publicKey.rawBytes);
    if (spki === undefined || ed25519Key(spki) === undefined) {
      return { ok: false, pointer: `${pointer}/publicKey/rawBytes`, detail: "not an Ed25519 key" };
    }
    const keyId = encodeBase64(noteKeyDigest(origin, spki));
    // A name that belongs to another key would make the report lie about which log it was.
    if (logId.keyId !== keyId) {
      return { ok: false, pointer: `${pointer}/logId/keyId`, detail: `the log's own is ${keyId}` };
    }
    const { start, end } = publicKey.validFor ?? {};
    const validFromMs = start === undefined ? 0 : readInstant(start);
    const validUntilMs = end === undefined ? undefined : readInstant(end);
    if (Number.isNaN(validFromMs) || Number.isNaN(validUntilMs)) {
      return { ok: false, pointer: `${pointer}/publicKey/validFor`, detail: "not a time in UTC" };
    }
    logs.push({
      origin,
      spki: publicKey.rawBytes,
      validFromMs,
      ...(validUntilMs === undefined ? {} : { validUntilMs }),
    });
  }
  return { ok: true, logs };
}

/** RFC 3339 in UTC, with or without milliseconds. */
function readInstant(text: string): number {
  return parseInstant(/\.\d{3}Z$/.test(text) ? text : text.replace(/Z$/, ".000Z"));
}
