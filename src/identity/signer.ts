/**
 * The gateway's manifest key, in a file of the operator's. Whoever reads that file can sign manifests as this gateway;
 * so a file that others may read is refused instead of used.
 */
import { calculateJwkThumbprint, exportJWK, type JWK } from "jose";
import { GatewayError } from "../core/errors.ts";
import { decodeBase64, encodeBase64, rawToDer } from "../core/manifest/index.ts";
import type { Files, Signer } from "../ports/index.ts";
import { ES256, verifyEs256 } from "./verify-es256.ts";

/** Permission bits that let others than the owner at the key. */
const OTHERS = 0o077;

/**
 * Opens the manifest key, creating it when there is none.
 *
 * @param options `path`: of a PKCS#8 PEM file, made with mode 0600; `files`: to read and write it
 * @returns a signer that has signed and verified a probe
 * @throws {GatewayError} `evidence-unavailable` when the file is readable by others, or is not an unencrypted P-256 key
 */
export async function openSigner(options: { readonly files: Files; readonly path: string }): Promise<Signer> {
  const { files, path } = options;
  if ((await files.mode(path)) === undefined) await files.write(path, await generatePem(), { mode: 0o600 });
  // Read back even when just made: if two gateways made one at once, both go on with the one that is there.
  const mode = (await files.mode(path)) ?? 0;
  if ((mode & OTHERS) !== 0) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: its mode is ${octal(mode)}, want 0600`);
  }
  const bytes = await files.read(path);
  if (bytes === undefined) throw unusable(`Cannot use key ${JSON.stringify(path)}: the file is gone`);
  const { privateKey, publicKey } = await importPem(new TextDecoder().decode(bytes), path);
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

async function generatePem(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey(ES256, true, ["sign", "verify"]);
  const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  const lines = encodeBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}

async function importPem(
  pem: string,
  path: string,
): Promise<{ privateKey: CryptoKey; publicKey: CryptoKey }> {
  const [, body] =
    /^-----BEGIN PRIVATE KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END PRIVATE KEY-----\s*$/.exec(pem) ?? [];
  const der = body === undefined ? undefined : decodeBase64(body.replace(/[\r\n]/g, ""));
  if (der === undefined) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: it is not one unencrypted PKCS#8 PEM`);
  }
  try {
    const exportable = await crypto.subtle.importKey("pkcs8", der, ES256, true, ["sign"]);
    const { kty = "", crv = "", x = "", y = "" } = await crypto.subtle.exportKey("jwk", exportable);
    return {
      // The one that is kept can sign but not be exported again.
      privateKey: await crypto.subtle.importKey("pkcs8", der, ES256, false, ["sign"]),
      publicKey: await crypto.subtle.importKey("jwk", { kty, crv, x, y }, ES256, true, ["verify"]),
    };
  } catch (cause) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: it is not an ECDSA P-256 key`, cause);
  }
}

function unusable(message: string, cause?: unknown): GatewayError {
  return new GatewayError(message, { code: "evidence-unavailable", retryAfterSeconds: 5 }, { cause });
}

function octal(mode: number): string {
  return `0${mode.toString(8)}`;
}
