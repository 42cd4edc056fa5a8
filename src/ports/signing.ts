/** The host's own signatures: with keys of which nothing else comes out. */
export interface Signing {
  /**
   * Takes a private key for many signatures.
   *
   * @param pkcs8 PKCS#8, DER, of a P-256 or an Ed25519 key
   * @param algorithm what the key is for: ECDSA with SHA-256, or Ed25519
   * @throws when it is no such key
   */
  privateKey(pkcs8: Uint8Array<ArrayBuffer>, algorithm: "ES256" | "Ed25519"): Promise<PrivateSigner>;
}

/**
 * Signs: at once where that takes less than a hop to another thread, there where it takes more.
 *
 * @returns raw: `r || s` of an ECDSA signature, 64 bytes of either kind
 */
export type PrivateSigner = (
  bytes: Uint8Array<ArrayBuffer>,
) => Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>;
