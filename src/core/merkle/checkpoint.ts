/**
 * Checkpoints: what a log says of itself, signed. Two checkpoints of one log that are not consistent are the proof
 * that it lied.
 * @see C2SP tlog-checkpoint
 */
import { decodeBase64, encodeBase64 } from "../base64.ts";
import { type Bytes, HASH_BYTES } from "./hash.ts";
import { isKeyName, isSignedBy, parseNote, type VerifyEd25519 } from "./note.ts";

/** A tree as a whole: how many entries it has and what they hash to. */
export interface TreeHead {
  readonly size: bigint;
  readonly root: Bytes;
}

/** A checkpoint's text, read. */
export interface Checkpoint extends TreeHead {
  /** Names the log. */
  readonly origin: string;
}

/** A log that a verifier believes. */
export interface TrustedLog {
  readonly origin: string;
  /** SubjectPublicKeyInfo of its Ed25519 key, DER, base64. */
  readonly spki: string;
}

/**
 * Writes what is signed of a checkpoint.
 *
 * @throws {TypeError} when the origin may not name a log or the root is no hash
 */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (!isKeyName(origin))
    throw new TypeError(`Cannot write checkpoint: ${JSON.stringify(origin)} names no log`);
  if (root.length !== HASH_BYTES) throw new TypeError("Cannot write checkpoint: the root is no hash");
  return `${origin}\n${size}\n${encodeBase64(root)}\n`;
}

/**
 * Reads what is signed of a checkpoint.
 *
 * @param text attacker-controlled until its signature holds
 * @returns undefined unless it is three lines in their one spelling. Extension lines are refused: nothing here would
 *   know what they say
 */
export function parseCheckpoint(text: string): Checkpoint | undefined {
  const [, origin = "", digits = "", base64 = ""] =
    /^([^\n]+)\n(0|[1-9][0-9]{0,19})\n([A-Za-z0-9+/=]{44})\n$/.exec(text) ?? [];
  const [size, root] = [digits === "" ? -1n : BigInt(digits), decodeBase64(base64)];
  if (!isKeyName(origin) || root?.length !== HASH_BYTES || size < 0n || size >= 2n ** 64n) return undefined;
  return { origin, size, root };
}

/**
 * Opens a checkpoint: the log that signed it, and what it says. Signatures of others, witnesses for instance, are
 * passed over.
 *
 * @param note attacker-controlled
 * @param logs whom the verifier believes
 * @returns undefined unless one of the logs signed it under its own name
 */
export async function openCheckpoint<Log extends TrustedLog>(
  note: string,
  logs: readonly Log[],
  verify: VerifyEd25519,
): Promise<{ readonly log: Log; readonly checkpoint: Checkpoint } | undefined> {
  const opened = parseNote(note);
  if (opened === undefined) return undefined;
  for (const log of logs) {
    const spki = decodeBase64(log.spki);
    if (spki === undefined || !(await isSignedBy(opened, log.origin, spki, verify))) continue;
    const checkpoint = parseCheckpoint(opened.text);
    // A key of one log must not speak for another.
    if (checkpoint?.origin === log.origin) return { log, checkpoint };
  }
  return undefined;
}
