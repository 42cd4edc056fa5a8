/**
 * Resources `request` and `response` of `wasi:http/types` 0.3. Their bodies are streams: the guest's own where it made
 * the message, the host's where it came from outside.
 */
import { GuestError } from "../guard.ts";
import type { HostWork, Readable } from "../linker/index.ts";
import type { BodySource } from "../wasi/http-body.ts";
import { Fields } from "../wasi/http-fields.ts";
import { RequestOptions } from "./http-options.ts";
import { HostFuture, HostStream } from "./streams.ts";

/** A variant's value. */
export interface Tagged {
  readonly tag: string;
  readonly val?: unknown;
}

const METHOD_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** What a guest put into a message: its stream, and the future of its trailers. */
export interface OwnBody {
  readonly kind: "own";
  readonly contents: Readable | undefined;
  readonly trailers: Readable;
}

/** What came from outside. */
export interface ForeignBody {
  readonly kind: "foreign";
  readonly work: HostWork;
  readonly source: BodySource;
}

/** Resource `request`. */
export class Request {
  readonly #state: {
    readonly headers: Fields;
    readonly body: OwnBody;
    readonly options: RequestOptions | undefined;
    readonly sent: HostFuture;
    method: Tagged;
    pathWithQuery: string | undefined;
    scheme: Tagged | undefined;
    authority: string | undefined;
  };

  constructor(headers: Fields, body: OwnBody, options: RequestOptions | undefined, sent: HostFuture) {
    this.#state = {
      headers: Fields.immutable(headers.copyAll()),
      body,
      options: options === undefined ? undefined : RequestOptions.immutable(options),
      sent,
      method: { tag: "get" },
      pathWithQuery: undefined,
      scheme: undefined,
      authority: undefined,
    };
  }

  static new(
    headers: Fields,
    contents: Readable | undefined,
    trailers: Readable,
    options: RequestOptions | undefined,
  ): readonly [Request, HostFuture] {
    const sent = new HostFuture();
    return [new Request(headers, { kind: "own", contents, trailers }, options, sent), sent];
  }

  getMethod(): Tagged {
    return this.#state.method;
  }

  setMethod(method: Tagged): void {
    if (method.tag === "other" && !METHOD_TOKEN.test(String(method.val))) throw new GuestError(undefined);
    this.#state.method = method;
  }

  getPathWithQuery(): string | undefined {
    return this.#state.pathWithQuery;
  }

  setPathWithQuery(pathWithQuery: string | undefined): void {
    this.#state.pathWithQuery = pathWithQuery;
  }

  getScheme(): Tagged | undefined {
    return this.#state.scheme;
  }

  setScheme(scheme: Tagged | undefined): void {
    this.#state.scheme = scheme;
  }

  getAuthority(): string | undefined {
    return this.#state.authority;
  }

  setAuthority(authority: string | undefined): void {
    this.#state.authority = authority;
  }

  getOptions(): RequestOptions | undefined {
    return this.#state.options;
  }

  getHeaders(): Fields {
    return this.#state.headers;
  }

  /** Gives the body back to whoever made the request: none ever comes from outside. */
  static consumeBody(request: Request, handled: Readable): readonly [Readable, Readable] {
    const { body, sent } = request.#state;
    handled.drop();
    sent.settle({ tag: "ok" });
    return [body.contents ?? emptyStream(), body.trailers];
  }

  /** What is to be sent. */
  static parts(request: Request) {
    return request.#state;
  }
}

/** Resource `response`. */
export class Response {
  readonly #state: {
    readonly headers: Fields;
    readonly body: OwnBody | ForeignBody;
    readonly sent: HostFuture | undefined;
    status: number;
    isConsumed: boolean;
  };

  constructor(status: number, headers: Fields, body: OwnBody | ForeignBody, sent?: HostFuture) {
    this.#state = { status, headers: Fields.immutable(headers.copyAll()), body, sent, isConsumed: false };
  }

  /** A guest makes one for itself; there is nobody to send it to. */
  static new(
    headers: Fields,
    contents: Readable | undefined,
    trailers: Readable,
  ): readonly [Response, HostFuture] {
    const sent = new HostFuture();
    return [new Response(200, headers, { kind: "own", contents, trailers }, sent), sent];
  }

  getStatusCode(): number {
    return this.#state.status;
  }

  setStatusCode(status: number): void {
    const state = this.#state;
    if (status < 100 || status > 999) throw new GuestError(undefined);
    state.status = status;
  }

  getHeaders(): Fields {
    return this.#state.headers;
  }

  static consumeBody(response: Response, handled: Readable): readonly [Readable, Readable] {
    const state = response.#state;
    state.isConsumed = true;
    handled.drop();
    const { body } = state;
    if (body.kind === "own") {
      state.sent?.settle({ tag: "ok" });
      return [body.contents ?? emptyStream(), body.trailers];
    }
    const trailers = new HostFuture();
    const stream = new HostStream(body.work, body.source, (failure) =>
      trailers.settle(
        failure === undefined
          ? { tag: "ok", val: body.source.trailers }
          : { tag: "err", val: failure.payload },
      ),
    );
    return [stream, trailers];
  }

  /** Dropped with its body unread: then nobody will ever read it. */
  [Symbol.dispose](): void {
    const { isConsumed, body } = this.#state;
    if (isConsumed) return;
    if (body.kind === "foreign") body.source.close?.();
    else letGo(body);
  }
}

/** Nobody will read what a guest put into a message. */
export function letGo({ contents, trailers }: OwnBody): void {
  contents?.drop();
  trailers.drop();
}

function emptyStream(): Readable {
  return {
    read: (_instance, _into, _onCopy, onDone) => onDone(1),
    cancel: () => undefined,
    drop: () => undefined,
  };
}
