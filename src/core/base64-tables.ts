/**
 * Base64 by tables, for hosts that do not have ES2026's own. `base64.ts` is where callers go.
 */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/** The code of `=`. */
const PAD = 0x3d;

/** An alphabet: letters' codes by value, and values by code (-1 = none). */
export interface Alphabet {
  readonly codes: Uint8Array;
  readonly values: Int8Array;
}

/** RFC 4648 section 4. */
export const STANDARD = alphabetOf(`${LETTERS}+/`);
/** RFC 4648 section 5. */
export const URL_SAFE = alphabetOf(`${LETTERS}-_`);

/** Writes bytes. Manifests are base64 for the most part, so both directions work on codes, not on letters. */
export function encodeByTable(bytes: Uint8Array, alphabet: Alphabet, padded: boolean): string {
  const { codes } = alphabet;
  const whole = Math.floor(bytes.length / 3) * 3;
  const left = bytes.length - whole;
  const letters = new Uint8Array(Math.ceil(bytes.length / 3) * 4 - (padded || left === 0 ? 0 : 3 - left));
  letters.fill(PAD);
  let to = 0;
  for (let at = 0; at < bytes.length; at += 3) {
    const group = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    const count = at < whole ? 4 : left + 1;
    for (let letter = 0; letter < count; letter++) {
      letters[to++] = codes[(group >> (18 - 6 * letter)) & 63] ?? PAD;
    }
  }
  return new TextDecoder().decode(letters);
}

/** Reads a text without its padding. @returns undefined for any letter, length or stray bit that writing does not give */
export function decodeByTable(text: string, { values }: Alphabet): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let at = 0;
  for (let index = 0; index < text.length; index++) {
    const value = values[text.charCodeAt(index)];
    if (value === undefined || value < 0) return undefined;
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

function alphabetOf(letters: string): Alphabet {
  const codes = new TextEncoder().encode(letters);
  const values = new Int8Array(128).fill(-1);
  for (const [value, code] of codes.entries()) values[code] = value;
  return { codes, values };
}
