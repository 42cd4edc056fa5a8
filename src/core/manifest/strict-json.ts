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

/**
 * Walks a text that is known to be valid JSON, once, without recursion.
 *
 * @returns the first key that an object says twice (escapes decoded) or the nesting that is too deep; undefined when
 *   there is neither
 */
function findFlaw(text: string): string | undefined {
  // One entry per open bracket: the keys seen so far, or null for an array.
  const open: (Set<string> | null)[] = [];
  let lastString = '""';
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (letter === '"') {
      const start = at;
      at = endOfString(text, start);
      lastString = text.slice(start, at + 1);
    } else if (letter === "{" || letter === "[") {
      open.push(letter === "{" ? new Set() : null);
      if (open.length > MAX_DEPTH) return `nested deeper than ${MAX_DEPTH}`;
    } else if (letter === "}" || letter === "]") {
      open.pop();
    } else if (letter === ":") {
      const key: string = JSON.parse(lastString);
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
    while (text[end - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return end;
  }
}
