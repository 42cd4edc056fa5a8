/**
 * `http-client`: outgoing requests of `wasi:http/outgoing-handler`, through egress and nothing else.
 *
 * One event per request, written before anything leaves and completed as bytes flow: method and place, the rule
 * that decided, bytes both ways, status. Never the query, headers, bodies, or the secret.
 */
import { z } from "zod";
import type { HostReply, HttpReadValue, HttpSendValue } from "../ports/index.ts";
import type { EventDraft } from "./book.ts";
import { type Capability, grantOf, OK, ProtocolViolation, parseArgs, type RunContext } from "./capability.ts";
import {
  type EgressResponse,
  EgressSpent,
  type ErrorCode,
  type Injection,
  type Meter,
  type Permit,
  permitRequest,
  requestHeaders,
  responseHeaders,
  wordOf,
} from "./egress/index.ts";
import type { SecretProfile } from "./profiles.ts";

const IMPORT = "wasi:http/outgoing-handler#handle";

/** Requests of one run under way at once, bodies that are not read to their end included. */
const MAX_CONCURRENT = 8;

/** Most bytes of one read. */
const MAX_READ = 64 * 1024;

const milliseconds = z.number().nonnegative().optional();
const sendArgs = z.strictObject({
  method: z.string(),
  scheme: z.string(),
  authority: z.string(),
  pathWithQuery: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  connectTimeoutMs: milliseconds,
  firstByteTimeoutMs: milliseconds,
});
const readArgs = z.strictObject({ handle: z.int(), maxBytes: z.int().min(1) });
const closeArgs = z.strictObject({ handle: z.int() });

/** A response body that a guest holds a handle to. */
interface Body {
  readonly response: EgressResponse;
  readonly event: EventDraft;
  /** Set when nothing more will come: the end was seen, or the error that every later read repeats. */
  ended?: { readonly error?: ErrorCode };
  /** The read under way; reads of one body are served one after the other. */
  last: Promise<unknown>;
}

/** Makes the capability live for one run. */
export function createHttpClient(context: RunContext): Capability {
  const client = new HttpClient(context);
  return {
    calls: {
      "http-client/send": (args, body) => client.send(parseArgs(sendArgs, args), body),
      "http-client/read": (args) => {
        const { handle, maxBytes } = parseArgs(readArgs, args);
        return client.read(handle, Math.min(maxBytes, MAX_READ));
      },
      "http-client/close": (args) => client.close(parseArgs(closeArgs, args).handle),
    },
  };
}

class HttpClient {
  readonly #context: RunContext;
  readonly #profile: SecretProfile | undefined;
  readonly #bodies = new Map<number, Body>();
  #nextHandle = 1;
  #underWay = 0;

  constructor(context: RunContext) {
    this.#context = context;
    const name = grantOf(context.grants, "http-client")?.secretProfile;
    this.#profile = name === undefined ? undefined : context.profile(name);
  }

  async send(args: z.infer<typeof sendArgs>, body: Uint8Array): Promise<HostReply> {
    const { book, grants } = this.#context;
    const permit = permitRequest(grantOf(grants, "http-client")?.rules ?? [], args);
    if (permit.kind === "denied") return this.#deny(permit.label, permit.clause, permit.word);
    const profile = this.#audience(permit);
    const fields = requestHeaders(args.headers, profile && injectionOf(profile));
    if (fields.kind === "invalid") {
      return this.#deny(permit.label, "headers: not header fields", { tag: "HTTP-protocol-error" });
    }
    if (fields.kind === "too-large") {
      return this.#deny(permit.label, "headers: too large", { tag: "HTTP-request-header-section-size" });
    }
    if (this.#underWay >= MAX_CONCURRENT) {
      const result = "connection-limit-reached";
      book.write({ import: IMPORT, effect: "failed", target: permit.label, clause: permit.clause, result });
      return { kind: "error", error: { tag: result } };
    }
    if (book.charge("requests", 1) < 1) return stopOf(this.#context);
    const clause = permit.clause + injectionNote(profile, fields.replaced);
    const event = book.write({ import: IMPORT, effect: "allowed", target: permit.label, clause });
    if (event === undefined) return stopOf(this.#context);
    return this.#exchange(permit, args, fields.headers, body, profile, event);
  }

  async #exchange(
    permit: Permit,
    { connectTimeoutMs, firstByteTimeoutMs }: z.infer<typeof sendArgs>,
    headers: readonly (readonly [string, string])[],
    body: Uint8Array,
    profile: SecretProfile | undefined,
    event: EventDraft,
  ): Promise<HostReply> {
    const { book, egress, open } = this.#context;
    this.#underWay += 1;
    try {
      const response = await egress.send({
        permit,
        headers,
        body,
        open: profile === undefined ? open : [...open, ...profile.open],
        signal: book.signal,
        meter: meterOf(this.#context, event),
        ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
        ...(firstByteTimeoutMs === undefined ? {} : { firstByteTimeoutMs }),
      });
      event.result = String(response.status);
      const handle = this.#nextHandle;
      this.#nextHandle += 1;
      this.#bodies.set(handle, { response, event, last: Promise.resolve() });
      const secrets = this.#profile === undefined ? [] : [this.#profile.secret.reveal()];
      const value: HttpSendValue = {
        status: response.status,
        headers: responseHeaders(response.headers, secrets),
        body: handle,
      };
      return { kind: "ok", value: { ...value } };
    } catch (error) {
      this.#underWay -= 1;
      return { kind: "error", error: { ...this.#fail(event, error) } };
    }
  }

  read(handle: number, maxBytes: number): Promise<HostReply> {
    const body = this.#body(handle);
    const reply = body.last.then(() => this.#readNext(body, maxBytes));
    body.last = reply.catch(() => {});
    return reply;
  }

  close(handle: number): HostReply {
    const body = this.#body(handle);
    this.#end(body, {});
    this.#bodies.delete(handle);
    return OK;
  }

  async #readNext(body: Body, maxBytes: number): Promise<HostReply> {
    if (body.ended === undefined) {
      try {
        const bytes = await body.response.read(maxBytes);
        if (bytes !== undefined) {
          const value: HttpReadValue = { end: false };
          return { kind: "ok", value: { ...value }, body: bytes };
        }
        this.#end(body, {});
      } catch (error) {
        this.#end(body, { error: this.#fail(body.event, error) });
      }
    }
    const error = body.ended?.error;
    return error === undefined
      ? { kind: "ok", value: { end: true } }
      : { kind: "error", error: { ...error } };
  }

  /** Handles are this run's own integers: one that was never given, or was closed, is a forgery. */
  #body(handle: number): Body {
    const body = this.#bodies.get(handle);
    if (body === undefined)
      throw new ProtocolViolation(`Cannot use body ${handle}: this run holds no such handle`);
    return body;
  }

  #end(body: Body, ended: NonNullable<Body["ended"]>): void {
    if (body.ended !== undefined) return;
    body.ended = ended;
    body.response.close();
    this.#underWay -= 1;
  }

  /** Whether the secret goes along: only to exactly an origin of its audience. */
  #audience({ target }: Permit): SecretProfile | undefined {
    return this.#profile?.audience.some(
      ({ scheme, host, port }) => scheme === target.scheme && host === target.host && port === target.port,
    )
      ? this.#profile
      : undefined;
  }

  #deny(target: string, clause: string, word: ErrorCode): HostReply {
    this.#context.book.write({ import: IMPORT, effect: "denied", target, clause, result: word.tag });
    return { kind: "error", error: { ...word } };
  }

  #fail(event: EventDraft, error: unknown): ErrorCode {
    const word = wordOf(error);
    const prohibited = word.tag === "destination-IP-prohibited";
    event.effect = prohibited ? "denied" : "failed";
    event.result = error instanceof EgressSpent ? "exhausted" : word.tag;
    if (prohibited) this.#context.book.noteDenial(event);
    return word;
  }
}

function meterOf({ book }: RunContext, event: EventDraft): Meter {
  // Events count what was charged: their sum is the budget's use, to the byte. What arrived beyond the budget
  // (one pull of the socket at most) was never parsed and reached nobody.
  return {
    sent(bytes: number): boolean {
      if (book.stopped !== undefined) return false;
      // All or nothing: a request that the budget does not cover is not sent, so nothing of it is charged.
      if (book.left("egress_bytes") < bytes) {
        book.stop({ kind: "exhausted", budget: "egress_bytes" });
        return false;
      }
      event.bytes_out = (event.bytes_out ?? 0) + book.charge("egress_bytes", bytes);
      return true;
    },
    received(bytes: number): boolean {
      if (book.stopped !== undefined) return false;
      const charged = book.charge("egress_bytes", bytes);
      event.bytes_in = (event.bytes_in ?? 0) + charged;
      return charged === bytes;
    },
  };
}

/** The reply of a run that has just been stopped; `serve` gives the same to every later call. */
function stopOf({ book }: RunContext): HostReply {
  return book.stopped ?? book.stop({ kind: "revoked", reason: "closed" });
}

function injectionOf({ header, template, secret }: SecretProfile): Injection {
  return { header, value: template.replaceAll("{secret}", () => secret.reveal()) };
}

/** What the event says about a secret that went along: which profile and field, never the value. */
function injectionNote(profile: SecretProfile | undefined, replaced: boolean): string {
  if (profile === undefined) return "";
  return `; secret_profile ${profile.name} as ${profile.header}${replaced ? ", in place of the guest's" : ""}`;
}
