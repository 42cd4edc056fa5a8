/** The host's own cryptography on the thread that asks, for whoever verifies much: a hop to another costs as much. */
export interface Verification {
  /** SHA-256; 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array;
  /**
   * Takes a public key for many signatures.
   *
   * @param spki SubjectPublicKeyInfo, DER, of a P-256 or an Ed25519 key
   * @param algorithm what the key is for: ECDSA with SHA-256, or Ed25519
   * @returns undefined when it is no such key
   */
  publicKey(spki: Uint8Array, algorithm: "ES256" | "Ed25519"): PublicVerifier | undefined;
}

/**
 * Checks one signature.
 *
 * @param signature raw: `r || s` of an ECDSA signature; attacker-controlled
 * @returns false for whatever is wrong with it
 */
export type PublicVerifier = (signature: Uint8Array, bytes: Uint8Array) => boolean;
