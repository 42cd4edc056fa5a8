/** ECDSA P-256 with SHA-256, verified by WebCrypto: what `core/manifest` is given to check signatures with. */
import { derToRaw, isP256Spki, type VerifySignature } from "../core/manifest/index.ts";

/** The algorithm of manifests, in WebCrypto's words. */
export const ES256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * Verifies one signature. See {@link VerifySignature}.
 *
 * @returns false for a malformed signature, a key that is not P-256, a point off the curve
 */
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
