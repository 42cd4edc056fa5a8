/**
 * Base64 as this project writes it, and nothing looser: one value has one spelling, so a flipped bit
 * never decodes to the same bytes. Core has no `atob`, and the hosts' decoders forgive what must not be forgiven.
 */

const STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE = `${STANDARD.slice(0, 62)}-_`;

/**
 * Writes bytes as base64 with padding.
 *
 * @returns RFC 4648 section 4 text
 */
export function encodeBase64(bytes: Uint8Array): string {
  return encode(bytes, STANDARD, "=");
}

/**
 * Writes bytes as base64url without padding.
 *
 * @returns RFC 4648 section 5 text, as JOSE spells it
 */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encode(bytes, URL_SAFE, "");
}

/**
 * Reads base64 with padding.
 *
 * @param text attacker-controlled; no white space, no URL-safe letters, no missing padding, no stray bits
 * @returns the bytes, or undefined when the text is not exactly what {@link encodeBase64} writes
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 !== 0) return undefined;
  const unpadded = text.replace(/={1,2}$/, "");
  return decode(unpadded, STANDARD);
}

/**
 * Reads base64url without padding.
 *
 * @param text attacker-controlled
 * @returns the bytes, or undefined when the text is not exactly what {@link encodeBase64Url} writes
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  return decode(text, URL_SAFE);
}

function encode(bytes: Uint8Array, alphabet: string, pad: string): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += alphabet.charAt(group >> 18) + alphabet.charAt((group >> 12) & 63);
    text += left > 1 ? alphabet.charAt((group >> 6) & 63) : pad;
    text += left > 2 ? alphabet.charAt(group & 63) : pad;
  }
  return text;
}

function decode(text: string, alphabet: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (const letter of text) {
    const value = alphabet.indexOf(letter);
    if (value < 0) return undefined;
    bits = ((bits << 6) | value) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes[at++] = (bits >> held) & 0xff;
    }
  }
  // Bits that no byte holds must be zero: otherwise several texts would say the same bytes.
  return (bits & ((1 << held) - 1)) === 0 ? bytes : undefined;
}
