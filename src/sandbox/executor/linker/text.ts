/**
 * Text between JavaScript strings and guest memory, in the three encodings of the canonical ABI. Bytes that are no
 * text of their encoding trap; nothing is replaced, for two texts that differ must not become the same here.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#loading
 */
import { AbiTrap, trapIf } from "./abi-trap.ts";
import type { Passage } from "./passage.ts";

/** Host memory for a text beside its characters. */
const TEXT_COST = 32;
/** Longest text, in bytes of guest memory. */
const MAX_TEXT_BYTES = 2 ** 28 - 1;
/** Of `latin1+utf16`: set in the length of a text that is UTF-16. */
const UTF16_TAG = 0x8000_0000;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf16 = new TextDecoder("utf-16le", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Reads the text of `units` code units at `at`. */
export function loadText(passage: Passage, at: number, units: number): string {
  switch (passage.encoding) {
    case "utf8":
      return decode(passage, at, units, 1, utf8);
    case "utf16":
      return decode(passage, at, 2 * units, 2, utf16);
    case "latin1+utf16":
      // A length with the tag is of 31 bits; without it, latin1 still has to be aligned like the other.
      return units >= UTF16_TAG
        ? decode(passage, at, 2 * (units - UTF16_TAG), 2, utf16)
        : decodeLatin1(passage, at, units);
  }
}

function decode(
  passage: Passage,
  at: number,
  length: number,
  alignment: number,
  decoder: TextDecoder,
): string {
  trapIf(length > MAX_TEXT_BYTES, "text-too-long");
  passage.require(at, length, alignment);
  // Two bytes per character, and of UTF-8 one byte may be one character.
  passage.meter.lift(length, 1, TEXT_COST + 2 * length);
  if (length === 0) return "";
  if (length <= SHORT && decoder === utf8) {
    const short = decodeAscii(passage.bytes, at, length);
    if (short !== undefined) return short;
  }
  try {
    return decoder.decode(passage.bytes.subarray(at, at + length));
  } catch {
    throw new AbiTrap("invalid-text");
  }
}

/** Up to here a loop beats the decoder's own start. */
const SHORT = 16;

function decodeAscii(bytes: Uint8Array, at: number, length: number): string | undefined {
  let text = "";
  for (let index = at; index < at + length; index++) {
    const byte = bytes[index] ?? 0;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

function decodeLatin1(passage: Passage, at: number, length: number): string {
  trapIf(length > MAX_TEXT_BYTES, "text-too-long");
  passage.require(at, length, 2);
  passage.meter.lift(length, 1, TEXT_COST + 2 * length);
  let text = "";
  for (let from = at; from < at + length; from += 4096) {
    const piece = passage.bytes.subarray(from, Math.min(from + 4096, at + length));
    text += String.fromCharCode(...piece);
  }
  return text;
}

/** Writes a text and says where it lies: its pointer, and its length with the tag where there is one. */
export function storeText(passage: Passage, text: string): readonly [at: number, units: number] {
  switch (passage.encoding) {
    case "utf8":
      return storeUtf8(passage, text);
    case "utf16":
      return [storeUtf16(passage, text), text.length];
    case "latin1+utf16":
      return isLatin1(text)
        ? [storeLatin1(passage, text), text.length]
        : [storeUtf16(passage, text), (text.length | UTF16_TAG) >>> 0];
  }
}

function storeUtf8(passage: Passage, text: string): readonly [at: number, units: number] {
  const encoded = encoder.encode(text);
  return [storeBytes(passage, encoded, 1), encoded.length];
}

function storeUtf16(passage: Passage, text: string): number {
  const well = text.toWellFormed();
  const units = new Uint16Array(well.length);
  for (let index = 0; index < well.length; index++) units[index] = well.charCodeAt(index);
  return storeBytes(passage, new Uint8Array(units.buffer), 2);
}

function storeLatin1(passage: Passage, text: string): number {
  const units = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) units[index] = text.charCodeAt(index);
  return storeBytes(passage, units, 2);
}

function storeBytes(passage: Passage, bytes: Uint8Array, alignment: number): number {
  trapIf(bytes.length > MAX_TEXT_BYTES, "text-too-long");
  passage.meter.lower(bytes.length, 1);
  const at = passage.allocate(alignment, bytes.length);
  passage.bytes.set(bytes, at);
  return at;
}

function isLatin1(text: string): boolean {
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > 0xff) return false;
  return true;
}
