/**
 * Digests that two parties must compute alike: RFC 8785 canonical JSON, and SHA-256 in hex.
 *
 * Canonical JSON is for comparing values (a policy's id, an input's hash), never a condition for verifying a
 * signature: signatures cover exact bytes.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import canonicalize from "canonicalize";
import type { JsonValue } from "./policy/types.ts";

/**
 * Writes a value as RFC 8785 canonical JSON: keys in UTF-16 order, shortest numbers, no white space.
 *
 * Values that no JSON text can carry alike everywhere are refused, not repaired: a lone surrogate, NaN and the
 * infinities would hash differently with other implementations. `-0` is written `0`.
 *
 * @param value any JSON value; cycles are refused
 * @returns the text; its UTF-8 bytes are what gets hashed
 * @throws {TypeError} when the value has no canonical form
 * @example
 * ```ts
 * canonicalJson({ b: 1, a: [2e8, "x"] }); // {"a":[200000000,"x"],"b":1}
 * ```
 * @see RFC 8785
 */
export function canonicalJson(value: JsonValue): string {
  let text: string | undefined;
  try {
    text = canonicalize(value);
  } catch (cause) {
    throw new TypeError("Cannot write canonical JSON: the value has no canonical form", { cause });
  }
  if (text === undefined) throw new TypeError("Cannot write canonical JSON: the value is undefined");
  return text;
}

/**
 * Hashes with SHA-256.
 *
 * @param data bytes as they are; a string is hashed as its UTF-8 bytes and must hold no lone surrogate
 * @returns 64 lower-case hex digits, without a `sha256:` prefix
 * @throws {TypeError} when a string is not well-formed, because UTF-8 would silently replace what it can not say
 * @example
 * ```ts
 * sha256Hex("abc"); // ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
 * ```
 */
export function sha256Hex(data: Uint8Array | string): string {
  if (typeof data !== "string") return bytesToHex(sha256(data));
  if (!data.isWellFormed()) throw new TypeError("Cannot hash text: it holds a lone surrogate");
  return bytesToHex(sha256(new TextEncoder().encode(data)));
}

/** Hashes with SHA-256. @returns the 32 bytes */
export function sha256Bytes(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(sha256(data));
}

/** Lower-case hex, two digits for each byte. */
export function toHex(bytes: Uint8Array): string {
  return bytesToHex(bytes);
}
