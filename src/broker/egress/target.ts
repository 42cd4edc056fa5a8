/**
 * Reads where a guest wants to go, once and strictly. Pure.
 *
 * What passes here has exactly one meaning: whatever a lenient parser down the road (a proxy, an upstream, a
 * resolver) could read differently is refused, so that the policy decides about the same place that is reached.
 */
import { canonicalAddress } from "./addresses.ts";
import type { ErrorCode } from "./errors.ts";

/** A guest's destination as the guest spelled it. Attacker-controlled, all of it. */
export interface RawTarget {
  readonly method: string;
  readonly scheme: string;
  readonly authority: string;
  readonly pathWithQuery: string;
}

/** A destination with one meaning. */
export interface Target {
  readonly scheme: "http" | "https";
  /** Lower-case ASCII name, or a canonical literal; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** With its `?`, or empty. Never part of an event. */
  readonly query: string;
  /** The host is an address: nothing is resolved. */
  readonly literal: boolean;
}

/** Longest path and query accepted, in bytes. */
export const PATH_LIMIT = 8192;

/** Longest target text in an event, in characters. */
const LABEL_LIMIT = 200;

/**
 * @returns the destination, or the word that refuses it with the reason for the operator
 */
export function parseTarget(
  raw: RawTarget,
):
  | { readonly ok: true; readonly target: Target }
  | { readonly ok: false; readonly word: ErrorCode; readonly why: string } {
  const { scheme, authority, pathWithQuery } = raw;
  if (scheme !== "http" && scheme !== "https") return refuse("scheme is neither http nor https");
  // No userinfo, no backslash, no percent sign, no control or non-ASCII character can get past this alphabet.
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9A-Za-z._-]+))(?::([1-9][0-9]{0,4}))?$/.exec(authority);
  if (parts === null) return refuse("authority is not host or host:port");
  const port = parts[3] === undefined ? (scheme === "https" ? 443 : 80) : Number(parts[3]);
  if (port > 65535) return refuse("port is beyond 65535");
  const host = parts[1] === undefined ? nameOrV4(parts[2] ?? "") : literalV6(parts[1]);
  if (host === undefined) return refuse("host is neither a plain name nor a canonical address");
  if (pathWithQuery.length > PATH_LIMIT) {
    return {
      ok: false,
      word: { tag: "HTTP-request-URI-too-long" },
      why: `path is longer than ${PATH_LIMIT}`,
    };
  }
  // Visible ASCII from "/" on; a fragment is never sent, and a backslash is a slash to some upstreams.
  if (!/^\/[\x21-\x7e]*$/.test(pathWithQuery) || /[#\\]/.test(pathWithQuery))
    return refuse("path is not plain");
  const mark = pathWithQuery.indexOf("?");
  const path = mark < 0 ? pathWithQuery : pathWithQuery.slice(0, mark);
  const query = mark < 0 ? "" : pathWithQuery.slice(mark);
  const literal = canonicalAddress(host) !== undefined;
  return { ok: true, target: { scheme, host, port, path, query, literal } };
}

/** The host as it stands in a URL: IPv6 in brackets. */
export function urlHost(target: Target): string {
  return target.host.includes(":") ? `[${target.host}]` : target.host;
}

/**
 * What an event says about a destination: method, scheme, host, port and path; never the query, never userinfo.
 *
 * @param raw as the guest spelled it
 * @param target when it could be read
 * @returns visible ASCII, at most 200 characters
 */
export function labelOf(raw: RawTarget, target?: Target): string {
  const path = target?.path ?? raw.pathWithQuery.slice(0, LABEL_LIMIT).replace(/[?#].*$/s, "");
  const host =
    target === undefined
      ? raw.authority.slice(-LABEL_LIMIT).replace(/^.*@/s, "")
      : `${urlHost(target)}:${target.port}`;
  return visible(`${raw.method.slice(0, 16)} ${raw.scheme.slice(0, 8)}://${host}${path}`).slice(
    0,
    LABEL_LIMIT,
  );
}

const NOT_VISIBLE = /[^\x20-\x7e]/u;

/** Percent-encodes what is not visible ASCII; the one space after the method stays. */
export function visible(text: string): string {
  if (!NOT_VISIBLE.test(text)) return text;
  const encoder = new TextEncoder();
  return text.replace(/[^\x20-\x7e]/gu, (character) =>
    Array.from(
      encoder.encode(character),
      (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    ).join(""),
  );
}

function refuse(why: string): { readonly ok: false; readonly word: ErrorCode; readonly why: string } {
  return { ok: false, word: { tag: "HTTP-request-URI-invalid" }, why };
}

function nameOrV4(text: string): string | undefined {
  const host = text.toLowerCase();
  const labels = host.split(".");
  // An empty label is a leading, doubled or trailing dot: `example.com.` is the same place under another name.
  if (host.length > 253 || labels.some((label) => label.length === 0 || label.length > 63)) return undefined;
  // A host that ends in a number is an address to every URL parser (WHATWG URL, "ends in a number"), however
  // it is spelled: `2130706433`, `0x7f.1`, `127.0.1`. Only the canonical spelling has one meaning.
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) {
    return canonicalAddress(host) === host ? host : undefined;
  }
  return host;
}

function literalV6(text: string): string | undefined {
  return text.includes(":") && canonicalAddress(text) === text ? text : undefined;
}
