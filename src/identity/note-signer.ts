/**
 * The keys that sign the log's checkpoints, in files beside the manifest keys. Whoever reads them can show different
 * histories to different people; comparing checkpoints is what finds that out, and witnesses do.
 */
import type { NoteSigner, Signature } from "../ports/index.ts";
import { unusable } from "./key-file.ts";
import { type HeldKey, type KeyFiles, KeyHolder } from "./key-holder.ts";
import { ED25519, verifyEd25519 } from "./verify-signature.ts";

/** What the files of checkpoint keys hold. */
export const CHECKPOINT_KEY = { algorithm: ED25519, alg: "Ed25519", name: "an Ed25519 key" } as const;

/**
 * Opens the checkpoint keys, creating the first when there is none.
 *
 * @param options `path`: of a PKCS#8 PEM file, made with mode 0600; `origin`: the log's name
 * @returns a signer that has signed and verified a probe
 * @throws {GatewayError} `evidence-unavailable` when the file is readable by others, or is not an unencrypted Ed25519
 *   key
 */
export async function openNoteSigner(options: KeyFiles & { readonly origin: string }): Promise<NoteSigner> {
  const { origin, path } = options;
  const holder = new KeyHolder(options, CHECKPOINT_KEY);
  const signer: NoteSigner = {
    origin,
    keys: () => holder.published(),
    mayBeAskedAhead: true,
    async sign(bytes) {
      const key = holder.current();
      return key instanceof Promise ? await signWith(await key, bytes) : await signWith(key, bytes);
    },
  };
  // Not one that could be taken for a checkpoint: it has no lines.
  const bytes = new TextEncoder().encode("writ signer probe");
  const { signature, key } = await signer.sign(bytes);
  if (!(await verifyEd25519(key.spki, signature, bytes))) {
    throw unusable(`Cannot use key ${JSON.stringify(path)}: its signatures do not verify`);
  }
  return signer;
}

async function signWith({ sign, published }: HeldKey, bytes: Uint8Array): Promise<Signature> {
  try {
    return { signature: await sign(new Uint8Array(bytes)), key: published };
  } catch (cause) {
    throw unusable("Cannot sign checkpoint: the host's cryptography failed", cause);
  }
}
