/** Signs bytes with the gateway's manifest key; the key itself may live elsewhere. */
export interface Signer {
  /** RFC 7638 thumbprint of the public key, base64url. Also the `kid` in the JWKS. */
  readonly keyId: string;
  readonly algorithm: "ES256";
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeySpki: Uint8Array<ArrayBuffer>;
  /**
   * @param bytes exactly what is to be signed; hashed with SHA-256 inside
   * @returns ASN.1 DER ECDSA signature, as Sigstore and openssl expect it
   * @throws {GatewayError} `evidence-unavailable` when the signer cannot sign
   */
  sign(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
}

/** Signs the log's checkpoints under the log's name; the key itself may live elsewhere. */
export interface NoteSigner {
  /** The log's name: a bare host. With another name it is another log, whatever its entries. */
  readonly origin: string;
  /** SubjectPublicKeyInfo of the Ed25519 key, DER. */
  readonly publicKeySpki: Uint8Array<ArrayBuffer>;
  /**
   * @returns 64 bytes; the same for the same bytes, always
   * @throws {GatewayError} `evidence-unavailable` when the signer cannot sign
   */
  sign(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
}
