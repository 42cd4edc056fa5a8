/**
 * The key ring: which keys a gateway signs with, from when, and until when what each signed is believed. A document of
 * the operator's, beside the keys. It has no private key in it.
 *
 * A rotation overlaps: the new key is published at once, signs from the middle of the overlap, and the old one is
 * believed to the end of it. So a verifier has half of the overlap to learn of the new key before it meets it, and what
 * finished under the old one has the other half to be signed.
 */
import { z } from "zod";
import { parseStrictJson } from "./strict-json.ts";

/** One key. */
export interface RingKey {
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
  /** SubjectPublicKeyInfo, DER, base64. */
  readonly spki: string;
  /** Name of the private key's file, beside the ring. Absent = nothing is signed with it any more. */
  readonly file?: string;
  readonly validFromMs: number;
  /** From when on it signs. */
  readonly signsFromMs: number;
  readonly validUntilMs?: number;
}

/** All keys of one kind, newest first, at least one. */
export type KeyRing = readonly RingKey[];

/** Rotation is refused while another one is under way. */
export type Rotated =
  | { readonly ok: true; readonly ring: KeyRing }
  | { readonly ok: false; readonly untilMs: number };

const time = z.int().nonnegative();
const ringSchema = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        keyId: z.string().min(1),
        spki: z.string().min(1),
        file: z
          .string()
          .regex(/^[a-zA-Z0-9_-]+\.pem$/)
          .exactOptional(),
        validFromMs: time,
        signsFromMs: time,
        validUntilMs: time.exactOptional(),
      }),
    )
    .min(1),
});

/**
 * Reads a key ring.
 *
 * @returns undefined unless it is one, whole: a ring that is half understood could bring a retired key back
 */
export function parseKeyRing(bytes: Uint8Array): KeyRing | undefined {
  const json = parseStrictJson(bytes);
  const read = json.ok ? ringSchema.safeParse(json.value) : undefined;
  return read?.success ? read.data.keys : undefined;
}

/** Writes a key ring. @returns JSON text that {@link parseKeyRing} reads back to the same */
export function encodeKeyRing(ring: KeyRing): string {
  return `${JSON.stringify({ keys: ring }, null, 2)}\n`;
}

/**
 * Finds the key to sign with.
 *
 * @param nowMs by the gateway's clock
 * @returns the newest that signs by then and is still believed; undefined when there is none, so nothing is signed that
 *   nobody would believe
 */
export function signingKeyAt(ring: KeyRing, nowMs: number): RingKey | undefined {
  return ring.find(
    ({ file, signsFromMs, validUntilMs }) =>
      file !== undefined && signsFromMs <= nowMs && (validUntilMs === undefined || nowMs < validUntilMs),
  );
}

/**
 * Adds a key, and gives the one before it an end.
 *
 * @param ring as it is
 * @param key the new one
 * @param options `overlapMs`: 0 = the old key may be in wrong hands, so it ends now; `sinceEver`: for a log's key, under
 *   which all entries there ever were are proven
 */
export function rotateRing(
  ring: KeyRing,
  key: Pick<RingKey, "keyId" | "spki"> & { readonly file: string },
  options: { readonly nowMs: number; readonly overlapMs: number; readonly sinceEver: boolean },
): Rotated {
  // Whole seconds, because other people's documents can say nothing finer.
  const nowMs = Math.floor(options.nowMs / 1000) * 1000;
  const { overlapMs, sinceEver } = options;
  const [newest, ...older] = ring;
  if (newest === undefined) return { ok: true, ring: [{ ...key, validFromMs: 0, signsFromMs: 0 }] };
  if (newest.signsFromMs > options.nowMs && overlapMs > 0) return { ok: false, untilMs: newest.signsFromMs };
  const added = {
    ...key,
    validFromMs: sinceEver ? 0 : nowMs,
    signsFromMs: nowMs + Math.floor(overlapMs / 2),
  };
  return { ok: true, ring: [added, { ...newest, validUntilMs: nowMs + overlapMs }, ...older] };
}

/**
 * Lets go of private keys that sign nothing any more.
 *
 * @returns the ring without their files, and the files, to be deleted once the ring is stored
 */
export function retireKeys(
  ring: KeyRing,
  nowMs: number,
): { readonly ring: KeyRing; readonly files: readonly string[] } {
  const isOver = ({ validUntilMs }: RingKey) => validUntilMs !== undefined && validUntilMs <= nowMs;
  return {
    ring: ring.map(({ file, ...key }) => (file === undefined || isOver(key) ? key : { ...key, file })),
    files: ring.flatMap((key) => (isOver(key) && key.file !== undefined ? [key.file] : [])),
  };
}
