/**
 * `http-client`: outgoing requests of `wasi:http`, through egress and nothing else.
 *
 * One event per request, written before anything leaves and completed as bytes flow: method and place, the rule
 * that decided, bytes both ways, status. Never the query, headers, bodies, or the secret.
 */
import { z } from "zod";
import type { HostReply, HttpSendValue } from "../ports/index.ts";
import { meterOf, stopOf } from "./account.ts";
import { type EventDraft, UNFINISHED } from "./book.ts";
import { type Capability, grantOf, OK, parseArgs, type RunContext } from "./capability.ts";
import {
  Blocks,
  barrierClause,
  checkAddress,
  type EgressResponse,
  EgressSpent,
  type ErrorCode,
  type Header,
  type Permit,
  permitRequest,
  type RequestBody,
  requestHeaders,
  requestTrailers,
  responseHeaders,
  type TlsOptions,
  wordOf,
} from "./egress/index.ts";
import { GuestBody } from "./guest-body.ts";
import { HttpBodies } from "./http-bodies.ts";
import { HttpUploads, Upload } from "./http-uploads.ts";
import { importCalled, versionArg } from "./import-called.ts";
import { injectionOf } from "./own-request.ts";
import type { SecretProfile } from "./profiles.ts";
import { SearchedBody } from "./searched-body.ts";
import { type RequestTrace, traceOfRequest } from "./trace-context.ts";

/** Requests of one run under way at once, bodies that are not read to their end included. */
const MAX_CONCURRENT = 8;

/** Most bytes of one read, and most that may come with a response's head. */
const MAX_READ = 256 * 1024;

const milliseconds = z.number().nonnegative().optional();
const sendArgs = z.strictObject({
  method: z.string(),
  scheme: z.string(),
  authority: z.string(),
  pathWithQuery: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  connectTimeoutMs: milliseconds,
  firstByteTimeoutMs: milliseconds,
  betweenBytesTimeoutMs: milliseconds,
  stream: z.int().nonnegative().optional(),
  beginBytes: z.int().nonnegative().optional(),
  wasi: versionArg,
});
const pushArgs = z.strictObject({
  stream: z.int().nonnegative(),
  end: z.boolean(),
  trailers: z.array(z.tuple([z.string(), z.string()])).optional(),
});
const abortArgs = z.strictObject({ stream: z.int().nonnegative() });
const readArgs = z.strictObject({ handle: z.int(), maxBytes: z.int().min(1) });
const closeArgs = z.strictObject({ handle: z.int() });

/** Makes the capability live for one run. */
export function createHttpClient(context: RunContext): Capability {
  const client = new HttpClient(context);
  return {
    calls: {
      "http-client/send": (args, body, _fuelUsed, spanId) =>
        client.send(parseArgs(sendArgs, args), body, spanId),
      "http-client/push": async (args, body) => {
        const { stream, end, trailers } = parseArgs(pushArgs, args);
        const taken = await client.uploads.held(stream).push(body, end, trailers);
        return taken ? OK : { kind: "error", error: { tag: "connection-terminated" } };
      },
      "http-client/abort": (args) => {
        client.uploads.held(parseArgs(abortArgs, args).stream).fail();
        return OK;
      },
      "http-client/read": (args) => {
        const { handle, maxBytes } = parseArgs(readArgs, args);
        return client.bodies.read(handle, Math.min(maxBytes, MAX_READ));
      },
      "http-client/close": (args) => {
        client.bodies.close(parseArgs(closeArgs, args).handle);
        return OK;
      },
    },
  };
}

class HttpClient {
  readonly #context: RunContext;
  readonly #profile: SecretProfile | undefined;
  readonly bodies = new HttpBodies();
  readonly #blocks: Blocks;
  readonly uploads = new HttpUploads();
  /** Requests whose response's head is not there yet. */
  #waiting = 0;

  constructor(context: RunContext) {
    this.#context = context;
    this.#blocks = new Blocks(context.reserve);
    context.book.onStop(() => this.#blocks.end());
    const name = grantOf(context.grants, "http-client")?.secretProfile;
    this.#profile = name === undefined ? undefined : context.profile(name);
  }

  /** @param body all of it, or with `stream` its beginning: then the rest is pushed */
  async send(args: z.infer<typeof sendArgs>, body: Uint8Array, spanId?: string): Promise<HostReply> {
    if (args.stream === undefined) return this.#send(args, body, spanId);
    const upload = this.uploads.begin(args.stream);
    // Not awaited: it is taken when the connection is there.
    void upload.push(body, false);
    const reply = await this.#send(args, upload, spanId);
    // After an answer the body may go on; without one nobody takes what is still to come.
    if (reply.kind !== "ok") upload.fail();
    return reply;
  }

  async #send(args: z.infer<typeof sendArgs>, body: RequestBody, spanId?: string): Promise<HostReply> {
    const { book, grants, trace: runTrace } = this.#context;
    const permit = permitRequest(grantOf(grants, "http-client")?.rules ?? [], args);
    const called = importCalled("request", args.wasi);
    if (permit.kind === "denied") {
      const beside = closedBlock(permit.address, this.#context.open);
      const clause = beside === undefined ? permit.clause : `${permit.clause}; egressAllow: ${beside}`;
      return this.#deny(called, permit.label, clause, permit.word);
    }
    const profile = this.#audience(permit);
    const injection = profile === undefined || profile.header === "" ? undefined : injectionOf(profile);
    // A service that may echo the secret is asked to do it in the open, where it can be found.
    const asked =
      profile === undefined
        ? args.headers
        : args.headers.filter(([name]) => name.toLowerCase() !== "accept-encoding");
    const trace = permit.traced && runTrace !== undefined ? traceOfRequest(runTrace, spanId) : undefined;
    const fields = requestHeaders(asked, injection, permit.requestHeaders, trace?.fields);
    if (fields.kind === "invalid") {
      return this.#deny(called, permit.label, "headers: not header fields", { tag: "HTTP-protocol-error" });
    }
    if (fields.kind === "too-large") {
      return this.#deny(called, permit.label, "headers: too large", {
        tag: "HTTP-request-header-section-size",
      });
    }
    if (this.#waiting + this.bodies.open >= MAX_CONCURRENT) {
      const result = "connection-limit-reached";
      book.write({ import: called, effect: "failed", target: permit.label, clause: permit.clause, result });
      return { kind: "error", error: { tag: result } };
    }
    if (book.charge("requests", 1) < 1) return stopOf(this.#context);
    const clause =
      permit.clause +
      injectionNote(profile, fields.replaced) +
      certificateNote(profile, permit) +
      traceNote(trace, fields.untraced);
    // Written before anything leaves.
    const result = UNFINISHED;
    const event = book.write({ import: called, effect: "allowed", target: permit.label, clause, result });
    if (event === undefined) return stopOf(this.#context);
    if (body instanceof Upload) {
      const ours = [...(injection === undefined ? [] : [injection.header]), ...(trace?.names ?? [])];
      body.judge = (given) => requestTrailers(given, ours, permit.requestHeaders);
    }
    return this.#exchange(withQuery(permit, profile), args, fields.headers, body, profile, event, trace);
  }

  async #exchange(
    permit: Permit,
    {
      beginBytes = 0,
      connectTimeoutMs,
      firstByteTimeoutMs,
      betweenBytesTimeoutMs: idleTimeoutMs,
    }: z.infer<typeof sendArgs>,
    headers: readonly (readonly [string, string])[],
    body: RequestBody,
    profile: SecretProfile | undefined,
    event: EventDraft,
    trace: RequestTrace | undefined,
  ): Promise<HostReply> {
    const { book, egress, open, pool } = this.#context;
    const fail = (error: unknown) => this.#fail(event, error);
    this.#waiting += 1;
    try {
      const response = await egress.send({
        permit,
        headers,
        body,
        open: profile === undefined ? open : [...open, ...profile.open],
        ...tlsOf(profile, permit),
        signal: book.signal,
        // What is read ahead of the guest may be what spends the budget: then no read of its finds that out.
        onSpent: () => void fail(new EgressSpent("Egress budget is spent")),
        blocks: this.#blocks,
        meter: meterOf(this.#context, event),
        ...(pool === undefined ? {} : { pool }),
        mayResend: async () => {
          const allowed = (await this.#context.mayResend?.()) ?? true;
          const refused = "not sent again on a fresh one: retry_budget has none left";
          event.clause += `; its connection was dead: ${allowed ? "sent again on a fresh one" : refused}`;
          return allowed;
        },
        ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
        ...(firstByteTimeoutMs === undefined ? {} : { firstByteTimeoutMs }),
        ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
      });
      // What came behind the head may have spent the budget by now.
      if (event.effect !== "failed") event.result = `${response.status}${lengthNote(response)}`;
      const coding = response.headers.find(([name]) => name.toLowerCase() === "content-encoding")?.[1];
      // Compressed, a secret has no spelling that could be looked for.
      if (this.#context.echo.isActive() && coding !== undefined && coding !== "identity")
        event.result += "; not searched for secrets: it is compressed";
      const visible = (fields: readonly Header[]) =>
        this.#withoutEcho(event, responseHeaders(fields, trace?.names ?? [], permit.responseHeaders));
      const { echo } = this.#context;
      const from = echo.isActive()
        ? new SearchedBody(response, echo.stream(), () => this.#noteEcho(event))
        : response;
      const upload = body instanceof Upload ? body : undefined;
      const value: HttpSendValue = {
        status: response.status,
        headers: visible(response.headers),
        body: this.bodies.add(new GuestBody(response, from, visible, upload), fail),
      };
      if (beginBytes < 1 || echo.isActive() || !response.buffered) return { kind: "ok", value: { ...value } };
      // A short body comes in one piece with its head: it costs the guest no second question.
      const first = await this.bodies.read(value.body, Math.min(beginBytes, MAX_READ));
      if (first.kind !== "ok") return { kind: "ok", value: { ...value } };
      return { ...first, value: { ...value, ...Object(first.value) } };
    } catch (error) {
      return { kind: "error", error: { ...fail(error) } };
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Fields without those that hold a secret, in whatever spelling. */
  #withoutEcho(event: EventDraft, fields: readonly (readonly [string, string])[]) {
    const { echo } = this.#context;
    if (!echo.isActive()) return fields;
    return fields.filter(([, value]) => {
      const { found } = echo.text(value);
      if (found) this.#noteEcho(event);
      return !found;
    });
  }

  #noteEcho(event: EventDraft): void {
    if (event.result?.includes("secret echoed") !== true) event.result += "; secret echoed, redacted";
    this.#context.found();
  }

  /** Whether the secret goes along: only to exactly an origin of its audience. */
  #audience({ target }: Permit): SecretProfile | undefined {
    return this.#profile?.audience.some(
      ({ scheme, host, port }) => scheme === target.scheme && host === target.host && port === target.port,
    )
      ? this.#profile
      : undefined;
  }

  #deny(called: string, target: string, clause: string, word: ErrorCode): HostReply {
    this.#context.book.write({ import: called, effect: "denied", target, clause, result: word.tag });
    return { kind: "error", error: { ...word } };
  }

  #fail(event: EventDraft, error: unknown): ErrorCode {
    const { book } = this.#context;
    const word = wordOf(error);
    const prohibited = word.tag === "destination-IP-prohibited";
    event.effect = prohibited ? "denied" : "failed";
    // When the run itself is exhausted, the connection was cut for that, whatever the socket said then.
    event.result = book.exhausted ? "exhausted" : word.tag;
    if (!prohibited) return word;
    const lacks = barrierClause(error);
    if (lacks !== undefined) event.clause = `${lacks}; permitted by ${event.clause}`;
    book.noteDenial(event);
    return word;
  }
}

/** @returns the block that the operator would have to open as well: a rule for an address that is not public is not enough */
function closedBlock(address: string | undefined, open: RunContext["open"]): string | undefined {
  const verdict = address === undefined ? undefined : checkAddress(address, open);
  return verdict?.allowed === false ? verdict.block : undefined;
}

/** The query with the secret in it, and without what the guest called the same. */
function queryWith(query: string, name: string, secret: string): string {
  const kept = query
    .slice(1)
    .split("&")
    .filter((pair) => pair !== "" && decoded(pair.split("=", 1)[0] ?? "") !== name);
  return `?${[...kept, `${encodeURIComponent(name)}=${encodeURIComponent(secret)}`].join("&")}`;
}

function withQuery(permit: Permit, profile: SecretProfile | undefined): Permit {
  if (profile?.query === undefined) return permit;
  const { target } = permit;
  return {
    ...permit,
    target: { ...target, query: queryWith(target.query, profile.query, profile.secret.reveal()) },
  };
}

/** A name as a server would read it; what cannot be read is left as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}

/** The profile's TLS, which is for https only. */
function tlsOf(profile: SecretProfile | undefined, { target }: Permit): { readonly tls?: TlsOptions } {
  if (profile?.tls === undefined || target.scheme !== "https") return {};
  const { client, ...trust } = profile.tls;
  if (client === undefined) return { tls: trust };
  return { tls: { ...trust, client: { certificate: client.certificate, key: client.key.reveal() } } };
}

/** What the event says of an answer that anybody between could have cut short: nothing announced its end. */
function lengthNote({ unannounced }: EgressResponse): string {
  return unannounced ? "; of no announced length: it ends where its connection did" : "";
}

/** What the event says about a certificate that the server may ask for. */
function certificateNote(profile: SecretProfile | undefined, { target }: Permit): string {
  return profile?.tls?.client === undefined || target.scheme !== "https"
    ? ""
    : `; client certificate of ${profile.name}`;
}

/** What the event says about a secret that went along: which profile and field, never the value. */
function injectionNote(profile: SecretProfile | undefined, replaced: boolean): string {
  if (profile === undefined) return "";
  const where = profile.query === undefined ? profile.header : `query ${profile.query}`;
  if (where === "") return "";
  return `; secret_profile ${profile.name} as ${where}${replaced ? ", in place of the guest's" : ""}`;
}

/** What the event says about the trace: the span that went along, and whether the guest named one that did not. */
function traceNote(trace: RequestTrace | undefined, untraced: boolean): string {
  const sent = trace === undefined ? "" : `; trace_context of span ${trace.spanId}`;
  return untraced ? `${sent}; the guest's own trace context not sent` : sent;
}
