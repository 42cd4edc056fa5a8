/**
 * Checkpoints: what a log says of itself, signed. Two checkpoints of one log that are not consistent are the proof
 * that it lied.
 * @see C2SP tlog-checkpoint
 */
import { decodeBase64, encodeBase64 } from "../base64.ts";
import { type Bytes, HASH_BYTES } from "./hash.ts";
import {
  isKeyName,
  isSignedBy,
  type Note,
  type NoteKey,
  noteKey,
  parseNote,
  type VerifyEd25519,
} from "./note.ts";

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

/** A checkpoint that a log which is believed signed. */
export interface OpenedCheckpoint<Log extends TrustedLog> {
  readonly log: Log;
  readonly checkpoint: Checkpoint;
  /** Digest of the log's key under its name. */
  readonly keyDigest: Bytes;
  /** What it was read from, with the signatures of others. */
  readonly note: Note;
}

/** Checkpoints that a reader remembers: manifests that were sealed together share one. */
const MAX_KEPT = 256;

/** Opens checkpoints for a verifier who opens many: a log's keys are decoded once, and a signature is checked once. */
export class CheckpointReader<Log extends TrustedLog> {
  readonly #verify: VerifyEd25519;
  readonly #logs: readonly { readonly log: Log; readonly key: NoteKey }[];
  /** By their exact text, oldest first. Only what held is kept. */
  readonly #opened = new Map<string, OpenedCheckpoint<Log>>();

  /**
   * @param logs whom the verifier believes
   * @throws {TypeError} when a log's key is no Ed25519 key
   */
  constructor(logs: readonly Log[], verify: VerifyEd25519) {
    this.#verify = verify;
    this.#logs = logs.flatMap((log) => {
      const spki = decodeBase64(log.spki);
      return spki === undefined ? [] : [{ log, key: noteKey(log.origin, spki) }];
    });
  }

  /**
   * Opens a checkpoint. Signatures of others, witnesses for instance, are passed over.
   *
   * @param note attacker-controlled
   * @returns undefined unless one of the logs signed it under its own name
   */
  async open(note: string): Promise<OpenedCheckpoint<Log> | undefined> {
    const known = this.#opened.get(note);
    if (known !== undefined) return known;
    const parsed = parseNote(note);
    if (parsed === undefined) return undefined;
    for (const { log, key } of this.#logs) {
      if (!(await isSignedBy(parsed, key, this.#verify))) continue;
      const checkpoint = parseCheckpoint(parsed.text);
      // A key of one log must not speak for another.
      if (checkpoint?.origin !== log.origin) continue;
      const opened = { log, checkpoint, keyDigest: key.digest, note: parsed };
      this.#opened.set(note, opened);
      const [oldest] = this.#opened.keys();
      if (this.#opened.size > MAX_KEPT && oldest !== undefined) this.#opened.delete(oldest);
      return opened;
    }
    return undefined;
  }
}

/** Opens one checkpoint. See {@link CheckpointReader}. */
export function openCheckpoint<Log extends TrustedLog>(
  note: string,
  logs: readonly Log[],
  verify: VerifyEd25519,
): Promise<OpenedCheckpoint<Log> | undefined> {
  return new CheckpointReader(logs, verify).open(note);
}
