/** Request and response bodies of `wasi:http/types`. */

import { joinBytes } from "../../../core/bytes.ts";
import { GuestError } from "../guard.ts";
import { type Fields, toLatin1 } from "./http-fields.ts";
import { type Pollable, readyPollable } from "./poll.ts";
import { type ByteSource, CHUNK_BYTES, InputStream, IoError, OutputStream } from "./streams.ts";

/**
 * Bytes of request bodies that one run may hold here, because no request has begun to send them: `write-zeroes` alone
 * would fill this process otherwise, for its bytes were never in guest memory and nothing else counts them.
 */
export interface BodyAllowance {
  leftBytes: number;
}

/** What a run may hold in request bodies. */
export function createBodyAllowance(): BodyAllowance {
  return { leftBytes: 16 * 1024 * 1024 };
}

/** Fields behind a body, as they cross the pipe: one character for each byte. */
export type TrailerTexts = readonly (readonly [string, string])[];

/** Takes the pieces of a body. */
export interface BodyPipe {
  /** Charges a write, or the end, for the piece that it would be by itself. */
  charge(): void;
  /** Sends a piece, whose writes were charged. Resolves when it was taken; rejects when the request is over. */
  push(bytes: Uint8Array, end: boolean, trailers?: TrailerTexts): Promise<void>;
  /** The body will never be whole. */
  abort(): void;
}

/** How a body's beginning leaves: all of it, or its first bytes and a pipe for the rest. */
export type BodyStart =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "stream"; readonly bytes: Uint8Array; readonly connect: (pipe: BodyPipe) => void }
  | { readonly kind: "aborted" };

/** A body that is longer than this when it is not finished leaves in pieces. */
const STREAM_AFTER_BYTES = CHUNK_BYTES;

/**
 * Resource `outgoing-body`. What is written before its request is handled is held; afterwards, a body that is finished
 * soon leaves whole, with its length, and a longer or slower one in pieces, one at a time. What is written while one is
 * under way leaves together behind it: guests write 4 KiB at once, and each piece takes a question and an answer. A write is
 * charged for itself all the same, since what leaves together is a matter of time.
 */
export class OutgoingBody {
  readonly #state: {
    held: Uint8Array[];
    heldBytes: number;
    /** Whether a byte was written. */
    written: boolean;
    streamTaken: boolean;
    finished: boolean;
    trailers: TrailerTexts;
    aborted: boolean;
    readonly allowance: BodyAllowance;
    start: ((start: BodyStart) => void) | undefined;
    /** From its beginning until its pipe is there. */
    connecting: PromiseWithResolvers<void> | undefined;
    pipe: BodyPipe | undefined;
    /** The piece under way; its end comes behind all that was written. */
    pushing: Promise<void> | undefined;
    ended: boolean;
    failure: GuestError | undefined;
  };

  constructor(allowance: BodyAllowance) {
    this.#state = {
      held: [],
      heldBytes: 0,
      written: false,
      streamTaken: false,
      finished: false,
      trailers: [],
      aborted: false,
      allowance,
      start: undefined,
      connecting: undefined,
      pipe: undefined,
      pushing: undefined,
      ended: false,
      failure: undefined,
    };
  }

  write(): OutputStream {
    const state = this.#state;
    if (state.streamTaken) throw new GuestError(undefined);
    state.streamTaken = true;
    return new OutputStream({
      room() {
        if (state.failure !== undefined) throw state.failure;
        return state.pipe === undefined
          ? Math.min(CHUNK_BYTES, state.allowance.leftBytes)
          : Math.max(0, CHUNK_BYTES - state.heldBytes);
      },
      // A copy: the guest goes on running, and writes over what it gave.
      write: (bytes) => this.#take(bytes.slice()),
      taken: () => state.connecting?.promise ?? (state.heldBytes < CHUNK_BYTES ? undefined : state.pushing),
      async flush() {
        await state.connecting?.promise;
        while (state.pushing !== undefined) await state.pushing;
        if (state.failure !== undefined) throw state.failure;
      },
    });
  }

  static finish(body: OutgoingBody, trailers: Fields | undefined): void {
    const state = body.#state;
    const fields = trailers?.entries() ?? [];
    // They stand behind the last chunk, and a body without a byte has none: refused aloud rather than dropped in silence.
    if (fields.length > 0 && !state.written) {
      OutgoingBody.abort(body);
      throw new GuestError({ tag: "HTTP-request-trailer-section-size", val: 0 });
    }
    state.finished = true;
    state.trailers = fields.map(([name, value]) => [name, toLatin1(value)]);
    if (state.pipe === undefined) body.#begin(body.#finishedKind());
    else body.#pushPaid(state.pipe);
  }

  /** Says how the body leaves once that is known; `soon` decides for a body that is slow. */
  static start(body: OutgoingBody, soon: Promise<void>): Promise<BodyStart> {
    const state = body.#state;
    const { promise, resolve } = Promise.withResolvers<BodyStart>();
    state.start = resolve;
    if (state.finished) body.#begin(body.#finishedKind());
    else if (state.heldBytes > STREAM_AFTER_BYTES) body.#begin("stream");
    else void soon.then(() => body.#begin("stream"));
    return promise;
  }

  /** Its request cannot be made any more. */
  static abort(body: OutgoingBody): void {
    const state = body.#state;
    state.finished = true;
    state.aborted = true;
    state.pipe?.abort();
    state.start?.({ kind: "aborted" });
    state.start = undefined;
  }

  /** Dropped without being finished: half of a body must not be taken for all of it. */
  [Symbol.dispose](): void {
    if (!this.#state.finished) OutgoingBody.abort(this);
  }

  /** Behind a body whose length was said, there is no place for trailers. */
  #finishedKind(): "whole" | "stream" {
    return this.#state.trailers.length === 0 ? "whole" : "stream";
  }

  #take(bytes: Uint8Array): void {
    const state = this.#state;
    state.written ||= bytes.length > 0;
    state.held.push(bytes);
    state.heldBytes += bytes.length;
    if (state.pipe !== undefined) {
      this.#pushPaid(state.pipe);
      return;
    }
    state.allowance.leftBytes -= bytes.length;
    if (state.heldBytes > STREAM_AFTER_BYTES) this.#begin("stream");
  }

  #takeHeld(): Uint8Array {
    const state = this.#state;
    const bytes = joinBytes(state.held, state.heldBytes);
    state.held = [];
    state.heldBytes = 0;
    return bytes;
  }

  #begin(kind: "whole" | "stream"): void {
    const state = this.#state;
    const { start } = state;
    if (start === undefined) return;
    state.start = undefined;
    state.allowance.leftBytes += state.heldBytes;
    const bytes = this.#takeHeld();
    if (kind === "whole") start({ kind, bytes });
    else {
      state.connecting = Promise.withResolvers();
      start({ kind, bytes, connect: (pipe) => this.#connect(pipe) });
    }
  }

  /** What was written, finished or given up between the beginning and now is made good. */
  #connect(pipe: BodyPipe): void {
    const state = this.#state;
    state.pipe = pipe;
    state.connecting?.resolve();
    state.connecting = undefined;
    state.allowance.leftBytes += state.heldBytes;
    if (state.aborted) pipe.abort();
    else if (state.heldBytes > 0 || state.finished) this.#pushPaid(pipe);
  }

  /** What can not be paid for does not leave. Its guest is stopped, and traps as soon as it would go on. */
  #pushPaid(pipe: BodyPipe): void {
    try {
      pipe.charge();
    } catch (error) {
      this.#fail(error);
    }
    this.#pushNext();
  }

  /** Sends all that was written, and the end behind it, unless a piece is under way: then that is done behind it. */
  #pushNext(): void {
    const state = this.#state;
    const { pipe, trailers, finished } = state;
    const isOver = state.failure !== undefined || state.aborted || state.ended;
    if (pipe === undefined || state.pushing !== undefined || isOver) return;
    if (state.heldBytes === 0 && !finished) return;
    const bytes = this.#takeHeld();
    state.ended = finished;
    state.pushing = (finished ? pipe.push(bytes, true, trailers) : pipe.push(bytes, false))
      .catch((error: unknown) => this.#fail(error))
      .then(() => {
        state.pushing = undefined;
        this.#pushNext();
      });
  }

  #fail(error: unknown): void {
    const payload = error instanceof GuestError ? error.payload : undefined;
    this.#takeHeld();
    this.#state.failure = new GuestError({
      tag: "last-operation-failed",
      val: new IoError("Cannot write the body: its request is over", payload),
    });
  }
}

/** Where a response's body comes from; `trailers` is there once its end was seen. */
export interface BodySource extends ByteSource {
  readonly trailers: Fields | undefined;
}

/** Resource `incoming-body`. */
export class IncomingBody {
  readonly #state: { readonly source: BodySource; streamTaken: boolean };

  constructor(source: BodySource) {
    this.#state = { source, streamTaken: false };
  }

  stream(): InputStream {
    const state = this.#state;
    if (state.streamTaken) throw new GuestError(undefined);
    state.streamTaken = true;
    return new InputStream(state.source);
  }

  static finish(body: IncomingBody): FutureTrailers {
    const { source } = body.#state;
    body[Symbol.dispose]();
    return new FutureTrailers(source.trailers);
  }

  /** The guest dropped it: the connection behind it is of no more use. */
  [Symbol.dispose](): void {
    this.#state.source.close?.();
  }
}

/** Resource `future-trailers`: known at once, since they come with the body's end; none when that was not read. */
export class FutureTrailers {
  readonly #state: { readonly trailers: Fields | undefined; taken: boolean };

  constructor(trailers: Fields | undefined) {
    this.#state = { trailers, taken: false };
  }

  subscribe(): Pollable {
    void this.#state.taken;
    return readyPollable();
  }

  get(): unknown {
    const state = this.#state;
    if (state.taken) return { tag: "err" };
    state.taken = true;
    return { tag: "ok", val: { tag: "ok", val: state.trailers } };
  }
}
