/** Signatures, verified by WebCrypto: what `core/manifest` is given to check manifests and checkpoints with. */
import { derToRaw, isP256Spki, type VerifySignature } from "../core/manifest/index.ts";

/** The algorithm of manifests, in WebCrypto's words. */
export const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** The algorithm of checkpoints. */
export const ED25519 = { name: "Ed25519" } as const;

/**
 * Verifies one signature by the key's own kind. See {@link VerifySignature}.
 *
 * @returns false for a malformed signature, a key that is neither P-256 nor Ed25519, a point off the curve
 */
export const verifySignature: VerifySignature = (spki, signature, bytes) =>
  isP256Spki(spki) ? verifyEs256(spki, signature, bytes) : verifyEd25519(spki, signature, bytes);

/** Verifies an ECDSA P-256 signature with SHA-256, in DER. */
export const verifyEs256: VerifySignature = async (spki, signatureDer, bytes) => {
  const raw = derToRaw(signatureDer);
  if (raw === undefined || !isP256Spki(spki)) return false;
  try {
    const key = await crypto.subtle.importKey("spki", spki, ES256, false, ["verify"]);
    return await crypto.subtle.verify(ES256, key, raw, bytes);
  } catch {
    // A point off the curve: Node refuses it at import, Deno at verification.
    return false;
  }
};

/** Verifies an Ed25519 signature. */
export const verifyEd25519: VerifySignature = async (spki, signature, bytes) => {
  try {
    const key = await crypto.subtle.importKey("spki", spki, ED25519, false, ["verify"]);
    return await crypto.subtle.verify(ED25519, key, signature, bytes);
  } catch {
    // A key of another kind, or a point off the curve.
    return false;
  }
};
