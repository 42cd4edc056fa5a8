/** Signatures, verified by the host: what `core/manifest` is given to check manifests and checkpoints with. */
import { toHex } from "../core/digest.ts";
import { derToRaw, isP256Spki, type VerifySignature } from "../core/manifest/index.ts";
import type { PublicVerifier, Verification } from "../ports/index.ts";

/** The algorithm of manifests, in WebCrypto's words. */
export const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** The algorithm of checkpoints. */
export const ED25519 = { name: "Ed25519" } as const;

/** Keys that a verifier keeps imported; a trust of more keys than these imports some of them again. */
const MAX_KEYS = 64;

/**
 * Creates a verifier for whoever verifies many manifests against the same trust: each key is imported once, because that
 * costs as much as verifying, and no signature waits for another thread.
 *
 * @returns see {@link VerifySignature}; false for a malformed signature, a key that is neither P-256 nor Ed25519, a point
 *   off the curve
 */
export function signatureVerifier({ publicKey }: Verification): VerifySignature {
  const keys = new Map<string, PublicVerifier | undefined>();
  return (spki, signature, bytes) => {
    const isEcdsa = isP256Spki(spki);
    const raw = isEcdsa ? derToRaw(signature) : signature;
    if (raw === undefined) return false;
    // A key that no signature was checked with yet may be anything; one that could not be imported verifies nothing.
    const name = toHex(spki);
    let key = keys.get(name);
    if (key === undefined && !keys.has(name)) {
      key = publicKey(spki, isEcdsa ? "ES256" : "Ed25519");
      keys.set(name, key);
      const [oldest] = keys.keys();
      if (keys.size > MAX_KEYS && oldest !== undefined) keys.delete(oldest);
    }
    return key?.(raw, bytes) === true;
  };
}

/**
 * Verifies one signature by the key's own kind, with WebCrypto. See {@link VerifySignature}.
 *
 * @returns false for a malformed signature, a key that is neither P-256 nor Ed25519, a point off the curve
 */
export const verifySignature: VerifySignature = async (spki, signature, bytes) =>
  verifyWith(await importKey(spki), signature, bytes);

/** Verifies an ECDSA P-256 signature with SHA-256, in DER. A key of another kind verifies nothing. */
export const verifyEs256: VerifySignature = async (spki, signatureDer, bytes) =>
  isP256Spki(spki) && (await verifySignature(spki, signatureDer, bytes));

/** Verifies an Ed25519 signature. A key of another kind verifies nothing. */
export const verifyEd25519: VerifySignature = async (spki, signature, bytes) =>
  !isP256Spki(spki) && (await verifySignature(spki, signature, bytes));

/** @returns undefined for a key of another kind, or a point off the curve where the host refuses that at import */
async function importKey(spki: Uint8Array<ArrayBuffer>): Promise<CryptoKey | undefined> {
  try {
    return await crypto.subtle.importKey("spki", spki, isP256Spki(spki) ? ES256 : ED25519, false, ["verify"]);
  } catch {
    return undefined;
  }
}

async function verifyWith(
  key: CryptoKey | undefined,
  signature: Uint8Array<ArrayBuffer>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  if (key === undefined) return false;
  const isEcdsa = key.algorithm.name === ES256.name;
  const raw = isEcdsa ? derToRaw(signature) : signature;
  if (raw === undefined) return false;
  try {
    return await crypto.subtle.verify(isEcdsa ? ES256 : ED25519, key, raw, bytes);
  } catch {
    // A point off the curve: Node refuses it at import, Deno at verification.
    return false;
  }
}
