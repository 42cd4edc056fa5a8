/**
 * One request and its response over one connection.
 *
 * No redirect is followed, nothing is decompressed, no upgrade is made: what the server said is what the guest gets,
 * and the guest's next request is decided anew. Decoding is the guest's own work, in its own memory and fuel.
 */
import type { Dispatcher } from "undici";
import type { Clock } from "../../ports/index.ts";
import type { Blocks } from "./blocks.ts";
import { BodyReader } from "./body-reader.ts";
import type { Connection } from "./connection.ts";
import { EgressFailure, EgressSpent } from "./errors.ts";
import type { Header } from "./headers.ts";
import { Incoming } from "./incoming.ts";
import type { Meter } from "./meter.ts";
import type { Permit } from "./permit.ts";
import { urlHost } from "./target.ts";
import { trailerBytes } from "./trailers.ts";

/** A request's body: whole, or piece by piece as it comes; the next piece is asked for when the last one has left. */
export type RequestBody = Uint8Array | StreamedBody;

/** A body that comes piece by piece. */
export interface StreamedBody extends AsyncIterable<Uint8Array> {
  /**
   * Fields behind it; asked for after the last piece. Default none.
   *
   * @throws {EgressFailure} when there can be none of the kind: then the request fails
   */
  trailers?(): readonly Header[];
  /** The exchange is over: what was not taken never will be. */
  fail?(): void;
}

type DispatchOptions = Dispatcher.DispatchOptions;

/** What goes over the connection, and how long it may take. */
export interface ExchangeOptions {
  readonly permit: Permit;
  readonly headers: readonly Header[];
  readonly body: RequestBody;
  readonly meter: Meter;
  /** Told when the meter refuses, whether or not somebody waits for the response just then. */
  readonly onSpent?: () => void;
  /** What the response's body passes through. */
  readonly blocks: Blocks;
  readonly clock: Clock;
  /** Until the response's head is whole. */
  readonly firstByteTimeoutMs: number;
  /** Longest silence within the body. */
  readonly idleTimeoutMs: number;
  /** The run's end. */
  readonly signal: AbortSignal;
  /** Takes the connection back for another request; absent = it serves this one only. */
  readonly keep?: (connection: Connection) => void;
}

/** A response whose body is still on the wire. */
export interface EgressResponse {
  readonly status: number;
  readonly headers: readonly Header[];
  /**
   * @returns the next bytes, at least one and at most `maxBytes`, in pieces that stay as they are until they are given back;
   *   `undefined` after the last
   * @throws {EgressFailure | EgressSpent | Error} when the body ends badly; see `wordOf`
   */
  read(maxBytes: number): Promise<readonly Uint8Array[] | undefined>;
  /** Gives back what `read` gave, once, for other bytes. Whoever keeps them does not. */
  giveBack(pieces: readonly Uint8Array[]): void;
  /** Whether the next bytes are here already: `read` would not wait for the server. */
  readonly buffered: boolean;
  /** Whether `read` has given all, and the response said that it was all; sometimes only `undefined` says so. */
  readonly ended: boolean;
  /** Fields behind the body, as received; whole once `read` has given `undefined`. */
  trailers(): readonly Header[];
  /** Ends the exchange; unless the body was read to its end, the connection with it. Idempotent. */
  close(): void;
}

/**
 * Sends the request and waits for the response's head. The connection is closed whenever this throws.
 *
 * @throws {EgressSpent} when the budget does not cover the request, or the response's head
 * @throws {Error} anything else: `wordOf` names it
 */
export async function exchange(connection: Connection, options: ExchangeOptions): Promise<EgressResponse> {
  const { permit, headers, meter, blocks, clock, signal, keep, idleTimeoutMs } = options;
  // Nobody tells whoever writes a body otherwise: a connection that is gone may have asked for a piece and never take it.
  const incoming = new Incoming(blocks, () => {
    if (!(options.body instanceof Uint8Array)) options.body.fail?.();
  });
  const onEnd = () => incoming.abort(new EgressFailure({ tag: "connection-terminated" }));
  const spent = () => {
    options.onSpent?.();
    incoming.abort(new EgressSpent("Egress budget is spent"));
  };
  signal.addEventListener("abort", onEnd, { once: true });
  let over = false;
  const close = (whole = false) => {
    if (over) return;
    over = true;
    signal.removeEventListener("abort", onEnd);
    if (whole && keep !== undefined) keep(connection);
    else connection.close();
  };
  let cancel = () => {};
  try {
    if (signal.aborted) onEnd();
    incoming.throwIfFailed();
    const body = await firstPiece(options.body);
    // Charged before a byte leaves: a request that the budget does not cover is not sent in part.
    if (!meter.sent(requestSize(options, body))) throw new EgressSpent("Egress budget is spent");
    connection.charge({ meter, onSpent: spent });
    let answered = false;
    const startWaiting = () => {
      // A server may answer before it has all of the body.
      if (answered) return;
      cancel = clock.after(options.firstByteTimeoutMs, () =>
        incoming.abort(new EgressFailure({ tag: "HTTP-response-timeout" })),
      );
    };
    const endBody = () => {
      try {
        const fields = options.body instanceof Uint8Array ? [] : (options.body.trailers?.() ?? []);
        if (!meter.sent(trailerBytes(fields))) spent();
        else connection.trailers.add(fields);
      } catch (error) {
        // Half of a message must not look like a whole one: the connection is cut.
        incoming.abort(error instanceof Error ? error : new EgressFailure({ tag: "internal-error" }));
      }
      incoming.throwIfFailed();
      startWaiting();
    };
    const whole = body instanceof Uint8Array;
    // A guest that takes its time over its own body is not a server that does not answer.
    if (whole) startWaiting();
    const request: DispatchOptions = {
      method: permit.method,
      path: permit.target.path + permit.target.query,
      headers: headers.flat(),
      // undici sends any async iterable, though its type names streams only.
      body: whole
        ? body.length === 0
          ? null
          : body
        : (metered(body, meter, spent, endBody) as unknown as NonNullable<DispatchOptions["body"]>),
      reset: keep === undefined,
    };
    connection.expects({
      passing: () => (permit.method === "HEAD" ? 0 : incoming.bodyLeft),
      awaitsHead: () => !incoming.begun,
    });
    connection.client.dispatch(request, incoming);
    const head = await incoming.head;
    answered = true;
    // undici has ended the body otherwise than it used to: what the guest gave was not sent.
    if (connection.trailers.waiting) throw new EgressFailure({ tag: "internal-error" });
    const reader = new BodyReader(incoming, { clock, idleTimeoutMs, onEnd: () => close(true) });
    return {
      ...head,
      read: (maxBytes) => reader.read(maxBytes),
      giveBack: (pieces) => blocks.give(pieces),
      get buffered() {
        return reader.buffered;
      },
      get ended() {
        return reader.ended;
      },
      trailers: () => incoming.trailers,
      close,
    };
  } catch (error) {
    close();
    // Why it really ended: what our own abort set off elsewhere (a closed socket, a body cut short) is only an echo.
    incoming.throwIfFailed();
    throw error;
  } finally {
    cancel();
  }
}

/** A stream that turns out to be empty is an empty body: it is framed differently. */
async function firstPiece(body: RequestBody): Promise<RequestBody> {
  if (body instanceof Uint8Array) return body;
  const pieces = body[Symbol.asyncIterator]();
  let first = await pieces.next();
  while (first.done !== true && first.value.length === 0) first = await pieces.next();
  if (first.done === true) return new Uint8Array(0);
  return (async function* () {
    try {
      yield first.value;
      for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
    } finally {
      // Whoever sends it has had enough: whoever writes it waits for that.
      await pieces.return?.();
    }
  })();
}

/** Charges each piece with its chunk's framing before it leaves. */
async function* metered(
  body: AsyncIterable<Uint8Array>,
  meter: Meter,
  spent: () => void,
  onLast: () => void,
): AsyncIterable<Uint8Array> {
  for await (const piece of body) {
    // A chunk of no bytes would end the body.
    if (piece.length === 0) continue;
    if (!meter.sent(piece.length + piece.length.toString(16).length + 4)) {
      spent();
      throw new EgressSpent("Egress budget is spent");
    }
    yield piece;
  }
  onLast();
}

/**
 * Exact bytes of the request, as undici writes it: the tests compare this with what a raw server receives. Of a body
 * that comes in pieces, only the head and the last chunk: the pieces are charged when they leave.
 */
function requestSize({ permit, headers, keep }: ExchangeOptions, body: RequestBody): number {
  const { method, target } = permit;
  const defaultPort = target.scheme === "https" ? 443 : 80;
  const host = target.port === defaultPort ? urlHost(target) : `${urlHost(target)}:${target.port}`;
  const lines = [
    `${method} ${target.path}${target.query} HTTP/1.1`,
    `host: ${host}`,
    `connection: ${keep === undefined ? "close" : "keep-alive"}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ];
  const size = (all: readonly string[]) => all.reduce((sum, line) => sum + line.length + 2, 0);
  if (!(body instanceof Uint8Array)) {
    return size([...lines, "transfer-encoding: chunked"]) + "\r\n0\r\n\r\n".length;
  }
  const hasLength = body.length > 0 || method === "POST" || method === "PUT" || method === "PATCH";
  return size([...lines, ...(hasLength ? [`content-length: ${body.length}`] : []), ""]) + body.length;
}
