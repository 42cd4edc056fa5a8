/** Request and response bodies of `wasi:http/types`. */

import { concatBytes } from "../../pipe/frames.ts";
import type { GuestContext } from "../context.ts";
import { GuestError } from "../guard.ts";
import type { Fields } from "./http-fields.ts";
import { type Pollable, readyPollable } from "./poll.ts";
import { type ByteSource, CHUNK_BYTES, InputStream, OutputStream } from "./streams.ts";

/**
 * Bytes of all request bodies of one run: each is held here whole until the guest finishes it. The egress budget is
 * charged by the broker; this only keeps a guest from filling the executor before that, for which `write-zeroes`
 * alone would do: its bytes were never in guest memory, so nothing else counts them.
 */
export interface BodyAllowance {
  leftBytes: number;
}

/** What a run may hold in request bodies. */
export function createBodyAllowance(): BodyAllowance {
  return { leftBytes: 16 * 1024 * 1024 };
}

/** Resource `outgoing-body`. */
export class OutgoingBody {
  readonly #state: {
    chunks: Uint8Array[];
    length: number;
    streamTaken: boolean;
    readonly allowance: BodyAllowance;
    readonly finished: {
      readonly promise: Promise<Uint8Array>;
      readonly resolve: (body: Uint8Array) => void;
    };
  };

  constructor(allowance: BodyAllowance) {
    this.#state = {
      chunks: [],
      length: 0,
      streamTaken: false,
      allowance,
      finished: Promise.withResolvers<Uint8Array>(),
    };
  }

  write(): OutputStream {
    const state = this.#state;
    if (state.streamTaken) throw new GuestError(undefined);
    state.streamTaken = true;
    return new OutputStream({
      room: () => Math.min(CHUNK_BYTES, state.allowance.leftBytes),
      write(bytes) {
        // A copy: the glue hands out views of guest memory in places, and the guest goes on running.
        state.chunks.push(bytes.slice());
        state.length += bytes.length;
        state.allowance.leftBytes -= bytes.length;
      },
      flush: () => Promise.resolve(),
    });
  }

  static finish(body: OutgoingBody, trailers: Fields | undefined): void {
    const state = body.#state;
    // Trailers are refused aloud rather than dropped in silence.
    if (trailers !== undefined && trailers.entries().length > 0) {
      throw new GuestError({ tag: "HTTP-request-trailer-section-size", val: 0 });
    }
    state.finished.resolve(concatBytes(state.chunks, state.length));
    state.chunks = [];
  }

  /** Resolves with the whole body once the guest has finished it. */
  static whole(body: OutgoingBody): Promise<Uint8Array> {
    return body.#state.finished.promise;
  }
}

/** Resource `incoming-body`. */
export class IncomingBody {
  readonly #state: { readonly source: ByteSource; streamTaken: boolean };

  constructor(source: ByteSource) {
    this.#state = { source, streamTaken: false };
  }

  stream(): InputStream {
    const state = this.#state;
    if (state.streamTaken) throw new GuestError(undefined);
    state.streamTaken = true;
    return new InputStream(state.source);
  }

  static finish(body: IncomingBody): FutureTrailers {
    // Reading the field is the brand check.
    body.#state.streamTaken = true;
    body[Symbol.dispose]();
    return new FutureTrailers();
  }

  /** The guest dropped it: the connection behind it is of no more use. */
  [Symbol.dispose](): void {
    this.#state.source.close?.();
  }
}

/** Resource `future-trailers`: the broker passes no trailers on, so there are none, at once. */
export class FutureTrailers {
  readonly #state = { taken: false };

  subscribe(): Pollable {
    void this.#state.taken;
    return readyPollable();
  }

  get(): unknown {
    if (this.#state.taken) return { tag: "err" };
    this.#state.taken = true;
    return { tag: "ok", val: { tag: "ok", val: undefined } };
  }
}

/** The body of a response, pulled from the broker piece by piece. */
export function brokerSource(context: GuestContext, handle: number): ByteSource {
  let closed = false;
  return {
    async read(limit) {
      if (closed) return undefined;
      const { value, body } = await context.call("http-client/read", { handle, maxBytes: limit });
      if (body.length > 0) return body;
      const ended = typeof value === "object" && value !== null && "end" in value && value.end === true;
      if (!ended) throw new TypeError("The broker sent neither bytes nor an end");
      return undefined;
    },
    close() {
      // Once: to the broker, a second use of the handle is a forgery.
      if (!closed) context.send("http-client/close", { handle });
      closed = true;
    },
  };
}
