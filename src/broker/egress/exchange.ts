/**
 * One request and its response over one connection that is used for nothing else.
 *
 * No keep-alive on purpose: nothing that one request leaves in a connection can reach the next one, every request
 * is resolved and judged anew, and runs share no state. No redirect is followed, nothing is decompressed, no
 * upgrade is made: what the server said is what the guest gets, and the guest's next request is decided anew.
 */
import { Client } from "undici";
import type { Clock } from "../../ports/index.ts";
import type { Socket } from "./dial.ts";
import { EgressFailure, EgressSpent } from "./errors.ts";
import type { Header } from "./headers.ts";
import { type Meter, meterReads } from "./meter.ts";
import type { Permit } from "./permit.ts";
import { urlHost } from "./target.ts";

/** What goes over the connection, and how long it may take. */
export interface ExchangeOptions {
  readonly permit: Permit;
  readonly headers: readonly Header[];
  readonly body: Uint8Array;
  readonly meter: Meter;
  readonly clock: Clock;
  /** Until the response's head is whole. */
  readonly firstByteTimeoutMs: number;
  /** Longest silence within the body. */
  readonly idleTimeoutMs: number;
  /** The run's end. */
  readonly signal: AbortSignal;
}

/** A response whose body is still on the wire. */
export interface EgressResponse {
  readonly status: number;
  readonly headers: readonly Header[];
  /**
   * @returns the next bytes, at least one and at most `maxBytes`; `undefined` after the last
   * @throws {EgressFailure | EgressSpent | Error} when the body ends badly; see `wordOf`
   */
  read(maxBytes: number): Promise<Uint8Array | undefined>;
  /** Ends the connection. Idempotent. */
  close(): void;
}

/** Largest response head accepted, in bytes. */
const MAX_RESPONSE_HEAD = 32 * 1024;

/**
 * Sends the request and waits for the response's head. The socket is destroyed whenever this throws.
 *
 * @throws {EgressSpent} when the budget does not cover the request, or the response's head
 * @throws {Error} anything else: `wordOf` names it
 */
export async function exchange(socket: Socket, options: ExchangeOptions): Promise<EgressResponse> {
  const { permit, headers, body, meter, clock, signal } = options;
  const ended = new AbortController();
  const onEnd = () => ended.abort(new EgressFailure({ tag: "connection-terminated" }));
  signal.addEventListener("abort", onEnd, { once: true });
  const client = clientOver(socket, permit);
  const close = () => {
    signal.removeEventListener("abort", onEnd);
    // Rejections of the requests under way reach whoever waits for them.
    client.destroy().catch(() => {});
    socket.destroy();
  };
  const cancel = clock.after(options.firstByteTimeoutMs, () =>
    ended.abort(new EgressFailure({ tag: "HTTP-response-timeout" })),
  );
  try {
    if (signal.aborted) onEnd();
    ended.signal.throwIfAborted();
    // Charged before a byte leaves: a request that the budget does not cover is not sent in part.
    if (!meter.sent(requestSize(permit, headers, body))) throw new EgressSpent("Egress budget is spent");
    meterReads(socket, meter, () => ended.abort(new EgressSpent("Egress budget is spent")));
    const response = await client.request({
      method: permit.method,
      path: permit.target.path + permit.target.query,
      headers: headers.flat(),
      body: body.length === 0 ? null : body,
      reset: true,
      signal: ended.signal,
      responseHeaders: "raw",
    });
    const reader = readerOf(response.body, options, ended);
    return { status: response.statusCode, headers: pairs(response.headers), read: reader, close };
  } catch (error) {
    close();
    throw reasonOf(error, ended.signal);
  } finally {
    cancel();
  }
}

function clientOver(socket: Socket, { target }: Permit): Client {
  let used = false;
  return new Client(`${target.scheme}://${urlHost(target)}:${target.port}`, {
    allowH2: false,
    pipelining: 1,
    headersTimeout: 0, // undici's timers tick every half second: ours are exact
    bodyTimeout: 0,
    maxHeaderSize: MAX_RESPONSE_HEAD,
    connect: (_options, callback) => {
      // INVARIANT: undici never opens a connection itself. It would after losing this one, to an unjudged address.
      if (used) return callback(new EgressFailure({ tag: "connection-terminated" }), null);
      used = true;
      // Not at once: undici ignores a connection that is there before its connect() has returned.
      queueMicrotask(() => callback(null, socket));
    },
  });
}

/** Why it really ended: what our own abort set off elsewhere (a closed socket, an aborted stream) is only an echo. */
function reasonOf(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted && !(error instanceof EgressSpent) ? signal.reason : error;
}

/** Exact bytes of the request, as undici writes it: the tests compare this with what a raw server receives. */
function requestSize({ method, target }: Permit, headers: readonly Header[], body: Uint8Array): number {
  const defaultPort = target.scheme === "https" ? 443 : 80;
  const host = target.port === defaultPort ? urlHost(target) : `${urlHost(target)}:${target.port}`;
  const hasLength = body.length > 0 || method === "POST" || method === "PUT" || method === "PATCH";
  const lines = [
    `${method} ${target.path}${target.query} HTTP/1.1`,
    `host: ${host}`,
    "connection: close",
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(hasLength ? [`content-length: ${body.length}`] : []),
  ];
  return lines.reduce((sum, line) => sum + line.length + 2, 2) + body.length;
}

function readerOf(
  body: AsyncIterable<unknown>,
  { clock, idleTimeoutMs }: ExchangeOptions,
  ended: AbortController,
): (maxBytes: number) => Promise<Uint8Array | undefined> {
  const chunks = body[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array(0);
  return async (maxBytes) => {
    while (rest.length === 0) {
      const cancel = clock.after(idleTimeoutMs, () =>
        ended.abort(new EgressFailure({ tag: "connection-read-timeout" })),
      );
      try {
        const next = await chunks.next();
        if (next.done === true) return undefined;
        if (!(next.value instanceof Uint8Array)) throw new TypeError("Cannot read body: wanted bytes");
        rest = next.value;
      } catch (error) {
        throw reasonOf(error, ended.signal);
      } finally {
        cancel();
      }
    }
    const taken = rest.subarray(0, maxBytes);
    rest = rest.subarray(taken.length);
    return taken;
  };
}

/** @param raw with `responseHeaders: "raw"` a flat list of names and values, though its type says otherwise */
function pairs(raw: unknown): readonly Header[] {
  if (!Array.isArray(raw)) throw new TypeError("Cannot read response headers: wanted a flat list");
  const list: readonly unknown[] = raw;
  return list.flatMap((name, index): Header[] =>
    index % 2 === 0 ? [[String(name), String(list[index + 1] ?? "")]] : [],
  );
}
