/**
 * Cosignatures: what a witness adds to a checkpoint when it has seen that the log only grew. Whoever demands some of
 * them needs to trust no log by itself.
 * @see C2SP tlog-cosignature, "cosignature/v1"; C2SP tlog-witness
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { decodeBase64, encodeBase64 } from "../base64.ts";
import type { Bytes } from "./hash.ts";
import { isKeyName, type Note, type VerifyEd25519 } from "./note.ts";

/** Signature type of timestamped Ed25519 cosignatures. */
const COSIGNATURE = 4;
/** SubjectPublicKeyInfo of an Ed25519 key, up to the 32 bytes of the key. RFC 8410. */
const SPKI_PREFIX = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const KEY_BYTES = 32;
const ID_BYTES = 4;
const TIME_BYTES = 8;
const SIGNATURE_BYTES = 64;

/** A witness that a verifier believes. */
export interface WitnessKey {
  readonly name: string;
  /** First four bytes of the key's digest. */
  readonly keyId: Bytes;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Bytes;
}

/**
 * Reads a witness's key as witnesses publish it: `name+hash+base64`.
 *
 * @returns undefined unless name, hash and key belong together
 */
export function parseWitnessKey(text: string): WitnessKey | undefined {
  const [, name = "", hash = "", encoded = ""] =
    /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const bytes = decodeBase64(encoded);
  if (!isKeyName(name) || bytes?.length !== 1 + KEY_BYTES || bytes[0] !== COSIGNATURE) return undefined;
  const named = Uint8Array.from([...new TextEncoder().encode(name), 0x0a, ...bytes]);
  const keyId = Uint8Array.from(sha256(named).subarray(0, ID_BYTES));
  const right = keyId.every((byte, at) => byte === Number.parseInt(hash.slice(2 * at, 2 * at + 2), 16));
  return right ? { name, keyId, spki: Uint8Array.from([...SPKI_PREFIX, ...bytes.subarray(1)]) } : undefined;
}

/**
 * Looks for a witness's cosignature under a note.
 *
 * @param note attacker-controlled
 * @returns when the witness says it cosigned, in seconds since 1970; undefined when it did not
 */
export async function cosignedAt(
  note: Note,
  witness: WitnessKey,
  verify: VerifyEd25519,
): Promise<bigint | undefined> {
  for (const { name, keyId, signature } of note.signatures) {
    const ours = name === witness.name && witness.keyId.every((byte, at) => keyId[at] === byte);
    if (!ours || signature.length !== TIME_BYTES + SIGNATURE_BYTES) continue;
    const time = signature.subarray(0, TIME_BYTES).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const signed = new TextEncoder().encode(`cosignature/v1\ntime ${time}\n${note.text}`);
    if (await verify(witness.spki, signature.slice(TIME_BYTES), signed)) return time;
  }
  return undefined;
}

/** How many of which witnesses a verifier wants to have cosigned. */
export interface WitnessDemand {
  /** 1 to as many as there are. */
  readonly quorum: number;
  readonly witnesses: readonly WitnessKey[];
}

/**
 * Looks for cosignatures of all of them.
 *
 * @param note attacker-controlled
 * @returns names of those who cosigned, each once
 */
export async function findCosigners(
  note: Note,
  { witnesses }: WitnessDemand,
  verify: VerifyEd25519,
): Promise<readonly string[]> {
  const names: string[] = [];
  for (const witness of witnesses)
    if ((await cosignedAt(note, witness, verify)) !== undefined) names.push(witness.name);
  return names;
}

/**
 * Writes what a witness is sent.
 *
 * @param oldSize the size that it cosigned last; 0 = none
 * @param proof of consistency between that size and the note's; empty for size 0, and for the same size
 */
export function formatAddCheckpoint(oldSize: number, proof: readonly Uint8Array[], note: string): string {
  return `old ${oldSize}\n${proof.map((hash) => `${encodeBase64(hash)}\n`).join("")}\n${note}`;
}
