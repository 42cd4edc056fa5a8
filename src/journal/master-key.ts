/**
 * The master key of what is kept of runs: a file of the operator's, mode 0600, with 64 hex digits in a line. The key of
 * the first line wraps tenants' keys; those of further lines are only believed, and are there while a rotation has not
 * come to its end. It can end between any two steps, and be begun again: no key leaves the file that a row still needs.
 */
import { toHex } from "../core/digest.ts";
import { GatewayError } from "../core/errors.ts";
import type { Entropy, Files } from "../ports/index.ts";

/** What the file is read and written with. */
export interface MasterKeyPlace {
  readonly files: Files;
  readonly entropy: Entropy;
  readonly path: string;
}

const KEY_BYTES = 32;
const OTHERS = 0o077;
const LINE = /^[0-9a-f]{64}$/;

/** Makes the file, when there is none. Whoever does so at once, all go on with the one that is there. */
export async function makeMasterKey(place: MasterKeyPlace): Promise<void> {
  await place.files.create(place.path, textOf([newLine(place)]), { mode: 0o600 });
}

/**
 * The keys in the file, that which wraps first.
 *
 * @throws {GatewayError} `evidence-unavailable` when there is no file, others may read it, or it is not of its form
 */
export async function readMasterKeys(place: MasterKeyPlace): Promise<readonly [CryptoKey, ...CryptoKey[]]> {
  const [first, ...rest] = await Promise.all((await readLines(place)).map(importLine));
  if (first === undefined) throw unreadable(`master key ${JSON.stringify(place.path)} is empty`);
  return [first, ...rest];
}

/** Begins a rotation: from here on a new key wraps, and those before it are still believed. @throws as {@link readMasterKeys} */
export async function beginRotation(place: MasterKeyPlace): Promise<void> {
  await write(place, [newLine(place), ...(await readLines(place))]);
}

/** Ends it: only the key that wraps is left. To be called when nothing is wrapped with another. */
export async function endRotation(place: MasterKeyPlace): Promise<void> {
  await write(place, (await readLines(place)).slice(0, 1));
}

/** What could not be opened, and why. */
export function unreadable(why: string, cause?: unknown): GatewayError {
  const refusal = { code: "evidence-unavailable", retryAfterSeconds: 60 } as const;
  return new GatewayError(`Cannot open a journal: ${why}`, refusal, { cause });
}

async function readLines({ files, path }: MasterKeyPlace): Promise<readonly string[]> {
  const name = JSON.stringify(path);
  const bytes = await files.read(path);
  if (bytes === undefined) throw unreadable(`there is no master key ${name}`);
  const mode = (await files.mode(path)) ?? 0;
  if ((mode & OTHERS) !== 0)
    throw unreadable(`the mode of master key ${name} is 0${mode.toString(8)}, want 0600`);
  const lines = new TextDecoder().decode(bytes).trim().split("\n");
  const wrong = lines.findIndex((line) => !LINE.test(line));
  if (wrong >= 0) throw unreadable(`master key ${name} is not 64 hex digits in line ${wrong + 1}`);
  return lines;
}

async function write({ files, path }: MasterKeyPlace, lines: readonly string[]): Promise<void> {
  await files.write(path, textOf(lines), { mode: 0o600 });
}

function textOf(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

function newLine({ entropy }: MasterKeyPlace): string {
  return toHex(entropy.bytes(KEY_BYTES));
}

function importLine(line: string): Promise<CryptoKey> {
  const raw = Uint8Array.from(line.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}
