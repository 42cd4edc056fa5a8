/**
 * From what a run did to the exact bytes that get signed, and to the document that carries both.
 *
 * Bytes are signed, not objects: whoever verifies hashes these bytes as they came and parses them afterwards.
 * @see in-toto Statement v1, DSSE v1, Sigstore bundle v0.3
 */

import { encodeBase64 } from "../base64.ts";
import type { ObservabilityField } from "../policy/types.ts";
import type { ActionStatement } from "./action.ts";
import { PAYLOAD_TYPE, PREDICATE_TYPE, type RunPredicate, type Statement } from "./types.ts";

/** Kind and version of entries, as bundles name them. */
export const ENTRY_KIND = { kind: "hashedrekord", version: "0.0.2" } as const;

/** The proof in a bundle that a log has its entry. Numbers are text, because they are 64 bit wide. */
export interface LogEntry {
  readonly logIndex: string;
  /** Base64 of the digest of the log's key under the log's name. */
  readonly logId: { readonly keyId: string };
  readonly kindVersion: typeof ENTRY_KIND;
  readonly inclusionProof: {
    readonly logIndex: string;
    readonly rootHash: string;
    readonly treeSize: string;
    readonly hashes: readonly string[];
    readonly checkpoint: { readonly envelope: string };
  };
  /** Base64 of the entry's exact bytes. */
  readonly canonicalizedBody: string;
}

/** The media type of a manifest. */
export const BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json";

/** A Sigstore bundle v0.3 around one DSSE envelope with one signature. */
export interface Bundle {
  readonly mediaType: typeof BUNDLE_MEDIA_TYPE;
  /** `hint` is the key's RFC 7638 thumbprint. A hint only: verifiers choose the key from their own trust. */
  readonly verificationMaterial: {
    readonly publicKey: { readonly hint: string };
    /** The proof that a log has this manifest; absent while it is not logged. */
    readonly tlogEntries?: readonly [LogEntry];
  };
  readonly dsseEnvelope: {
    /** Base64 of the signed statement. */
    readonly payload: string;
    readonly payloadType: typeof PAYLOAD_TYPE;
    /** `sig` is base64 of the DER signature over {@link pae}; `keyid` is empty, or what an older Writ called the key. */
    readonly signatures: readonly [{ readonly sig: string; readonly keyid: string }];
  };
}

/**
 * Makes the statement of a run.
 *
 * @param predicate what the run did; its hashes become the subjects `output`, `component` and `policy`. A subject
 *   without a hash (no output, no policy) is left out
 * @returns an in-toto Statement v1
 * @throws {TypeError} when a hash is not `sha256:` and 64 lower-case hex digits
 */
export function createStatement(predicate: RunPredicate): Statement {
  const hashes = [
    ["output", predicate.output_hash],
    ["component", predicate.artifact_hash],
    ["policy", predicate.policy_id],
  ] as const;
  return {
    _type: "https://in-toto.io/Statement/v1",
    subject: hashes.flatMap(([name, hash]) =>
      hash === null ? [] : [{ name, digest: { sha256: hexOf(name, hash) } }],
    ),
    predicateType: PREDICATE_TYPE,
    predicate,
  };
}

/**
 * Writes a statement as the bytes that get signed.
 *
 * @returns UTF-8 JSON. A lone surrogate in a string is written as an escape, so the bytes are always valid
 */
export function encodeStatement(statement: Statement | ActionStatement): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(statement));
}

/**
 * The DSSE pre-authentication encoding: what the signature is over. The payload's type is in it, so the same bytes
 * can not be passed off as another kind of document.
 *
 * @param type payload type; its length is counted in UTF-8 bytes
 * @param payload the statement's bytes
 * @returns `DSSEv1 <type length> <type> <payload length> <payload>`
 * @see DSSE protocol, "Signature Definition"
 */
export function pae(type: string, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const typeBytes = encoder.encode(type);
  const head = encoder.encode(`DSSEv1 ${typeBytes.length} ${type} ${payload.length} `);
  const bytes = new Uint8Array(head.length + payload.length);
  bytes.set(head);
  bytes.set(payload, head.length);
  return bytes;
}

/**
 * Puts a payload and its signature into a Sigstore bundle. There is no log entry in it: see `withLogEntry`.
 *
 * @param parts `payload`: the signed bytes; `signatureDer`: over {@link pae} of them; `keyId`: the key's thumbprint
 */
export function createBundle(parts: {
  readonly payload: Uint8Array;
  readonly signatureDer: Uint8Array;
  readonly keyId: string;
}): Bundle {
  return {
    mediaType: BUNDLE_MEDIA_TYPE,
    verificationMaterial: { publicKey: { hint: parts.keyId } },
    dsseEnvelope: {
      payload: encodeBase64(parts.payload),
      payloadType: PAYLOAD_TYPE,
      // Unsigned, and other verifiers pass over a signature whose keyid is not their own name for the key.
      signatures: [{ sig: encodeBase64(parts.signatureDer), keyid: "" }],
    },
  };
}

/** Knowledge in one place: when each field that a policy may require counts as present. */
const PRESENT: { readonly [field in ObservabilityField]: (predicate: RunPredicate) => boolean } = {
  // All zeros is W3C's "no trace".
  trace_id: (p) => /^[0-9a-f]{32}$/.test(p.trace_id) && !/^0+$/.test(p.trace_id),
  policy_id: (p) => isHash(p.policy_id),
  artifact_hash: (p) => isHash(p.artifact_hash),
  tenant: (p) => p.tenant !== "",
  purpose: (p) => p.purpose !== "",
  principal: (p) => p.principal !== "",
  task: (p) => p.task !== undefined && p.task.id !== "",
  input_hash: (p) => isHash(p.input_hash),
  // A run that did not complete has no output: null is then the fact, not a gap.
  output_hash: (p) => isHash(p.output_hash) || (p.output_hash === null && p.outcome.kind !== "completed"),
  // The executor's reading is lost when it had to be killed.
  fuel: (p) => typeof p.budget?.fuel.used === "number",
};

/**
 * Says which required fields a predicate lacks.
 *
 * @param required the policy's `required_observability_fields`
 * @returns the missing ones in the order required; empty = nothing is missing
 */
export function missingFields(
  predicate: RunPredicate,
  required: readonly ObservabilityField[],
): readonly ObservabilityField[] {
  return required.filter((field) => !PRESENT[field](predicate));
}

function isHash(hash: string | null): boolean {
  return hash !== null && /^sha256:[0-9a-f]{64}$/.test(hash);
}

function hexOf(name: string, hash: string): string {
  if (!isHash(hash)) {
    throw new TypeError(
      `Cannot make subject ${JSON.stringify(name)}: ${JSON.stringify(hash)} is not sha256:<hex>`,
    );
  }
  return hash.slice("sha256:".length);
}
