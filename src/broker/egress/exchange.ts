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
import { firstPiece, metered, type RequestBody } from "./request-body.ts";
import { urlHost } from "./target.ts";
import { trailerBytes } from "./trailers.ts";

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
  /** Whether nothing but the end of the connection says where the body ends: it may have been cut short on its way. */
  readonly unannounced: boolean;
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
export function exchange(connection: Connection, options: ExchangeOptions): Promise<EgressResponse> {
  return new Exchange(connection, options).begin();
}

/** A class, because objects written down with getters outlive their request: each gets a hidden class of its own. */
class Exchange implements EgressResponse {
  status = 0;
  headers: readonly Header[] = [];
  readonly #connection: Connection;
  readonly #options: ExchangeOptions;
  readonly #incoming: Incoming;
  readonly #reader: BodyReader;
  /** Ends the wait for the head. */
  #cancel: (() => void) | undefined;
  #answered = false;
  #over = false;
  readonly #onEnd = () => this.#incoming.abort(new EgressFailure({ tag: "connection-terminated" }));

  constructor(connection: Connection, options: ExchangeOptions) {
    const { blocks, clock, idleTimeoutMs, body } = options;
    this.#connection = connection;
    this.#options = options;
    // Nobody tells whoever writes a body otherwise: a connection that is gone may have asked for a piece and never take it.
    this.#incoming = new Incoming(
      blocks,
      () => connection.broken,
      body instanceof Uint8Array ? undefined : () => body.fail?.(),
    );
    this.#reader = new BodyReader(this.#incoming, { clock, idleTimeoutMs, onEnd: () => this.#end(true) });
  }

  async begin(): Promise<EgressResponse> {
    const incoming = this.#incoming;
    const { signal } = this.#options;
    signal.addEventListener("abort", this.#onEnd, { once: true });
    try {
      if (signal.aborted) this.#onEnd();
      incoming.throwIfFailed();
      this.#dispatch(await firstPiece(this.#options.body));
      const { status, headers } = await incoming.head;
      this.#answered = true;
      // undici has ended the body otherwise than it used to: what the guest gave was not sent.
      if (this.#connection.trailers.waiting) throw new EgressFailure({ tag: "internal-error" });
      this.status = status;
      this.headers = headers;
      return this;
    } catch (error) {
      this.close();
      // Why it really ended: what our own abort set off elsewhere (a closed socket, a body cut short) is only an echo.
      incoming.throwIfFailed();
      throw error;
    } finally {
      this.#cancel?.();
    }
  }

  read(maxBytes: number): Promise<readonly Uint8Array[] | undefined> {
    return this.#reader.read(maxBytes);
  }

  giveBack(pieces: readonly Uint8Array[]): void {
    this.#options.blocks.give(pieces);
  }

  get unannounced(): boolean {
    return this.#options.permit.method !== "HEAD" && this.#incoming.unannounced;
  }

  get buffered(): boolean {
    return this.#reader.buffered;
  }

  get ended(): boolean {
    return this.#reader.ended;
  }

  trailers(): readonly Header[] {
    return this.#incoming.trailers;
  }

  close(): void {
    this.#end(false);
  }

  /** @param whole the response was read to its end: the connection may carry another request */
  #end(whole: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const { signal, keep } = this.#options;
    signal.removeEventListener("abort", this.#onEnd);
    if (whole && keep !== undefined) keep(this.#connection);
    else this.#connection.close();
  }

  #dispatch(body: RequestBody): void {
    const { permit, headers, meter, keep } = this.#options;
    const incoming = this.#incoming;
    const connection = this.#connection;
    // Charged before a byte leaves: a request that the budget does not cover is not sent in part.
    if (!meter.sent(requestSize(this.#options, body))) throw new EgressSpent("Egress budget is spent");
    const spent = () => this.#spent();
    connection.charge({ meter, onSpent: spent });
    const whole = body instanceof Uint8Array;
    // A guest that takes its time over its own body is not a server that does not answer.
    if (whole) this.#startWaiting();
    const request: DispatchOptions = {
      method: permit.method,
      path: permit.target.path + permit.target.query,
      headers: headers.flat(),
      // undici sends any async iterable, though its type names streams only.
      body: whole
        ? body.length === 0
          ? null
          : body
        : (metered(body, meter, spent, () => this.#endBody()) as unknown as NonNullable<
            DispatchOptions["body"]
          >),
      reset: keep === undefined,
    };
    connection.expects({
      passing: () => (permit.method === "HEAD" ? 0 : incoming.bodyLeft),
      awaitsHead: () => !incoming.begun,
    });
    connection.client.dispatch(request, incoming);
  }

  #startWaiting(): void {
    // A server may answer before it has all of the body.
    if (this.#answered) return;
    const { clock, firstByteTimeoutMs } = this.#options;
    this.#cancel = clock.after(firstByteTimeoutMs, () =>
      this.#incoming.abort(new EgressFailure({ tag: "HTTP-response-timeout" })),
    );
  }

  /** The last piece of a body that comes in pieces has left. */
  #endBody(): void {
    const { body, meter } = this.#options;
    try {
      const fields = body instanceof Uint8Array ? [] : (body.trailers?.() ?? []);
      if (!meter.sent(trailerBytes(fields))) this.#spent();
      else this.#connection.trailers.add(fields);
    } catch (error) {
      // Half of a message must not look like a whole one: the connection is cut.
      this.#incoming.abort(error instanceof Error ? error : new EgressFailure({ tag: "internal-error" }));
    }
    this.#incoming.throwIfFailed();
    this.#startWaiting();
  }

  #spent(): void {
    this.#options.onSpent?.();
    this.#incoming.abort(new EgressSpent("Egress budget is spent"));
  }
}

/**
 * Exact bytes of the request, as undici writes it: the tests compare this with what a raw server receives. Of a body
 * that comes in pieces, only the head and the last chunk: the pieces are charged when they leave.
 */
function requestSize({ permit, headers, keep }: ExchangeOptions, body: RequestBody): number {
  const { method, target } = permit;
  const defaultPort = target.scheme === "https" ? 443 : 80;
  const host = target.port === defaultPort ? urlHost(target) : `${urlHost(target)}:${target.port}`;
  let size = `${method} ${target.path}${target.query} HTTP/1.1\r\n`.length + `host: ${host}\r\n`.length;
  size += `connection: ${keep === undefined ? "close" : "keep-alive"}\r\n`.length;
  for (const [name, value] of headers) size += name.length + value.length + ": \r\n".length;
  if (!(body instanceof Uint8Array)) return size + "transfer-encoding: chunked\r\n\r\n0\r\n\r\n".length;
  const hasLength = body.length > 0 || method === "POST" || method === "PUT" || method === "PATCH";
  if (hasLength) size += `content-length: ${body.length}\r\n`.length;
  return size + "\r\n".length + body.length;
}
