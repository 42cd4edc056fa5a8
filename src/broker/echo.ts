/**
 * Looks for secrets in what comes back and in what goes out, in the spellings in which services and guests echo them:
 * plain, base64 at each of its three alignments, hex, percent-encoded, as JSON writes it. Found is overwritten, byte
 * for byte, so that lengths stay true.
 *
 * It is a net and no wall: whoever holds a text can spell it in ways that no list has. What keeps a secret from a
 * guest is that the guest is never given it.
 */

import type { JsonValue } from "../core/policy/index.ts";

/** Shorter spellings would be found in anything. */
const SHORTEST = 6;
const STAR = 0x2a;
/** A character for each byte, the same one for those of ASCII, of which all spellings are. */
const ONE_EACH = new TextDecoder("latin1", { ignoreBOM: true });

/** Overwrites spellings of secrets. */
export interface EchoFilter {
  /** Whether anything is looked for at the moment. */
  isActive(): boolean;
  /** @returns the text with every spelling overwritten, and whether there was one */
  text(text: string): { readonly text: string; readonly found: boolean };
  /**
   * Of a value: strings are overwritten, and a number that spells a secret becomes 0. Names of members stay: they are
   * the function's type's, or the value is refused for having others.
   *
   * @returns the same object when there was none
   */
  json(value: JsonValue): { readonly value: JsonValue; readonly found: boolean };
  /** A filter for bytes that come in pieces. */
  stream(): EchoStream;
}

/** Filters bytes in pieces: what might be the beginning of a spelling is held back until it is known. */
export interface EchoStream {
  /** @returns bytes that can be handed on; what is held back comes later. Empty while all is held back */
  push(bytes: Uint8Array): Uint8Array;
  /** @returns the rest */
  end(): Uint8Array;
  /** Whether a spelling was found so far. */
  hasFound(): boolean;
}

/**
 * @param secrets gives their texts, visible ASCII; asked whenever something is looked through, since one may be rotated
 *   meanwhile. The same list = the same texts
 */
export function createEchoFilter(secrets: () => readonly string[]): EchoFilter {
  let texts: readonly string[] = [];
  let known: readonly string[] = [];

  /** Longest first. */
  function spellings(): readonly string[] {
    const now = secrets();
    if (now === texts) return known;
    texts = now;
    known = [...new Set(now.flatMap(spellingsOf))].sort((a, b) => b.length - a.length);
    return known;
  }

  /** Overwrites every spelling in latin-1 text. */
  function overwrite(text: string): { text: string; found: boolean } {
    let found = false;
    let result = text;
    for (const spelling of spellings()) {
      if (!result.includes(spelling)) continue;
      found = true;
      result = result.replaceAll(spelling, "*".repeat(spelling.length));
    }
    return { text: result, found };
  }

  function clean(value: JsonValue): JsonValue {
    if (typeof value === "string") return overwrite(value).text;
    if (typeof value === "number") return overwrite(String(value)).found ? 0 : value;
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) {
      const items = value.map(clean);
      return items.some((item, index) => item !== value[index]) ? items : value;
    }
    const members = Object.entries(value).map(([name, member]) => [name, clean(member), member] as const);
    if (members.every(([, cleaned, member]) => cleaned === member)) return value;
    return Object.fromEntries(members);
  }

  return {
    isActive: () => spellings().length > 0,
    text: overwrite,
    json(value) {
      const cleaned = clean(value);
      return { value: cleaned, found: cleaned !== value };
    },
    stream() {
      let held: Uint8Array = new Uint8Array(0);
      let found = false;
      /** Overwrites in place; every match is whole in `bytes`. */
      const cleanBytes = (bytes: Uint8Array): void => {
        const text = ONE_EACH.decode(bytes);
        for (const spelling of spellings()) {
          for (let at = text.indexOf(spelling); at >= 0; at = text.indexOf(spelling, at + 1)) {
            found = true;
            bytes.fill(STAR, at, at + spelling.length);
          }
        }
      };
      return {
        hasFound: () => found,
        push(bytes) {
          const joined = new Uint8Array(held.length + bytes.length);
          joined.set(held);
          joined.set(bytes, held.length);
          cleanBytes(joined);
          const keep = beginning(joined, spellings());
          held = joined.slice(joined.length - keep);
          return joined.subarray(0, joined.length - keep);
        },
        end() {
          const rest = held;
          held = new Uint8Array(0);
          return rest;
        },
      };
    },
  };
}

/** How many of the last characters may be the beginning of a spelling: nearly always none, so nothing is delayed. */
function beginning(bytes: Uint8Array, spellings: readonly string[]): number {
  const longest = spellings[0]?.length ?? 0;
  const text = ONE_EACH.decode(bytes.subarray(Math.max(0, bytes.length - longest)));
  for (let length = Math.min(text.length, longest - 1); length > 0; length -= 1) {
    const tail = text.slice(text.length - length);
    if (spellings.some((spelling) => spelling.startsWith(tail))) return length;
  }
  return 0;
}

function spellingsOf(secret: string): readonly string[] {
  const bytes = new TextEncoder().encode(secret);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  const base64 = [0, 1, 2].map((shift) => base64At(bytes, shift));
  return [
    secret,
    ...base64,
    ...base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_")),
    hex.join(""),
    hex.join("").toUpperCase(),
    encodeURIComponent(secret),
    encodeURIComponent(secret).replaceAll("%20", "+"),
    hex.map((pair) => `%${pair}`).join(""),
    hex.map((pair) => `%${pair.toUpperCase()}`).join(""),
    JSON.stringify(secret).slice(1, -1),
  ].filter((text) => text.length >= SHORTEST);
}

/** The characters of base64 that depend on the secret alone when it begins `shift` bytes into a group of three. */
function base64At(bytes: Uint8Array, shift: number): string {
  const padded = new Uint8Array(shift + bytes.length);
  padded.set(bytes, shift);
  const text = btoa(latin1(padded));
  // Each character has six bits: those before hold bits of what stands before, the last may hold bits of what follows.
  return text.slice(Math.ceil((shift * 8) / 6), Math.floor((padded.length * 8) / 6));
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}
