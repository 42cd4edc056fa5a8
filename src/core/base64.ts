/**
 * Base64 as this project writes it, and nothing looser: one value has one spelling, so a flipped bit
 * never decodes to the same bytes. Core has no `atob`, and the hosts' decoders forgive what must not be forgiven unless
 * they are held to it.
 */
import { decodeByTable, encodeByTable, STANDARD, URL_SAFE } from "./base64-tables.ts";

/** What ES2026 adds, and the oldest runtime that this runs on does not have. */
interface HostDecoder {
  readonly BYTES_PER_ELEMENT: number;
  fromBase64?(text: string, options: { readonly lastChunkHandling: "strict" }): Uint8Array<ArrayBuffer>;
}
interface HostEncoder {
  readonly length: number;
  toBase64?(options: { readonly alphabet: "base64" | "base64url"; readonly omitPadding: boolean }): string;
}

const host: HostDecoder = Uint8Array;

/**
 * Writes bytes as base64 with padding.
 *
 * @returns RFC 4648 section 4 text
 */
export function encodeBase64(bytes: Uint8Array): string {
  const own: HostEncoder = bytes;
  const text = own.toBase64?.({ alphabet: "base64", omitPadding: false });
  return text ?? encodeByTable(bytes, STANDARD, true);
}

/**
 * Writes bytes as base64url without padding.
 *
 * @returns RFC 4648 section 5 text, as JOSE spells it
 */
export function encodeBase64Url(bytes: Uint8Array): string {
  const own: HostEncoder = bytes;
  const text = own.toBase64?.({ alphabet: "base64url", omitPadding: true });
  return text ?? encodeByTable(bytes, URL_SAFE, false);
}

/**
 * Reads base64 with padding.
 *
 * @param text attacker-controlled; no white space, no URL-safe letters, no missing padding, no stray bits
 * @returns the bytes, or undefined when the text is not exactly what {@link encodeBase64} writes
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 !== 0) return undefined;
  return host.fromBase64 === undefined
    ? decodeByTable(text.replace(/={1,2}$/, ""), STANDARD)
    : decodeByHost(text);
}

/**
 * Reads base64url without padding.
 *
 * @param text attacker-controlled
 * @returns the bytes, or undefined when the text is not exactly what {@link encodeBase64Url} writes
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  return decodeByTable(text, URL_SAFE);
}

/** The host at its strictest; it still passes over white space, which then makes the text longer than its bytes need. */
function decodeByHost(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = host.fromBase64?.(text, { lastChunkHandling: "strict" });
    return bytes !== undefined && Math.ceil(bytes.length / 3) * 4 === text.length ? bytes : undefined;
  } catch {
    return undefined;
  }
}
