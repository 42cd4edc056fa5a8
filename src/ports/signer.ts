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
