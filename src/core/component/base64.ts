/**
 * Base64 of RFC 4648 section 4, strict: padded, no line breaks, and no second spelling of the same bytes. Core
 * has no `Buffer`, and `atob` would accept spellings that another reader refuses.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4648#section-4
 */
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const values: ReadonlyMap<string, number> = new Map([...alphabet].map((char, value) => [char, value]));

const letters = new TextEncoder().encode(alphabet);
const ascii = new TextDecoder();
const PAD = 0x3d;

/** Encodes bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    // Beyond the end the bytes count as zero; the padding below says how many of them there were.
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    out[at++] = letters[group >> 18] ?? PAD;
    out[at++] = letters[(group >> 12) & 63] ?? PAD;
    out[at++] = letters[(group >> 6) & 63] ?? PAD;
    out[at++] = letters[group & 63] ?? PAD;
  }
  const missing = (3 - (bytes.length % 3)) % 3;
  out.fill(PAD, out.length - missing);
  return ascii.decode(out);
}

/**
 * Decodes a text.
 *
 * @returns the bytes, or `undefined` when the text is not exactly what {@link encodeBase64} writes
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  const digits = text.length - padding;
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let i = 0; i < digits; i++) {
    const value = values.get(text.charAt(i));
    if (value === undefined) return undefined;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  // Bits that belong to no byte must be zero: otherwise two texts would mean the same bytes.
  return (held & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
