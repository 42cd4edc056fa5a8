/** Signs with the gateway's keys. The keys themselves may live elsewhere, and they rotate: a signature names its own. */

/** The public half of a key, and when it is to be believed. */
export interface PublicKey {
  /** RFC 7638 thumbprint, base64url. Also the `kid` in the JWKS. */
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array<ArrayBuffer>;
  /** What was signed about an earlier moment is not to be believed. 0 = since ever. */
  readonly validFromMs: number;
  /** What was signed about this moment or a later one is not to be believed. Absent = no end. */
  readonly validUntilMs?: number;
}

/** A signature, and the key that made it: between two signatures the key may have changed. */
export interface Signature {
  readonly signature: Uint8Array<ArrayBuffer>;
  readonly key: PublicKey;
}

/** Signs manifests, with ECDSA P-256. */
export interface Signer {
  /**
   * Every key there was, newest first, so that what retired keys signed verifies for ever. The newest may not sign yet.
   *
   * @throws {GatewayError} `evidence-unavailable`
   */
  keys(): Promise<readonly PublicKey[]>;
  /**
   * @param bytes exactly what is to be signed; hashed with SHA-256 inside
   * @returns ASN.1 DER, as Sigstore and openssl expect it
   * @throws {GatewayError} `evidence-unavailable` when the signer cannot sign
   */
  sign(bytes: Uint8Array): Promise<Signature>;
}

/** Signs the log's checkpoints under the log's name, with Ed25519. */
export interface NoteSigner {
  /** The log's name: a bare host. With another name it is another log, whatever its entries. */
  readonly origin: string;
  /**
   * Whether it may be asked for a signature that nobody is given should the head not come to be: it belongs to this process
   * and keeps no account. Default: one that signs no two roots for one size would refuse the next.
   */
  readonly mayBeAskedAhead?: true;
  /** As {@link Signer.keys}. */
  keys(): Promise<readonly PublicKey[]>;
  /**
   * Where it may be asked ahead it has begun on another thread when this returns, unless its key has to be read first.
   *
   * @returns 64 bytes; the same for the same bytes and key, always
   * @throws {GatewayError} `evidence-unavailable` when the signer cannot sign
   */
  sign(bytes: Uint8Array): Promise<Signature>;
}
