/**
 * Which header fields cross between guest and network. Pure.
 *
 * The framing of a message belongs to the egress module alone: a guest that could say Content-Length,
 * Transfer-Encoding or Host could make an upstream see two requests where the policy saw one.
 */
import { type HeaderLists, headerCrosses, TRACE_FIELDS } from "../../core/policy/index.ts";

/** Name and value; values are latin-1 text, one character per byte. */
export type Header = readonly [string, string];

/** A secret on its way into a request. */
export interface Injection {
  /** Lower-case header name. */
  readonly header: string;
  readonly value: string;
}

/** Most fields in one request, and most bytes of all of them. */
export const REQUEST_HEADER_LIMITS = { fields: 128, bytes: 32 * 1024 } as const;

/** Fields that say something about one hop (RFC 9110 section 7.6.1), never passed on in either direction. */
const HOP_BY_HOP = /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*|http2-settings)$/;

/** What a guest may not say on our behalf: framing, routing, and who asked on whose behalf. */
const OURS = /^(?:host|content-length|expect|forwarded|x-forwarded-.*|x-real-ip|via)$/;

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;

/** Field values: visible bytes, space and tab. CR, LF and NUL end a field or a string for somebody. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The header fields that go out, or why none do. */
export type RequestHeaders =
  | {
      readonly kind: "ok";
      readonly headers: readonly Header[];
      /** The guest had set the injected field itself: its own was dropped. */
      readonly replaced: boolean;
      /** The guest had set a field of a trace itself, and it does not go out. */
      readonly untraced: boolean;
    }
  /** Not a header field at all. */
  | { readonly kind: "invalid" }
  | { readonly kind: "too-large" };

/**
 * Makes the fields of an outgoing request from a guest's.
 *
 * @param guest as given; attacker-controlled
 * @param injection the secret for this destination, when there is one: the rule's lists say nothing about it
 * @param lists the rule's; default: all cross that may at all
 * @param trace fields of the host's own trace, in place of whatever the guest says of one; default none
 */
export function requestHeaders(
  guest: readonly Header[],
  injection?: Injection,
  lists?: HeaderLists,
  trace: readonly Header[] = [],
): RequestHeaders {
  if (guest.some(([name, value]) => !NAME.test(name) || !VALUE.test(value))) return { kind: "invalid" };
  const bytes = guest.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
  if (guest.length > REQUEST_HEADER_LIMITS.fields || bytes > REQUEST_HEADER_LIMITS.bytes) {
    return { kind: "too-large" };
  }
  const isTrace = ([name]: Header) => TRACE_FIELDS.includes(name);
  const own = withoutHopByHop(guest).filter(([name]) => !OURS.test(name));
  const crossing = own.filter(([name]) => headerCrosses(lists, name));
  const kept = trace.length === 0 ? crossing : [...crossing.filter((field) => !isTrace(field)), ...trace];
  const untraced = own.some((field) => isTrace(field) && !kept.includes(field));
  if (injection === undefined) return { kind: "ok", headers: kept, replaced: false, untraced };
  const headers = kept.filter(([name]) => name !== injection.header);
  const replaced = headers.length < kept.length;
  return { kind: "ok", headers: [...headers, [injection.header, injection.value]], replaced, untraced };
}

/**
 * Makes the fields that a guest sees of a response.
 *
 * @param raw as received
 * @param secrets texts that no guest may read: a field that holds one is dropped whole
 * @param lists the rule's; default: all cross that may at all
 */
export function responseHeaders(
  raw: readonly Header[],
  secrets: readonly string[],
  lists?: HeaderLists,
): readonly Header[] {
  return withoutHopByHop(raw).filter(
    ([name, value]) => headerCrosses(lists, name) && !secrets.some((secret) => value.includes(secret)),
  );
}

/** Lower-cases names and drops hop-by-hop fields, those that a Connection field nominates included. */
function withoutHopByHop(headers: readonly Header[]): readonly Header[] {
  const fields = headers.map(([name, value]): Header => [name.toLowerCase(), value]);
  const nominated = fields
    .filter(([name]) => name === "connection")
    .flatMap(([, value]) => value.split(",").map((token) => token.trim().toLowerCase()));
  return fields.filter(([name]) => !HOP_BY_HOP.test(name) && !nominated.includes(name));
}
