/**
 * The two spellings of an ECDSA P-256 signature, and of its public key.
 *
 * Sigstore and openssl want ASN.1 DER; WebCrypto wants `r || s` (IEEE P1363). Both directions are strict: one
 * signature has one DER text here, so nothing can be hidden in padding, long lengths or trailing bytes.
 */

import { decodeBase64Url, encodeBase64Url } from "../base64.ts";
import { sha256Hex } from "../digest.ts";

/** Bytes of `r` and of `s`. */
const SCALAR_BYTES = 32;
/** SubjectPublicKeyInfo of an uncompressed P-256 point, up to and including the `04` before x and y. RFC 5480. */
const SPKI_PREFIX = Uint8Array.from([
  0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
  0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
]);
/** Half of the curve's order, rounded down: an `s` above it is the "high" one of the two that verify. */
const HALF_ORDER = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8n;

/**
 * Reads an ASN.1 DER ECDSA signature.
 *
 * @param der attacker-controlled
 * @returns 64 bytes `r || s`, or undefined unless the text is the one canonical DER of two non-zero scalars
 * @see RFC 3279 section 2.2.3
 */
export function derToRaw(der: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  // The longest is 2 + 2 × 35 = 72 bytes, so a length is always one byte.
  if (der.length < 8 || der.length > 72 || der[0] !== 0x30 || der[1] !== der.length - 2) return undefined;
  const raw = new Uint8Array(2 * SCALAR_BYTES);
  const end = readScalar(der, 2, raw, 0);
  if (end === undefined) return undefined;
  return readScalar(der, end, raw, SCALAR_BYTES) === der.length ? raw : undefined;
}

/**
 * Writes a signature as ASN.1 DER.
 *
 * @param raw 64 bytes `r || s`, as WebCrypto gives them
 * @returns DER, 8 to 72 bytes
 * @throws {RangeError} when `raw` is not 64 bytes
 */
export function rawToDer(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  if (raw.length !== 2 * SCALAR_BYTES) {
    throw new RangeError(`Cannot write signature as DER: got ${raw.length} bytes, want ${2 * SCALAR_BYTES}`);
  }
  const scalars = [...writeScalar(raw.subarray(0, SCALAR_BYTES)), ...writeScalar(raw.subarray(SCALAR_BYTES))];
  return Uint8Array.from([0x30, scalars.length, ...scalars]);
}

/**
 * Says whether `s` is the higher of the two that verify. Both are accepted: anyone can turn one into the other,
 * so a signature's bytes identify nothing; the digest of the signed bytes does.
 *
 * @param raw 64 bytes `r || s`
 */
export function isHighS(raw: Uint8Array): boolean {
  let s = 0n;
  for (const byte of raw.subarray(SCALAR_BYTES)) s = (s << 8n) | BigInt(byte);
  return s > HALF_ORDER;
}

/**
 * Says whether bytes are a P-256 key in SubjectPublicKeyInfo form with an uncompressed point. That the point is on
 * the curve is checked by whoever imports the key.
 *
 * @param spki DER, attacker-controlled
 */
export function isP256Spki(spki: Uint8Array): boolean {
  return (
    spki.length === SPKI_PREFIX.length + 2 * SCALAR_BYTES &&
    SPKI_PREFIX.every((byte, index) => spki[index] === byte)
  );
}

/**
 * Makes SubjectPublicKeyInfo from a JWK's coordinates.
 *
 * @param x base64url of 32 bytes
 * @param y base64url of 32 bytes
 * @returns DER, or undefined when a coordinate is malformed
 */
export function spkiFromJwk(x: string, y: string): Uint8Array<ArrayBuffer> | undefined {
  const [first, second] = [decodeBase64Url(x), decodeBase64Url(y)];
  if (first?.length !== SCALAR_BYTES || second?.length !== SCALAR_BYTES) return undefined;
  return Uint8Array.from([...SPKI_PREFIX, ...first, ...second]);
}

/**
 * Names a key by its RFC 7638 thumbprint.
 *
 * @param spki DER of a P-256 key
 * @returns base64url SHA-256 of the key's canonical JWK
 * @throws {TypeError} when the bytes are no P-256 key
 */
export function thumbprint(spki: Uint8Array): string {
  if (!isP256Spki(spki)) throw new TypeError("Cannot take thumbprint: the key is not P-256 in SPKI form");
  const point = spki.subarray(SPKI_PREFIX.length);
  const x = encodeBase64Url(point.subarray(0, SCALAR_BYTES));
  const y = encodeBase64Url(point.subarray(SCALAR_BYTES));
  const hex = sha256Hex(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`);
  return encodeBase64Url(Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)));
}

/** Reads one INTEGER into 32 bytes at `into`; gives the offset after it, or undefined when it is not minimal DER. */
function readScalar(der: Uint8Array, at: number, raw: Uint8Array, into: number): number | undefined {
  const length = der[at + 1] ?? 0;
  const end = at + 2 + length;
  if (der[at] !== 0x02 || length < 1 || length > SCALAR_BYTES + 1 || end > der.length) return undefined;
  const digits = der.subarray(at + 2, end);
  const [first = 0, second = 0] = digits;
  if (first >= 0x80) return undefined; // negative
  if (first === 0 && (length === 1 || second < 0x80)) return undefined; // zero, or a needless leading zero
  const magnitude = first === 0 ? digits.subarray(1) : digits;
  if (magnitude.length > SCALAR_BYTES) return undefined;
  raw.set(magnitude, into + SCALAR_BYTES - magnitude.length);
  return end;
}

/** One INTEGER, minimal: no leading zeros but the one that keeps it positive. */
function writeScalar(scalar: Uint8Array): number[] {
  const start = scalar.findIndex((byte) => byte !== 0);
  const digits = start < 0 ? [0] : [...scalar.subarray(start)];
  if ((digits[0] ?? 0) >= 0x80) digits.unshift(0);
  return [0x02, digits.length, ...digits];
}
