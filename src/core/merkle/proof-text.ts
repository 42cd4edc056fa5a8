/**
 * An inclusion proof with its checkpoint as one piece of text: what a caller keeps of a run beside its manifest.
 * @see C2SP tlog-proof
 */
import { decodeBase64, encodeBase64 } from "../base64.ts";
import { HASH_BYTES } from "./hash.ts";

const HEADER = "c2sp.org/tlog-proof@v1";
const MAX_PATH = 64;

/** Where an entry is in a log, and the proof of it. */
export interface LogProof {
  readonly index: bigint;
  readonly path: readonly Uint8Array[];
  /** The checkpoint, a signed note. */
  readonly checkpoint: string;
}

/** Writes a proof. */
export function formatProof({ index, path, checkpoint }: LogProof): string {
  return [HEADER, `index ${index}`, ...path.map(encodeBase64), "", checkpoint].join("\n");
}

/**
 * Reads a proof.
 *
 * @param text attacker-controlled
 * @returns undefined unless it is spelt as {@link formatProof} spells it; nothing of it is verified
 */
export function parseProof(text: string): LogProof | undefined {
  const end = text.indexOf("\n\n");
  const [header, line = "", ...hashes] = text.slice(0, Math.max(end, 0)).split("\n");
  const [, digits] = /^index (0|[1-9][0-9]{0,19})$/.exec(line) ?? [];
  if (header !== HEADER || digits === undefined || hashes.length > MAX_PATH) return undefined;
  const path = hashes.map(decodeBase64).filter((hash) => hash?.length === HASH_BYTES);
  const index = BigInt(digits);
  if (path.length !== hashes.length || index >= 2n ** 64n) return undefined;
  const proof = { index, path: path.flatMap((hash) => hash ?? []), checkpoint: text.slice(end + 2) };
  return formatProof(proof) === text ? proof : undefined;
}
