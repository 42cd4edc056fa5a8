/** Where keys and runtime meet: signers over files or over a socket, the signing process, rotation. */
import { writeTrustedRoot } from "../gateway/index.ts";
import {
  CHECKPOINT_KEY,
  connectSigner,
  jwks,
  KeyHolder,
  MANIFEST_KEY,
  openNoteSigner,
  openSigner,
  serveSigner,
} from "../identity/index.ts";
import { makeMasterKey } from "../journal/index.ts";
import type { NoteSigner, Runtime, Signer } from "../ports/index.ts";
import { journalKey } from "./kept.ts";

/** Both signers of one gateway. */
export interface Signers {
  readonly signer: Signer;
  readonly noteSigner: NoteSigner;
}

/** Where the keys are. */
export interface SignerPlace {
  /** Folder of the keys' files, and of what is published of them. */
  readonly keysFolder: string;
  /** Name of the log. */
  readonly origin: string;
  /** `unix:<path>` of a signing process; undefined = the files in `keysFolder`. */
  readonly address: string | undefined;
}

/** @throws {GatewayError} `evidence-unavailable` when keys can not be used, or the signing process can not be reached */
export async function openSigners(runtime: Runtime, place: SignerPlace): Promise<Signers> {
  const { files, clock, signing, sockets } = runtime;
  const { keysFolder, origin, address } = place;
  if (address !== undefined) {
    return await connectSigner({ sockets, clock, origin, path: address.replace(/^unix:/, "") });
  }
  return {
    signer: await openSigner({ files, clock, signing, path: `${keysFolder}/manifest.pem` }),
    noteSigner: await openNoteSigner({ files, clock, signing, origin, path: `${keysFolder}/checkpoint.pem` }),
  };
}

/**
 * The public keys as files, for `writ verify` without a gateway.
 *
 * @param prefix of the trusted root's file name: each log of a data folder has one
 */
export async function writePublicKeys(
  { files }: Runtime,
  keysFolder: string,
  { signer, noteSigner }: Signers,
  prefix = "",
): Promise<void> {
  const keys = `${JSON.stringify(await jwks(await signer.keys()), null, 2)}\n`;
  await files.write(`${keysFolder}/jwks.json`, keys);
  await files.write(`${keysFolder}/${prefix}trusted_root.json`, await writeTrustedRoot(noteSigner));
}

/**
 * Serves signatures with the keys of a folder.
 *
 * @param log told of each refusal
 */
export async function openSignerService(
  runtime: Runtime,
  options: { readonly keysFolder: string; readonly origin: string; readonly socketPath: string },
  log: (line: object) => void,
): Promise<{ close(): Promise<void> }> {
  const signers = await openSigners(runtime, { ...options, address: undefined });
  await writePublicKeys(runtime, options.keysFolder, signers);
  return await serveSigner(options.socketPath, { sockets: runtime.sockets, log, ...signers });
}

/** Files of a keys folder that hold secrets. */
const SECRET_FILES = ["manifest.pem", "checkpoint.pem", "journals.key"] as const;

/**
 * Makes the keys that a folder lacks: for gateways that share them, and can not each make their own.
 *
 * @returns the files that were made, and the public ids of the signing keys
 */
export async function makeKeys(
  runtime: Runtime,
  { keysFolder, origin }: Pick<SignerPlace, "keysFolder" | "origin">,
): Promise<{
  readonly made: readonly string[];
  readonly keyIds: Readonly<Record<"manifest" | "checkpoint", string>>;
}> {
  const { files, entropy } = runtime;
  const made: string[] = [];
  for (const name of SECRET_FILES)
    if ((await files.mode(`${keysFolder}/${name}`)) === undefined) made.push(name);
  const signers = await openSigners(runtime, { keysFolder, origin, address: undefined });
  await makeMasterKey({ files, entropy, path: journalKey(keysFolder) });
  await writePublicKeys(runtime, keysFolder, signers);
  const [manifest, checkpoint] = [await signers.signer.keys(), await signers.noteSigner.keys()];
  return { made, keyIds: { manifest: manifest[0]?.keyId ?? "", checkpoint: checkpoint[0]?.keyId ?? "" } };
}

/** Which keys to rotate, and how. */
export interface RotateOptions {
  readonly keysFolder: string;
  readonly origin: string;
  readonly kinds: readonly ("manifest" | "checkpoint")[];
  /** 0 = at once: the old key may be in wrong hands. */
  readonly overlapMs: number;
}

/** One key of a ring, as `writ keys signing` shows it. */
export interface KeyState {
  readonly kind: "manifest" | "checkpoint";
  readonly keyId: string;
  readonly validFromMs: number;
  readonly signsFromMs: number;
  readonly validUntilMs?: number;
}

/**
 * Rotates keys. Gateways and signing processes that use them follow within seconds.
 *
 * @returns every key of those kinds, newest first
 */
export async function rotateKeys(runtime: Runtime, options: RotateOptions): Promise<readonly KeyState[]> {
  const { files, clock, signing } = runtime;
  const { keysFolder, origin, kinds, overlapMs } = options;
  const states: KeyState[] = [];
  for (const kind of kinds) {
    const key = kind === "manifest" ? MANIFEST_KEY : CHECKPOINT_KEY;
    const holder = new KeyHolder({ files, clock, signing, path: `${keysFolder}/${kind}.pem` }, key);
    const ring = await holder.rotate({ overlapMs, sinceEver: kind === "checkpoint" });
    states.push(...ring.map(({ spki: _, file: __, ...state }) => ({ kind, ...state })));
  }
  await writePublicKeys(
    runtime,
    keysFolder,
    await openSigners(runtime, { keysFolder, origin, address: undefined }),
  );
  return states;
}
