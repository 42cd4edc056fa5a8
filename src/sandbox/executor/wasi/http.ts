/**
 * `wasi:http/types` and `wasi:http/outgoing-handler`: the resources live here, the effect lives in the broker.
 * A request is one call with its body, or with the beginning of one that then follows piece by piece; a response's
 * body is pulled piece by piece.
 * The server's half of the types is in `http-server.ts`.
 */
import { BROKER_CALL_COST } from "../../../core/metering/host/index.ts";
import type { JsonValue } from "../../../core/policy/index.ts";
import type { HttpSendValue } from "../../../ports/index.ts";
import type { Binding } from "../binding.ts";
import type { Answer, GuestContext } from "../context.ts";
import { GuestError } from "../guard.ts";
import { BrokerSource, createReadAllowance, type ReadAllowance } from "./broker-source.ts";
import {
  type BodyAllowance,
  createBodyAllowance,
  FutureTrailers,
  IncomingBody,
  OutgoingBody,
} from "./http-body.ts";
import { Fields, fromLatin1, toLatin1 } from "./http-fields.ts";
import { createServerTypes } from "./http-server.ts";
import { Pollable, type Readiness, readinessOf } from "./poll.ts";
import { CHUNK_BYTES, IoError } from "./streams.ts";

interface Tagged {
  readonly tag: string;
  readonly val?: unknown;
}

const NS_PER_MS = 1_000_000n;
/** A body that is finished by then leaves whole, with its length. Most are, and some servers want it so. */
const SOON_MS = 10;
const METHOD_TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Resource `outgoing-request`. */
export class OutgoingRequest {
  readonly #state: {
    readonly headers: Fields;
    readonly allowance: BodyAllowance;
    method: Tagged;
    pathWithQuery: string | undefined;
    scheme: Tagged | undefined;
    authority: string | undefined;
    body: OutgoingBody | undefined;
  };

  constructor(headers: Fields, allowance: BodyAllowance) {
    this.#state = {
      headers: Fields.immutable(headers.entries()),
      allowance,
      method: { tag: "get" },
      pathWithQuery: undefined,
      scheme: undefined,
      authority: undefined,
      body: undefined,
    };
  }

  body(): OutgoingBody {
    if (this.#state.body !== undefined) throw new GuestError(undefined);
    this.#state.body = new OutgoingBody(this.#state.allowance);
    return this.#state.body;
  }

  method(): Tagged {
    return this.#state.method;
  }

  setMethod(method: Tagged): void {
    if (method.tag === "other" && !METHOD_TOKEN.test(String(method.val))) throw new GuestError(undefined);
    this.#state.method = method;
  }

  pathWithQuery(): string | undefined {
    return this.#state.pathWithQuery;
  }

  setPathWithQuery(pathWithQuery: string | undefined): void {
    this.#state.pathWithQuery = pathWithQuery;
  }

  scheme(): Tagged | undefined {
    return this.#state.scheme;
  }

  setScheme(scheme: Tagged | undefined): void {
    this.#state.scheme = scheme;
  }

  authority(): string | undefined {
    return this.#state.authority;
  }

  setAuthority(authority: string | undefined): void {
    this.#state.authority = authority;
  }

  headers(): Fields {
    return this.#state.headers;
  }

  /** What the broker is asked, and the body if there is one. */
  static describe(request: OutgoingRequest): {
    readonly args: Record<string, JsonValue>;
    readonly body: OutgoingBody | undefined;
  } {
    const { headers, method, scheme, authority, pathWithQuery, body } = request.#state;
    if (scheme !== undefined && scheme.tag === "other") throw new GuestError({ tag: "HTTP-protocol-error" });
    if (authority === undefined) throw new GuestError({ tag: "HTTP-request-URI-invalid" });
    return {
      args: {
        method: method.tag === "other" ? String(method.val) : method.tag.toUpperCase(),
        scheme: scheme?.tag === "HTTP" ? "http" : "https",
        authority,
        pathWithQuery: pathWithQuery === undefined || pathWithQuery === "" ? "/" : pathWithQuery,
        headers: headers.entries().map(([name, value]) => [name, toLatin1(value)]),
      },
      body,
    };
  }
}

/** Resource `request-options`; durations in ns, as the interface has them. */
export class RequestOptions {
  readonly #timeouts: {
    connect?: bigint | undefined;
    firstByte?: bigint | undefined;
    betweenBytes?: bigint | undefined;
  } = {};

  connectTimeout(): bigint | undefined {
    return this.#timeouts.connect;
  }

  setConnectTimeout(duration: bigint | undefined): void {
    this.#timeouts.connect = duration;
  }

  firstByteTimeout(): bigint | undefined {
    return this.#timeouts.firstByte;
  }

  setFirstByteTimeout(duration: bigint | undefined): void {
    this.#timeouts.firstByte = duration;
  }

  betweenBytesTimeout(): bigint | undefined {
    return this.#timeouts.betweenBytes;
  }

  setBetweenBytesTimeout(duration: bigint | undefined): void {
    this.#timeouts.betweenBytes = duration;
  }

  /** The timeouts as the broker wants them, in ms. */
  static describe(options: RequestOptions | undefined): Record<string, JsonValue> {
    if (options === undefined) return {};
    const { connect, firstByte, betweenBytes } = options.#timeouts;
    return {
      ...(connect === undefined ? {} : { connectTimeoutMs: toMs(connect) }),
      ...(firstByte === undefined ? {} : { firstByteTimeoutMs: toMs(firstByte) }),
      ...(betweenBytes === undefined ? {} : { betweenBytesTimeoutMs: toMs(betweenBytes) }),
    };
  }
}

/** Resource `incoming-response`. */
export class IncomingResponse {
  readonly #state: {
    readonly status: number;
    readonly headers: Fields;
    readonly body: IncomingBody;
    consumed: boolean;
  };

  constructor(status: number, headers: Fields, body: IncomingBody) {
    this.#state = { status, headers, body, consumed: false };
  }

  status(): number {
    return this.#state.status;
  }

  headers(): Fields {
    return this.#state.headers;
  }

  consume(): IncomingBody {
    if (this.#state.consumed) throw new GuestError(undefined);
    this.#state.consumed = true;
    return this.#state.body;
  }

  /** Dropped with its body unread: then nobody will ever read it. */
  [Symbol.dispose](): void {
    if (!this.#state.consumed) this.#state.body[Symbol.dispose]();
  }
}

/** Resource `future-incoming-response`. */
export class FutureIncomingResponse {
  readonly #state: { readonly readiness: Readiness; result: unknown; taken: boolean };

  constructor(response: Promise<IncomingResponse>) {
    const state = { readiness: readinessOf(Promise.resolve()), result: undefined as unknown, taken: false };
    const settled = response.then(
      (value) => {
        state.result = { tag: "ok", val: value };
      },
      (error: unknown) => {
        const payload =
          error instanceof GuestError ? error.payload : { tag: "internal-error", val: undefined };
        state.result = { tag: "err", val: payload };
      },
    );
    state.readiness = readinessOf(settled);
    this.#state = state;
  }

  subscribe(): Pollable {
    return new Pollable(this.#state.readiness);
  }

  get(): unknown {
    const state = this.#state;
    if (!state.readiness.isReady()) return undefined;
    if (state.taken) return { tag: "err" };
    state.taken = true;
    return { tag: "ok", val: state.result };
  }
}

/** Binding of `wasi:http/types`. */
export function createHttpTypes(): Binding {
  const allowance = createBodyAllowance();
  /** The guest constructs requests itself; those of one run share what their bodies may hold. */
  class RunRequest extends OutgoingRequest {
    constructor(headers: Fields) {
      super(headers, allowance);
    }
  }
  return {
    resources: {
      ...createServerTypes(allowance),
      Fields,
      FutureIncomingResponse,
      FutureTrailers,
      IncomingBody,
      IncomingResponse,
      OutgoingBody,
      OutgoingRequest: RunRequest,
      RequestOptions,
    },
    functions: {
      httpErrorCode(error: IoError): unknown {
        const payload = IoError.payloadOf(error);
        return typeof payload === "object" ? payload : undefined;
      },
    },
  };
}

/** Binding of `wasi:http/outgoing-handler`. */
export function createOutgoingHandler(context: GuestContext): Binding {
  const streams: RunStreams = { outgoing: 0, incoming: createReadAllowance() };
  return {
    resources: {},
    functions: {
      handle(request: OutgoingRequest, options: RequestOptions | undefined): FutureIncomingResponse {
        const { args, body } = OutgoingRequest.describe(request);
        const timeouts = RequestOptions.describe(options);
        return new FutureIncomingResponse(send(context, { ...args, ...timeouts }, body, streams));
      },
    },
  };
}

/** What the bodies of one run share. */
export interface RunStreams {
  /** Bodies that were begun to be sent in pieces: the number of the next one. */
  outgoing: number;
  readonly incoming: ReadAllowance;
}

async function send(
  context: GuestContext,
  args: Record<string, JsonValue>,
  body: OutgoingBody | undefined,
  streams: RunStreams,
): Promise<IncomingResponse> {
  const asked = { ...args, beginBytes: CHUNK_BYTES };
  const { value, body: bytes, room } = await begin(context, asked, body, streams);
  const { status, headers, handle, beginning } = readResponse(value);
  return new IncomingResponse(
    status,
    Fields.immutable(headers),
    new IncomingBody(new BrokerSource(context, streams.incoming, handle, { ...beginning, bytes, room })),
  );
}

/** Sends the head, with the body if that is there, or its beginning. @returns what the broker says of the response */
export async function begin(
  context: GuestContext,
  args: Record<string, JsonValue>,
  body: OutgoingBody | undefined,
  streams: RunStreams,
): Promise<Answer> {
  if (body === undefined) return context.call("http-client/send", args, undefined, true);
  const start = await OutgoingBody.start(body, context.wait(context.elapsedMs() + SOON_MS));
  switch (start.kind) {
    case "aborted":
      throw new GuestError({ tag: "HTTP-protocol-error" });
    case "whole":
      return context.call("http-client/send", args, start.bytes, true);
    case "stream": {
      const stream = streams.outgoing++;
      const sent = context.call("http-client/send", { ...args, stream }, start.bytes, true);
      // Behind the head on the same pipe, so the broker knows the number when the first piece comes.
      start.connect({
        charge: () => context.charge(BROKER_CALL_COST),
        async push(bytes, end, trailers = []) {
          const behind = trailers.length === 0 ? {} : { trailers };
          await context.callCharged("http-client/push", { stream, end, ...behind }, bytes);
        },
        abort: () => context.send("http-client/abort", { stream }),
      });
      return sent;
    }
  }
}

/** Reads what the broker says of a response. */
export function readResponse(value: JsonValue) {
  // From the broker, which is ours: a wrong shape here is a bug and ends the run.
  const { status, headers, body, end = false, trailers = [] } = value as unknown as HttpSendValue;
  return {
    status,
    beginning: { end, trailers },
    headers: headers.map(([name, text]) => [name, fromLatin1(text)] as const),
    handle: body,
  };
}

function toMs(ns: bigint): number {
  return Number(ns / NS_PER_MS > 2_147_483_647n ? 2_147_483_647n : ns / NS_PER_MS) || 1;
}
