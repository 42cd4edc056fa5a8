/**
 * The gateway's manifest key, in a file of the operator's. Whoever reads that file can sign manifests as this gateway;
 * so a file that others may read is refused instead of used.
 */
import { calculateJwkThumbprint, exportJWK, type JWK } from "jose";
import { rawToDer } from "../core/manifest/index.ts";
import type { Files, Signer } from "../ports/index.ts";
import { openKeyFile, unusable } from "./key-file.ts";
import { ES256, verifyEs256 } from "./verify-signature.ts";

/**
 * Opens the manifest key, creating it when there is none.
 *
 * @param options `path`: of a PKCS#8 PEM file, made with mode 0600; `files`: to read and write it
 * @returns a signer that has signed and verified a probe
 * @throws {GatewayError} `evidence-unavailable` when the file is readable by others, or is not an unencrypted P-256 key
 */
export async function openSigner(options: { readonly files: Files; readonly path: string }): Promise<Signer> {
  const { path } = options;
  const { privateKey, publicKey } = await openKeyFile(options, {
    algorithm: ES256,
    name: "an ECDSA P-256 key",
  });
  const signer = await createSigner(privateKey, publicKey);
  await probe(signer, path);
  return signer;
}

/**
 * The public key as a JSON Web Key Set, for `/.well-known/jwks.json`.
 *
 * @returns one key; `kid` is its RFC 7638 thumbprint
 */
export async function jwks(signer: Signer): Promise<{ readonly keys: readonly JWK[] }> {
  const key = await crypto.subtle.importKey("spki", signer.publicKeySpki, ES256, true, ["verify"]);
  const { kty, crv, x, y } = await exportJWK(key);
  if (kty === undefined || crv === undefined || x === undefined || y === undefined) {
    throw new TypeError("Cannot export key: WebCrypto gave an incomplete JWK");
  }
  return { keys: [{ kty, crv, x, y, kid: signer.keyId, alg: signer.algorithm, use: "sig" }] };
}

async function createSigner(privateKey: CryptoKey, publicKey: CryptoKey): Promise<Signer> {
  const publicKeySpki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  return {
    keyId: await calculateJwkThumbprint(await exportJWK(publicKey), "sha256"),
    algorithm: "ES256",
    publicKeySpki,
    async sign(bytes) {
      try {
        // The copy gives WebCrypto a buffer that nobody else can change while it signs.
        return rawToDer(new Uint8Array(await crypto.subtle.sign(ES256, privateKey, new Uint8Array(bytes))));
      } catch (cause) {
        throw unusable("Cannot sign manifest: WebCrypto failed", cause);
      }
    },
  };
}

/** A key that signs what its public half does not verify would fill the log with worthless manifests. */
async function probe(signer: Signer, path: string): Promise<void> {
  const bytes = new TextEncoder().encode("writ signer probe");
  if (!(await verifyEs256(signer.publicKeySpki, await signer.sign(bytes), bytes))) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: its signatures do not verify`);
  }
}
