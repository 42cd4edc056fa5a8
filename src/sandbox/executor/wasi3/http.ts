/**
 * `wasi:http/types` and `wasi:http/client` of WASI 0.3: the same calls of the broker as 0.2, the same budgets, the same
 * events. Only what the guest holds is different.
 */
import { type Binding, versionOf } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import { GuestError } from "../guard.ts";
import { BrokerSource, createReadAllowance } from "../wasi/broker-source.ts";
import { begin, type RunStreams, readResponse } from "../wasi/http.ts";
import { type BodyAllowance, createBodyAllowance, OutgoingBody } from "../wasi/http-body.ts";
import { Fields, toLatin1 } from "../wasi/http-fields.ts";
import { CHUNK_BYTES } from "../wasi/streams.ts";
import { letGo, type OwnBody, Request, Response, type Tagged } from "./http-message.ts";
import { RequestOptions } from "./http-options.ts";
import { drain, type HostFuture, whenWritten } from "./streams.ts";

/** Binding of `wasi:http/types`. */
export function createHttpTypes(): Binding {
  return { resources: { Fields, Request, RequestOptions, Response }, functions: {} };
}

/** Binding of `wasi:http/client`. */
export function createHttpClient(context: GuestContext, name: string): Binding {
  const allowance = createBodyAllowance();
  const streams: RunStreams = { outgoing: 0, incoming: createReadAllowance() };
  return {
    resources: {},
    functions: { send: (request: Request) => send(context, versionOf(name), request, allowance, streams) },
  };
}

async function send(
  context: GuestContext,
  version: string,
  request: Request,
  allowance: BodyAllowance,
  streams: RunStreams,
): Promise<Response> {
  const { body, sent } = Request.parts(request);
  const args = { ...describe(request, body), wasi: version };
  const outgoing = body.contents === undefined ? undefined : new OutgoingBody(allowance);
  if (outgoing === undefined) {
    // There is nothing that trailers could stand behind.
    body.trailers.drop();
    sent.settle({ tag: "ok" });
  } else pass(context, body, outgoing, sent);
  const { value, body: bytes, room } = await begin(context, args, outgoing, streams);
  const { status, headers, handle, beginning } = readResponse(value);
  const source = new BrokerSource(context, streams.incoming, handle, { ...beginning, bytes, room });
  return new Response(status, Fields.immutable(headers), { kind: "foreign", work: context.work, source });
}

/** @throws {GuestError} for what no request can be made of; its body is let go then */
function describe(request: Request, body: OwnBody) {
  const { headers, method, scheme, authority, pathWithQuery, options } = Request.parts(request);
  const refuse = (tag: string): never => {
    letGo(body);
    throw new GuestError({ tag });
  };
  if (scheme?.tag === "other") refuse("HTTP-protocol-error");
  return {
    method: nameOf(method),
    scheme: scheme?.tag === "HTTP" ? "http" : "https",
    authority: authority ?? refuse("HTTP-request-URI-invalid"),
    pathWithQuery: pathWithQuery === undefined || pathWithQuery === "" ? "/" : pathWithQuery,
    headers: headers.copyAll().map(([name, value]) => [name, toLatin1(value)] as const),
    beginBytes: CHUNK_BYTES,
    ...RequestOptions.describe(options),
  };
}

function nameOf({ tag, val }: Tagged): string {
  return tag === "other" ? String(val) : tag.toUpperCase();
}

/** Passes a body on as the guest writes it, and its trailers behind it. */
function pass(context: GuestContext, body: OwnBody, outgoing: OutgoingBody, sent: HostFuture): void {
  const { contents, trailers } = body;
  if (contents === undefined) return;
  const output = outgoing.write();
  drain(
    contents,
    context.work,
    async (bytes) => output.blockingWriteAndFlush(bytes),
    (failure) => {
      if (failure !== undefined) {
        trailers.drop();
        sent.settle({ tag: "err", val: { tag: "HTTP-protocol-error" } });
        return;
      }
      whenWritten(trailers, (value) => finish(outgoing, value, sent));
    },
  );
}

/** @param written the guest's `result<option<trailers>, error-code>` */
function finish(outgoing: OutgoingBody, written: unknown, sent: HostFuture): void {
  const { tag, val } = written as Tagged; // Lifted as a result.
  if (tag === "err") {
    OutgoingBody.abort(outgoing);
    sent.settle({ tag: "err", val });
    return;
  }
  try {
    OutgoingBody.finish(outgoing, val instanceof Fields ? val : undefined);
    sent.settle({ tag: "ok" });
  } catch (error) {
    if (!(error instanceof GuestError)) throw error;
    sent.settle({ tag: "err", val: error.payload });
  }
}
