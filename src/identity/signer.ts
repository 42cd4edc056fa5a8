/**
 * The gateway's manifest keys, in files of the operator's. Whoever reads them can sign manifests as this gateway; so a
 * file that others may read is refused instead of used.
 */
import { exportJWK, type JWK } from "jose";
import { rawToDer } from "../core/manifest/index.ts";
import type { PublicKey, Signer } from "../ports/index.ts";
import { unusable } from "./key-file.ts";
import { type KeyFiles, KeyHolder } from "./key-holder.ts";
import { ES256, verifyEs256 } from "./verify-signature.ts";

/** What the files of manifest keys hold. */
export const MANIFEST_KEY = { algorithm: ES256, alg: "ES256", name: "an ECDSA P-256 key" } as const;

/**
 * Opens the manifest keys, creating the first when there is none.
 *
 * @param options `path`: of a PKCS#8 PEM file, made with mode 0600
 * @returns a signer that has signed and verified a probe
 * @throws {GatewayError} `evidence-unavailable` when the file is readable by others, or is not an unencrypted P-256 key
 */
export async function openSigner(options: KeyFiles): Promise<Signer> {
  const holder = new KeyHolder(options, MANIFEST_KEY);
  const signer: Signer = {
    keys: () => holder.published(),
    async sign(bytes) {
      const { sign, published } = await holder.current();
      try {
        return { signature: rawToDer(await sign(new Uint8Array(bytes))), key: published };
      } catch (cause) {
        throw unusable("Cannot sign manifest: the host's cryptography failed", cause);
      }
    },
  };
  await probe(signer, options.path);
  return signer;
}

/**
 * Public keys as a JSON Web Key Set, for `/.well-known/jwks.json`.
 *
 * @param keys newest first
 * @returns one member for each; `kid` is its RFC 7638 thumbprint, `nbf` and `exp` when it begins and ends to be
 *   believed, in seconds (as OpenID Federation writes them)
 */
export async function jwks(keys: readonly PublicKey[]): Promise<{ readonly keys: readonly JWK[] }> {
  return { keys: await Promise.all(keys.map(toJwk)) };
}

async function toJwk({ keyId, spki, validFromMs, validUntilMs }: PublicKey): Promise<JWK> {
  const key = await crypto.subtle.importKey("spki", spki, ES256, true, ["verify"]);
  const { kty, crv, x, y } = await exportJWK(key);
  if (kty === undefined || crv === undefined || x === undefined || y === undefined) {
    throw new TypeError("Cannot export key: WebCrypto gave an incomplete JWK");
  }
  return {
    ...{ kty, crv, x, y, kid: keyId, alg: "ES256", use: "sig" },
    ...(validFromMs === 0 ? {} : { nbf: validFromMs / 1000 }),
    ...(validUntilMs === undefined ? {} : { exp: validUntilMs / 1000 }),
  };
}

/** A key that signs what its public half does not verify would fill the log with worthless manifests. */
async function probe(signer: Signer, path: string): Promise<void> {
  const bytes = new TextEncoder().encode("writ signer probe");
  const { signature, key } = await signer.sign(bytes);
  if (!(await verifyEs256(key.spki, signature, bytes))) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: its signatures do not verify`);
  }
}
