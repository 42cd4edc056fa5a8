/**
 * JSON as evidence is read: bounded, and without duplicate keys. Two readers that pick different twins of a key
 * would see different manifests under one signature, so a document with twins is refused by both.
 */
import type { JsonValue } from "../policy/types.ts";

/** Nesting beyond this is refused before anything recurses over it. */
const MAX_DEPTH = 256;

/**
 * Reads JSON from hostile bytes.
 *
 * @param bytes UTF-8 without byte order mark; the caller has checked the size
 * @returns the value, or the reason it was refused. Never throws
 */
export function parseStrictJson(
  bytes: Uint8Array,
): { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly reason: string } {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    // First the host's parser, which does not recurse: what is walked below is valid.
    const value: JsonValue = JSON.parse(text);
    const flaw = findFlaw(text);
    return flaw === undefined ? { ok: true, value } : { ok: false, reason: flaw };
  } catch {
    return { ok: false, reason: "not JSON in UTF-8" };
  }
}

// What a walk over valid JSON has to look at; letters, digits, commas and white space it passes over.
const [QUOTE, COLON, BACKSLASH] = [0x22, 0x3a, 0x5c];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Walks a text that is known to be valid JSON, once, without recursion.
 *
 * @returns the first key that an object says twice (escapes decoded) or the nesting that is too deep; undefined when
 *   there is neither
 */
function findFlaw(text: string): string | undefined {
  // One entry per open bracket: the keys seen so far, or null for an array.
  const open: (Set<string> | null)[] = [];
  let [from, until] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      from = at;
      until = endOfString(text, from);
      at = until;
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      open.push(code === OPEN_OBJECT ? new Set() : null);
      if (open.length > MAX_DEPTH) return `nested deeper than ${MAX_DEPTH}`;
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      open.pop();
    } else if (code === COLON) {
      const key = decodeString(text.slice(from, until + 1));
      const keys = open.at(-1);
      if (keys?.has(key)) return `duplicate key ${JSON.stringify(key)}`;
      keys?.add(key);
    }
  }
  return undefined;
}

/** @returns where the quote is that ends the string which begins at `start`; most of a bundle is one long string */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end;
  }
}

/** @param quoted a valid JSON string; hardly any key has an escape */
function decodeString(quoted: string): string {
  return quoted.includes("\\") ? JSON.parse(quoted) : quoted.slice(1, -1);
}
