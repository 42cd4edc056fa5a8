/**
 * The response bodies that one run holds handles to.
 *
 * INVARIANT: a handle is an integer of this run alone. One that was never given, or was closed, is a forgery, and
 * forging one ends the run.
 */
import type { HostReply, HttpReadValue } from "../ports/index.ts";
import { ProtocolViolation } from "./capability.ts";
import type { EgressResponse, ErrorCode } from "./egress/index.ts";

/** A response's body as its guest is to see it; its members are those of the response. */
export type VisibleBody = Pick<EgressResponse, "read" | "giveBack" | "ended" | "trailers" | "close">;

interface Body {
  /** Let go of at the end: a run may make many requests, and what they were must not be kept for it. */
  response: VisibleBody | undefined;
  /** Notes a failure of the body in its request's event, and names it for the guest. */
  readonly fail: (error: unknown) => ErrorCode;
  /** Set when nothing more will come: the end was seen, or the error that every later read repeats. */
  ended?: { readonly error?: ErrorCode };
  /** Fields behind the body, once its end was seen. */
  trailers?: [string, string][];
  /** The read under way; reads of one body are served one after the other. */
  last: Promise<unknown>;
}

/** The bodies of one run. */
export class HttpBodies {
  readonly #bodies = new Map<number, Body>();
  #nextHandle = 1;
  #open = 0;

  /** Bodies whose end was not seen yet: each holds a connection. */
  get open(): number {
    return this.#open;
  }

  /** @returns the handle for a response's body */
  add(response: VisibleBody, fail: (error: unknown) => ErrorCode): number {
    const handle = this.#nextHandle;
    this.#nextHandle += 1;
    this.#open += 1;
    this.#bodies.set(handle, { response, fail, last: Promise.resolve() });
    return handle;
  }

  /** Reads at most `maxBytes`; after the end, or a failure, answers the same for ever. */
  read(handle: number, maxBytes: number): Promise<HostReply> {
    const body = this.#held(handle);
    const reply = body.last.then(() => this.#next(body, maxBytes));
    body.last = reply.catch(() => {});
    return reply;
  }

  /** Ends the connection and forgets the handle. */
  close(handle: number): void {
    this.#end(this.#held(handle), {});
    this.#bodies.delete(handle);
  }

  async #next(body: Body, maxBytes: number): Promise<HostReply> {
    const { response } = body;
    if (response !== undefined) {
      try {
        const pieces = await response.read(maxBytes);
        if (pieces === undefined || response.ended) {
          body.trailers = response.trailers().map(([name, value]) => [name, value]);
          this.#end(body, {});
        }
        if (pieces !== undefined) {
          const done = () => response.giveBack(pieces);
          return { kind: "ok", value: readValue(body), ...bodyOf(pieces), done };
        }
      } catch (error) {
        this.#end(body, { error: body.fail(error) });
      }
    }
    const error = body.ended?.error;
    return error === undefined
      ? { kind: "ok", value: readValue(body) }
      : { kind: "error", error: { ...error } };
  }

  #held(handle: number): Body {
    const body = this.#bodies.get(handle);
    if (body !== undefined) return body;
    throw new ProtocolViolation(`Cannot use body ${handle}: this run holds no such handle`);
  }

  #end(body: Body, ended: NonNullable<Body["ended"]>): void {
    if (body.ended !== undefined) return;
    body.ended = ended;
    body.response?.close();
    body.response = undefined;
    this.#open -= 1;
  }
}

function bodyOf(pieces: readonly Uint8Array[]): Pick<HostReply & { kind: "ok" }, "body" | "pieces"> {
  const [only] = pieces;
  return only !== undefined && pieces.length === 1 ? { body: only } : { pieces };
}

function readValue({ ended, trailers = [] }: Body): { readonly end: boolean; trailers?: [string, string][] } {
  const value = { end: ended !== undefined, ...(trailers.length > 0 ? { trailers } : {}) };
  return value satisfies HttpReadValue;
}
