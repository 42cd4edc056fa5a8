/**
 * The links tool: signs paths that are good until a time, and checks such links.
 *
 * The key is the operator's. This file holds a handle: the broker signs what it is given, and each signature is an event
 * of the run, so a tool that signs what it should not can be seen doing it.
 *
 * An `err` of an import is thrown; what this file throws is the `err` of its own functions. This engine has 64-bit
 * integers as numbers, and those of a time are far below what a number holds exactly.
 */
import { get } from "writ:host/secrets@0.1.0";
import { hmacSha256 } from "writ:host/signing@0.1.0";

type LinksError =
  | { readonly tag: "bad-path" | "malformed" | "forged" | "not-permitted" }
  | { readonly tag: "expired"; readonly val: number };

/** The profile that policy.yaml names. */
const PROFILE = "links";
const PATH = /^\/[!-"$->@-~]*$/;
/** No sign and no leading zero: one link has one spelling, and the text that is signed is the text that is read. */
const LINK = /^([^?]*)\?expires=(0|[1-9][0-9]{0,14})&signature=([0-9a-f]{64})$/;

/** The interface `links` of world.wit. */
export const links = {
  sign(path: string, expires: number): string {
    if (!PATH.test(path)) throw { tag: "bad-path" } satisfies LinksError;
    return `${path}?expires=${expires}&signature=${signatureOf(path, String(expires))}`;
  },

  check(link: string, now: number): string {
    const [, path = "", expires = "", signature = ""] = LINK.exec(link) ?? [];
    if (!PATH.test(path)) throw { tag: "malformed" } satisfies LinksError;
    // First the signature: whoever forges a link learns nothing about times.
    if (!isSame(signature, signatureOf(path, expires))) throw { tag: "forged" } satisfies LinksError;
    if (now >= Number(expires)) throw { tag: "expired", val: Number(expires) } satisfies LinksError;
    return path;
  },
};

function signatureOf(path: string, expires: string): string {
  let signature: Uint8Array;
  try {
    signature = hmacSha256(get(PROFILE), "", [ascii(`${path}\n${expires}`)]);
  } catch {
    throw { tag: "not-permitted" } satisfies LinksError;
  }
  return Array.from(signature, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Looks at every character, however early the texts differ: how long it takes must not tell where. */
function isSame(one: string, other: string): boolean {
  let differences = one.length ^ other.length;
  for (let at = 0; at < one.length; at += 1) differences |= one.charCodeAt(at) ^ other.charCodeAt(at);
  return differences === 0;
}

/** A path that passed `PATH` and digits: one byte for each character. */
function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
