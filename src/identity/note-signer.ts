/**
 * The key that signs the log's checkpoints, in a file beside the manifest key. Whoever reads it can show different
 * histories to different people; comparing checkpoints is what finds that out.
 */
import type { Files, NoteSigner } from "../ports/index.ts";
import { openKeyFile, unusable } from "./key-file.ts";
import { ED25519, verifyEd25519 } from "./verify-signature.ts";

/**
 * Opens the checkpoint key, creating it when there is none.
 *
 * @param options `path`: of a PKCS#8 PEM file, made with mode 0600; `origin`: the log's name
 * @returns a signer that has signed and verified a probe
 * @throws {GatewayError} `evidence-unavailable` when the file is readable by others, or is not an unencrypted Ed25519
 *   key
 */
export async function openNoteSigner(options: {
  readonly files: Files;
  readonly path: string;
  readonly origin: string;
}): Promise<NoteSigner> {
  const { origin, path } = options;
  const { privateKey, publicKey } = await openKeyFile(options, {
    algorithm: ED25519,
    name: "an Ed25519 key",
  });
  const publicKeySpki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
  const signer: NoteSigner = {
    origin,
    publicKeySpki,
    async sign(bytes) {
      try {
        return new Uint8Array(await crypto.subtle.sign(ED25519, privateKey, new Uint8Array(bytes)));
      } catch (cause) {
        throw unusable("Cannot sign checkpoint: WebCrypto failed", cause);
      }
    },
  };
  // Not one that could be taken for a checkpoint: it has no lines.
  const bytes = new TextEncoder().encode("writ signer probe");
  if (!(await verifyEd25519(publicKeySpki, await signer.sign(bytes), bytes))) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: its signatures do not verify`);
  }
  return signer;
}
