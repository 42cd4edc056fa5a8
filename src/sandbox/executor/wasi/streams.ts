/**
 * `wasi:io/error` and `wasi:io/streams`: bytes in and out, over a source and a sink.
 *
 * The private fields are the brand: the first access to `#state` of anything else throws, which the guard turns into
 * a trap.
 */
import type { Binding } from "../binding.ts";
import { GuestError } from "../guard.ts";
import { Pollable } from "./poll.ts";

/** Where an input stream's bytes come from. */
export interface ByteSource {
  /**
   * @param limit bytes that are enough at once; a source that has more at hand may give more
   * @returns at least one byte, good until it is read from again, or `undefined` at the end; rejects with a message
   *   when the source breaks
   */
  read(limit: number): Promise<Uint8Array | undefined>;
  /** Nothing more will be read. */
  close?(): void;
}

/** Where an output stream's bytes go. */
export interface ByteSink {
  /** Bytes that may be written now. */
  room(): number;
  write(bytes: Uint8Array): void;
  /**
   * What whoever waits for its write waits for; undefined = nothing. Default: `flush`. A failure that is known later is told
   * by whatever is done next.
   */
  taken?(): Promise<void> | undefined;
  /** Resolves when everything written has been taken over. */
  flush(): Promise<void>;
}

/** Bytes moved by one read or write at most: what the specification lets a host choose. */
export const CHUNK_BYTES = 64 * 1024;

/** One for all: each stream that is read to its end gives it, and a trace of the stack costs as much as a small read. */
const CLOSED = new GuestError({ tag: "closed" });

/** Resource `error` of `wasi:io/error`; carries what `http-error-code` may want to know. */
export class IoError {
  readonly #detail: { readonly message: string; readonly payload?: unknown };

  constructor(message: string, payload?: unknown) {
    this.#detail = { message, payload };
  }

  toDebugString(): string {
    return this.#detail.message;
  }

  /** The interface's own error beneath, if there is one. */
  static payloadOf(error: IoError): unknown {
    return error.#detail.payload;
  }
}

/** Resource `input-stream`. */
export class InputStream {
  readonly #state: {
    readonly source: ByteSource;
    buffered: Uint8Array;
    ended: boolean;
    failure: GuestError | undefined;
    filling: Promise<void> | undefined;
  };

  constructor(source: ByteSource) {
    this.#state = {
      source,
      buffered: new Uint8Array(0),
      ended: false,
      failure: undefined,
      filling: undefined,
    };
  }

  read(length: bigint): Uint8Array | GuestError {
    if (this.#state.buffered.length === 0) {
      const end = this.#end();
      if (end !== undefined) return end;
      // Begin to fetch, so that a guest that polls by reading makes progress too.
      void this.#fill();
    }
    return this.#take(length);
  }

  /** Answers at once where it can: to suspend the guest costs more than to hand it what is here. */
  blockingRead(length: bigint): Uint8Array | GuestError | Promise<Uint8Array | GuestError> {
    const { buffered } = this.#state;
    if (length === 0n || buffered.length > 0) return this.#take(length);
    return (
      this.#end() ??
      this.#fill().then(
        () => (this.#state.buffered.length === 0 ? this.#end() : undefined) ?? this.#take(length),
      )
    );
  }

  skip(length: bigint): bigint | GuestError {
    return lengthOf(this.read(length));
  }

  async blockingSkip(length: bigint): Promise<bigint | GuestError> {
    return lengthOf(await this.blockingRead(length));
  }

  subscribe(): Pollable {
    const state = this.#state;
    const isReady = () => state.buffered.length > 0 || state.ended;
    if (!isReady()) void this.#fill();
    // As the stream is whenever it is asked, and not as it once was: wasi-libc keeps one for the life of a socket.
    return new Pollable({ isReady, whenReady: () => this.#fill() });
  }

  #take(length: bigint): Uint8Array {
    const state = this.#state;
    const count = Math.min(
      state.buffered.length,
      CHUNK_BYTES,
      length > BigInt(CHUNK_BYTES) ? CHUNK_BYTES : Number(length),
    );
    const taken = state.buffered.subarray(0, count);
    state.buffered = state.buffered.subarray(count);
    return taken;
  }

  #fill(): Promise<void> {
    const state = this.#state;
    if (state.buffered.length > 0 || state.ended) return Promise.resolve();
    state.filling ??= state.source.read(CHUNK_BYTES).then(
      (bytes) => {
        state.filling = undefined;
        if (bytes === undefined) state.ended = true;
        else state.buffered = bytes;
      },
      (error: unknown) => {
        state.filling = undefined;
        state.ended = true;
        const payload = error instanceof GuestError ? error.payload : undefined;
        state.failure = new GuestError({
          tag: "last-operation-failed",
          val: new IoError("Cannot read the stream: its source failed", payload),
        });
      },
    );
    return state.filling;
  }

  /** What whoever reads is told once there is nothing more: of a failure once, and after that of the end. */
  #end(): GuestError | undefined {
    const { failure, ended } = this.#state;
    if (!ended) return undefined;
    this.#state.failure = undefined;
    return failure ?? CLOSED;
  }
}

/** Resource `output-stream`. */
export class OutputStream {
  readonly #sink: ByteSink;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  checkWrite(): bigint {
    return BigInt(Math.min(this.#sink.room(), CHUNK_BYTES));
  }

  write(bytes: Uint8Array): void {
    // The specification: writing more than check-write allowed is a trap.
    if (bytes.length > this.#sink.room()) throw new TypeError("Cannot write more than check-write allows");
    this.#sink.write(bytes);
  }

  /** Answers at once where it can, as `blockingRead` does. */
  blockingWriteAndFlush(bytes: Uint8Array): Promise<void> | undefined {
    if (bytes.length > this.#sink.room())
      return this.#waitForRoom(bytes.length).then(() => this.#writeAndWait(bytes));
    return this.#writeAndWait(bytes);
  }

  #writeAndWait(bytes: Uint8Array): Promise<void> | undefined {
    this.write(bytes);
    const sink = this.#sink;
    return sink.taken === undefined ? sink.flush() : sink.taken();
  }

  flush(): void {
    void this.#sink.flush();
  }

  blockingFlush(): Promise<void> {
    return this.#sink.flush();
  }

  subscribe(): Pollable {
    const sink = this.#sink;
    // A sink that failed is ready to say so.
    const isReady = () => {
      try {
        return sink.room() > 0;
      } catch {
        return true;
      }
    };
    const settled = () => undefined;
    return new Pollable({ isReady, whenReady: () => sink.flush().then(settled, settled) });
  }

  writeZeroes(length: bigint): void {
    this.write(zeroes(length));
  }

  blockingWriteZeroesAndFlush(length: bigint): Promise<void> | undefined {
    return this.blockingWriteAndFlush(zeroes(length));
  }

  splice(source: InputStream, length: bigint): bigint | GuestError {
    const bytes = source.read(min(length, this.checkWrite()));
    if (bytes instanceof GuestError) return bytes;
    // A copy: a sink may keep what it is given, and a source may use its place again.
    this.write(bytes.slice());
    return BigInt(bytes.length);
  }

  async blockingSplice(source: InputStream, length: bigint): Promise<bigint | GuestError> {
    await this.#waitForRoom(1);
    const bytes = await source.blockingRead(min(length, this.checkWrite()));
    if (bytes instanceof GuestError) return bytes;
    this.write(bytes.slice());
    return BigInt(bytes.length);
  }

  /** A sink without room has writes under way. One that is full for good stays so, and the write traps. */
  async #waitForRoom(length: number): Promise<void> {
    if (length > this.#sink.room()) await this.#sink.flush();
  }
}

/** Binding of `wasi:io/error`. */
export function createIoError(): Binding {
  return { resources: { Error: IoError }, functions: {} };
}

/** Binding of `wasi:io/streams`. */
export function createStreams(): Binding {
  return { resources: { InputStream, OutputStream }, functions: {} };
}

function lengthOf(read: Uint8Array | GuestError): bigint | GuestError {
  return read instanceof GuestError ? read : BigInt(read.length);
}

function zeroes(length: bigint): Uint8Array {
  if (length > BigInt(CHUNK_BYTES)) throw new TypeError("Cannot write more than check-write allows");
  return new Uint8Array(Number(length));
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
