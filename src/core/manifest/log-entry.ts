/**
 * What a log keeps of a manifest, and how a bundle carries the proof that it does. The entry holds digest, signature
 * and key, never a body: a log is public.
 * @see Sigstore Rekor v2, hashedrekord 0.0.2; Sigstore bundle v0.3, TransparencyLogEntry
 */
import { encodeBase64 } from "../base64.ts";
import { sha256Bytes } from "../digest.ts";
import { type Bundle, ENTRY_KIND, type LogEntry, pae } from "./statement.ts";
import { PAYLOAD_TYPE } from "./types.ts";

/** What of a manifest goes into its entry. */
export interface Logged {
  /** SHA-256 of the signed bytes (the DSSE PAE). */
  readonly digest: Uint8Array;
  readonly signatureDer: Uint8Array;
  /** SubjectPublicKeyInfo, DER, of the key that signed. */
  readonly spki: Uint8Array;
}

/**
 * Writes the log's entry of a manifest.
 *
 * @returns canonical JSON; whoever has the manifest and the key can write it too, so nobody needs to parse one
 */
export function encodeLogEntry({ digest, signatureDer, spki }: Logged): string {
  // Canonical as it stands: keys in order, and nothing in base64 needs an escape.
  const data = `{"algorithm":"SHA2_256","digest":"${encodeBase64(digest)}"}`;
  const key = `{"rawBytes":"${encodeBase64(spki)}"}`;
  const verifier = `{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":${key}}`;
  const signature = `{"content":"${encodeBase64(signatureDer)}","verifier":${verifier}}`;
  const spec = `{"hashedRekordV002":{"data":${data},"signature":${signature}}}`;
  return `{"apiVersion":"${ENTRY_KIND.version}","kind":"${ENTRY_KIND.kind}","spec":${spec}}`;
}

/** @returns whether an entry's text is of a logged manifest, and not of a seal from before there was a log */
export function isLogEntry(text: string): boolean {
  return text.startsWith(`{"apiVersion":"${ENTRY_KIND.version}","kind":"${ENTRY_KIND.kind}",`);
}

/** The digest of a manifest's signed bytes, from its payload. */
export function digestOfPayload(payload: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256Bytes(pae(PAYLOAD_TYPE, payload));
}

/**
 * Puts the proof that a log has a manifest into the manifest's bundle.
 *
 * @param bundle as it was signed
 * @param parts `entry`: {@link encodeLogEntry}'s text; `logKeyDigest`: of the log's key under its name;
 *   `checkpoint`: the signed note that `size` and `root` are of
 */
export function withLogEntry(
  bundle: Bundle,
  parts: {
    readonly entry: string;
    readonly logKeyDigest: Uint8Array;
    readonly index: number;
    readonly size: number;
    readonly root: Uint8Array;
    readonly path: readonly Uint8Array[];
    readonly checkpoint: string;
  },
): Bundle {
  const logIndex = String(parts.index);
  const entry: LogEntry = {
    logIndex,
    logId: { keyId: encodeBase64(parts.logKeyDigest) },
    kindVersion: ENTRY_KIND,
    inclusionProof: {
      logIndex,
      rootHash: encodeBase64(parts.root),
      treeSize: String(parts.size),
      hashes: parts.path.map(encodeBase64),
      checkpoint: { envelope: parts.checkpoint },
    },
    canonicalizedBody: encodeBase64(new TextEncoder().encode(parts.entry)),
  };
  return {
    ...bundle,
    verificationMaterial: { ...bundle.verificationMaterial, tlogEntries: [entry] },
  };
}
