/**
 * Fields behind a request's body. undici sends none, so they are put where it writes the end of a chunked body: on the
 * same judged connection, under the same meter, with nothing of its framing left to the guest.
 */
import type { HeaderLists } from "../../core/policy/index.ts";
import { EgressFailure } from "./errors.ts";
import { type Header, requestHeaders } from "./headers.ts";
import type { Socket } from "./socket.ts";

/** The end of a chunked body, as undici writes it: behind the line that closes the last chunk. */
const END_OF_BODY = "\r\n0\r\n\r\n";

/**
 * What no trailer may say (RFC 9110 section 6.5.1), beside what no field of a guest's may: framing, routing, who asks, and
 * how to read the content. A server that merges trailers into its fields would take them for the request's own.
 */
const NOT_BEHIND =
  /^(?:authorization|cookie|set-cookie|cache-control|max-forwards|range|if-.*|content-(?:encoding|type|range|location|disposition)|accept.*|age|date|vary|location|retry-after|www-authenticate|origin|referer)$/;

/**
 * The trailers that go out.
 *
 * @param guest as given; attacker-controlled
 * @param barred names that are the broker's own in this request, in lower case: a secret's field, a trace's
 * @param lists the rule's, for fields
 * @throws {EgressFailure} when they are not fields, or too many
 */
export function requestTrailers(
  guest: readonly Header[],
  barred: readonly string[],
  lists?: HeaderLists,
): readonly Header[] {
  const fields = requestHeaders(guest, undefined, lists);
  if (fields.kind === "invalid") throw new EgressFailure({ tag: "HTTP-protocol-error" });
  if (fields.kind === "too-large") throw new EgressFailure({ tag: "HTTP-request-trailer-section-size" });
  return fields.headers.filter(([name]) => !NOT_BEHIND.test(name) && !barred.includes(name));
}

/** Bytes that fields take behind a body. */
export function trailerBytes(fields: readonly Header[]): number {
  return fields.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
}

/** Puts trailers behind the bodies that go over one socket. */
export interface TrailerWriter {
  /** Puts `fields` behind the body that ends next. */
  add(fields: readonly Header[]): void;
  /** Whether fields were added and no body has ended since. */
  readonly waiting: boolean;
}

/**
 * Replaces the socket's `write`. Pieces of bodies are written as bytes and framing as texts: no piece can be mistaken
 * for the end.
 */
export function writeTrailers(socket: Socket): TrailerWriter {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  let waiting: readonly Header[] = [];
  function writeOrEnd(...args: unknown[]): boolean {
    if (waiting.length === 0 || args[0] !== END_OF_BODY) return write(...args);
    const lines = waiting.map(([name, value]) => `${name}: ${value}\r\n`);
    waiting = [];
    return write(`\r\n0\r\n${lines.join("")}\r\n`, "latin1");
  }
  socket.write = writeOrEnd;
  return {
    add(fields) {
      waiting = fields;
    },
    get waiting() {
      return waiting.length > 0;
    },
  };
}
