/**
 * A connection of `wasi:sockets` 0.3 from this side of the pipe: a stream in each direction. The socket and its two
 * streams hold it together, and it ends when the last of them has let go.
 */
import type { GuestContext } from "../context.ts";
import type { Readable } from "../linker/index.ts";
import { asSocketError, socketError } from "./sockets-error.ts";
import { drain, HostFuture, HostStream } from "./streams.ts";

/** One connection. */
export class Connection {
  readonly #context: GuestContext;
  readonly #handle: number;
  /** The socket at first. INVARIANT: the broker is told of the end once, and asked for nothing after it. */
  #holders = 1;
  #isReceiving = false;
  #isSending = false;

  /** @param handle the broker's */
  constructor(context: GuestContext, handle: number) {
    this.#context = context;
    this.#handle = handle;
  }

  /** Gives what comes in. Once: of a second time there is nothing, and that is said. */
  receive(): readonly [HostStream, HostFuture] {
    if (this.#isReceiving) return nothing(this.#context);
    this.#isReceiving = true;
    this.#holders += 1;
    const result = new HostFuture();
    const source = {
      read: async (maxBytes: number) => {
        const args = { handle: this.#handle, maxBytes };
        const { body } = await this.#context.call("sockets/read", args).catch(failed);
        return body.length === 0 ? undefined : body;
      },
    };
    const stream = new HostStream(this.#context.work, source, (failure) => {
      this.release();
      result.settle(failure === undefined ? { tag: "ok" } : { tag: "err", val: failure.payload });
    });
    return [stream, result];
  }

  /** Takes what is to go out, to its end, which is told to the other side. Once. */
  send(data: Readable): HostFuture {
    if (this.#isSending) return refused(data);
    this.#isSending = true;
    this.#holders += 1;
    const result = new HostFuture();
    const take = async (bytes: Uint8Array) => {
      await this.#context.call("sockets/write", { handle: this.#handle }, bytes).catch(failed);
    };
    drain(data, this.#context.work, take, (failure) => {
      if (failure === undefined) this.#context.send("sockets/end", { handle: this.#handle });
      this.release();
      result.settle(failure === undefined ? { tag: "ok" } : { tag: "err", val: failure.payload });
    });
    return result;
  }

  /** One of those that hold it lets go. */
  release(): void {
    this.#holders -= 1;
    if (this.#holders === 0) this.#context.send("sockets/close", { handle: this.#handle });
  }
}

/** A stream that is at its end, because there is no connection, or another stream has it. */
export function nothing({ work }: GuestContext): readonly [HostStream, HostFuture] {
  const result = new HostFuture();
  result.settle(INVALID_STATE);
  return [new HostStream(work, { read: () => Promise.resolve(undefined) }, () => undefined), result];
}

/** What can not be sent is let go of, so that its writer is told. */
export function refused(data: Readable): HostFuture {
  data.drop();
  const result = new HostFuture();
  result.settle(INVALID_STATE);
  return result;
}

const INVALID_STATE = { tag: "err", val: socketError("invalid-state").payload };

/** @throws what was thrown, in the words of 0.3 */
function failed(error: unknown): never {
  throw asSocketError(error);
}
