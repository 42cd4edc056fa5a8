/**
 * How an API key is written: `writ_<id>_<secret>_<checksum>`, all of it letters and digits that survive a double click.
 *
 * The prefix lets secret scanners find leaked keys; the checksum lets them, and us, tell a typing error from a key
 * without asking the store. It protects nothing: the 256 random bits do.
 */
import { toHex } from "../core/digest.ts";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** 62^43 > 2^256 > 62^42. */
const SECRET_LETTERS = 43;
/** 62^6 > 2^32. */
const CHECKSUM_LETTERS = 6;
const KEY = /^writ_[0-9a-f]{8}_[0-9A-Za-z]{43}_([0-9A-Za-z]{6})$/;

/** Random bytes that a key is made of: 4 for its id, 32 for its secret. */
export const KEY_BYTES = 36;

/**
 * Writes a key.
 *
 * @param random {@link KEY_BYTES} fresh random bytes
 * @returns `text`: the key, shown once; `id`: its public name
 * @throws {RangeError} when there are fewer or more bytes
 */
export function writeKey(random: Uint8Array): { readonly text: string; readonly id: string } {
  if (random.length !== KEY_BYTES) {
    throw new RangeError(`Cannot write key: got ${random.length} random bytes, want ${KEY_BYTES}`);
  }
  const hex = toHex(random);
  const secret = toBase62(BigInt(`0x${hex.slice(8)}`), SECRET_LETTERS);
  const body = `writ_${hex.slice(0, 8)}_${secret}`;
  return { text: `${body}_${checksum(body)}`, id: `key_${hex.slice(0, 8)}` };
}

/**
 * Says whether a text could be a key, without asking the store.
 *
 * @param text attacker-controlled
 * @returns false when it was never a key: another form, or another checksum
 */
export function isKeyText(text: string): boolean {
  const [, sum] = KEY.exec(text) ?? [];
  return sum !== undefined && sum === checksum(text.slice(0, -CHECKSUM_LETTERS - 1));
}

function checksum(body: string): string {
  return toBase62(BigInt(crc32(body)), CHECKSUM_LETTERS);
}

function toBase62(value: bigint, letters: number): string {
  let text = "";
  for (let rest = value; text.length < letters; rest /= 62n) text = BASE62.charAt(Number(rest % 62n)) + text;
  return text;
}

/** CRC-32 (ISO-HDLC) of ASCII text, bit by bit: 60 letters do not need a table. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let at = 0; at < text.length; at++) {
    crc ^= text.charCodeAt(at);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
