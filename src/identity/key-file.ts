/**
 * A private key in a file of the operator's: made when it is missing, refused when others may read it. Whoever reads
 * the file can sign as this gateway.
 */
import { GatewayError } from "../core/errors.ts";
import { decodeBase64, encodeBase64 } from "../core/manifest/index.ts";
import type { Files, PrivateSigner, Signing } from "../ports/index.ts";

/** Permission bits that let others than the owner at the key. */
const OTHERS = 0o077;

/** A kind of key, in WebCrypto's words, in JOSE's and in ours. */
export interface KeyKind {
  readonly algorithm: EcKeyImportParams | AlgorithmIdentifier;
  readonly alg: Parameters<Signing["privateKey"]>[1];
  /** For messages: `an ECDSA P-256 key`. */
  readonly name: string;
}

/** A key pair whose private half can sign and not be exported. */
export interface KeyPair {
  readonly sign: PrivateSigner;
  readonly publicKey: CryptoKey;
}

/**
 * Opens a key.
 *
 * @param options `path`: of a PKCS#8 PEM file; `files`: to read and write it; `signing`: to sign with it; `create`: whether one is made, with mode
 *   0600, when there is none
 * @throws {GatewayError} `evidence-unavailable` when the file is readable by others, or is not an unencrypted key of
 *   that kind
 */
export async function openKeyFile(
  options: {
    readonly files: Files;
    readonly signing: Signing;
    readonly path: string;
    readonly create: boolean;
  },
  kind: KeyKind,
): Promise<KeyPair> {
  const { files, signing, path } = options;
  if (options.create && (await files.mode(path)) === undefined) {
    // Read back even when just made: of gateways that make one at once, all go on with the one that is there.
    await files.create(path, await generatePem(kind), { mode: 0o600 });
  }
  const mode = (await files.mode(path)) ?? 0;
  if ((mode & OTHERS) !== 0) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: its mode is ${octal(mode)}, want 0600`);
  }
  const bytes = await files.read(path);
  if (bytes === undefined) throw unusable(`Cannot use key ${JSON.stringify(path)}: the file is gone`);
  return await importPem(new TextDecoder().decode(bytes), path, kind, signing);
}

/** A failure of a key, as callers are told of it: nothing can be signed for now. */
export function unusable(message: string, cause?: unknown): GatewayError {
  return new GatewayError(message, { code: "evidence-unavailable", retryAfterSeconds: 5 }, { cause });
}

async function generatePem({ algorithm }: KeyKind): Promise<string> {
  const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  if (!("privateKey" in pair)) throw new TypeError("Cannot generate key: WebCrypto gave no key pair");
  const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const lines = encodeBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
}

async function importPem(
  pem: string,
  path: string,
  { algorithm, alg, name }: KeyKind,
  signing: Signing,
): Promise<KeyPair> {
  const [, body] =
    /^-----BEGIN PRIVATE KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END PRIVATE KEY-----\s*$/.exec(pem) ?? [];
  const der = body === undefined ? undefined : decodeBase64(body.replace(/[\r\n]/g, ""));
  if (der === undefined) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: it is not one unencrypted PKCS#8 PEM`);
  }
  try {
    const exportable = await crypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]);
    const { d: _, key_ops: __, ...jwk } = await crypto.subtle.exportKey("jwk", exportable);
    return {
      sign: await signing.privateKey(der, alg),
      publicKey: await crypto.subtle.importKey("jwk", jwk, algorithm, true, ["verify"]),
    };
  } catch (cause) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: it is not ${name}`, cause);
  }
}

function octal(mode: number): string {
  return `0${mode.toString(8)}`;
}
