/**
 * Signed notes: text, and lines with signatures under it. Read strictly: one note has one spelling here, so what was
 * signed is what is read.
 * @see C2SP signed-note
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeBase64, encodeBase64 } from "../base64.ts";
import type { Bytes } from "./hash.ts";

/** Signature type of plain Ed25519, part of what a key id is made of. */
const ED25519 = 1;
/** SubjectPublicKeyInfo of an Ed25519 key, up to the 32 bytes of the key. RFC 8410. */
const SPKI_PREFIX = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const KEY_BYTES = 32;
/** Bytes of a key's digest that a signature line carries. */
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
/** Larger notes are refused unread. A checkpoint with sixteen witnesses is 2 KiB. */
const MAX_LETTERS = 64 * 1024;
const MAX_SIGNATURES = 64;

/** One signature under a note. */
export interface NoteSignature {
  /** Name of the key, the log's origin for a log. A hint, like the id: only the signature proves anything. */
  readonly name: string;
  /** First four bytes of the key's {@link noteKeyDigest}. */
  readonly keyId: Uint8Array;
  readonly signature: Bytes;
}

/** A note, taken apart; nothing of it is believed yet. */
export interface Note {
  /** What is signed, with the newline that ends it. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/**
 * Says whether a text may name a key: not empty, no white space, no `+`.
 *
 * @param name attacker-controlled
 */
export function isKeyName(name: string): boolean {
  return /^[^\s+\p{Cc}\p{Cf}\p{Cs}]{1,253}$/u.test(name);
}

/**
 * Takes the 32 bytes of an Ed25519 key out of its DER.
 *
 * @param spki SubjectPublicKeyInfo
 * @returns undefined when it is the key of another algorithm
 */
export function ed25519Key(spki: Uint8Array): Uint8Array | undefined {
  const right = spki.length === SPKI_PREFIX.length + KEY_BYTES;
  return right && SPKI_PREFIX.every((byte, at) => spki[at] === byte)
    ? spki.subarray(SPKI_PREFIX.length)
    : undefined;
}

/**
 * Digest of a named key; its first four bytes are the key's id in signature lines. Sigstore names a log by all 32.
 *
 * @param spki of an Ed25519 key
 * @throws {TypeError} when it is no Ed25519 key, or the name may not name one
 */
export function noteKeyDigest(name: string, spki: Uint8Array): Bytes {
  const key = ed25519Key(spki);
  if (key === undefined) throw new TypeError("Cannot name key: it is no Ed25519 key in SPKI form");
  if (!isKeyName(name)) throw new TypeError(`Cannot name key: ${JSON.stringify(name)} is no key name`);
  return Uint8Array.from(sha256(Uint8Array.from([...new TextEncoder().encode(name), 0x0a, ED25519, ...key])));
}

/**
 * Puts signatures under a text.
 *
 * @param text ends with a newline and has no empty line
 * @throws {TypeError} when it is not such a text
 */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  if (!text.endsWith("\n") || text.includes("\n\n"))
    throw new TypeError("Cannot write note: its text does not end with one newline, or has an empty line");
  const lines = signatures.map(
    ({ name, keyId, signature }) =>
      `\u2014 ${name} ${encodeBase64(Uint8Array.from([...keyId, ...signature]))}\n`,
  );
  return `${text}\n${lines.join("")}`;
}

/**
 * Takes a note apart.
 *
 * @param note attacker-controlled
 * @returns undefined unless it is spelt as {@link formatNote} spells it, with at least one signature
 */
export function parseNote(note: string): Note | undefined {
  if (note.length > MAX_LETTERS || !note.isWellFormed()) return undefined;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the format forbids control characters but the newline
  if (/[\u0000-\u0009\u000b-\u001f\u007f]/.test(note)) return undefined;
  const end = note.indexOf("\n\n");
  if (end < 1 || !note.endsWith("\n")) return undefined;
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > MAX_SIGNATURES) return undefined;
  const signatures = lines.map(parseSignature);
  return signatures.every((signature) => signature !== undefined) ? { text, signatures } : undefined;
}

/**
 * Checks an Ed25519 signature.
 *
 * @param spki SubjectPublicKeyInfo, DER, of a trusted key
 * @param signature attacker-controlled
 * @param bytes what must have been signed
 * @returns false for whatever is wrong with the signature
 */
export type VerifyEd25519 = (spki: Bytes, signature: Bytes, bytes: Bytes) => boolean | Promise<boolean>;

/** A key that a verifier believes, ready to look for its signature. */
export interface NoteKey {
  readonly name: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Bytes;
  /** {@link noteKeyDigest} of both. */
  readonly digest: Bytes;
}

/** @param name the key's, from the verifier's own trust. See {@link noteKeyDigest} for what is thrown */
export function noteKey(name: string, spki: Bytes): NoteKey {
  return { name, spki, digest: noteKeyDigest(name, spki) };
}

/** Says whether a key signed a note. */
export async function isSignedBy(
  note: Note,
  { name, spki, digest }: NoteKey,
  verify: VerifyEd25519,
): Promise<boolean> {
  const keyId = digest.subarray(0, KEY_ID_BYTES);
  const bytes = new TextEncoder().encode(note.text);
  for (const line of note.signatures) {
    const ours = line.name === name && keyId.every((byte, at) => line.keyId[at] === byte);
    if (!ours || line.signature.length !== SIGNATURE_BYTES) continue;
    if (await verify(spki, line.signature, bytes)) return true;
  }
  return false;
}

function parseSignature(line: string): NoteSignature | undefined {
  const [, name = "", base64 = ""] = /^\u2014 (\S+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
  const bytes = decodeBase64(base64);
  if (bytes === undefined || bytes.length <= KEY_ID_BYTES || !isKeyName(name)) return undefined;
  return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) };
}
