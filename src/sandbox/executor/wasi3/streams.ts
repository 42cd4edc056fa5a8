/**
 * Streams and futures of WASI 0.3 with the host at one end. Whatever happens to them happens when no code of the
 * guest's runs, or within its own call.
 */
import { GuestError } from "../guard.ts";
import {
  COPY,
  type HostWork,
  type OnCopy,
  type OnDone,
  type Readable,
  type Values,
  type WritableBuffer,
} from "../linker/index.ts";
import { CHUNK_BYTES } from "../wasi/streams.ts";

/** Where a stream's values come from; bytes where it is one of bytes. */
export interface Source {
  /** @returns 1 to `limit` values or more, or `undefined` at the end; rejects with the interface's error when it breaks */
  read(limit: number): Promise<Uint8Array | readonly unknown[] | undefined>;
  /** Nothing more will be read. */
  close?(): void;
}

/** A stream that the guest reads, and the host fetches when it does. */
export class HostStream implements Readable {
  readonly #work: HostWork;
  readonly #source: Source;
  readonly #atEnd: (failure: GuestError | undefined) => void;
  #buffered: Uint8Array | readonly unknown[] = [];
  #reader: { readonly into: WritableBuffer; readonly onDone: OnDone } | undefined;
  #isAsking = false;
  #isOver = false;

  /** @param atEnd told once, when the source ends or fails, or the guest wants no more of it */
  constructor(work: HostWork, source: Source, atEnd: (failure: GuestError | undefined) => void) {
    this.#work = work;
    this.#source = source;
    this.#atEnd = atEnd;
  }

  read(_instance: unknown, into: WritableBuffer, _onCopy: OnCopy, onDone: OnDone): void {
    this.#reader = { into, onDone };
    this.#serve();
  }

  cancel(): void {
    this.#answer(COPY.cancelled);
  }

  drop(): void {
    if (this.#isOver) return;
    this.#source.close?.();
    this.#end(undefined);
  }

  #serve(): void {
    if (this.#reader === undefined) return;
    const { into } = this.#reader;
    if (this.#buffered.length > 0) {
      const taken = part(this.#buffered, 0, into.remain);
      this.#buffered = part(this.#buffered, taken.length);
      // None where the guest only asks whether there is something.
      if (taken.length > 0) into.write(taken);
      this.#answer(COPY.completed);
    } else if (this.#isOver) this.#answer(COPY.dropped);
    else if (!this.#isAsking) this.#ask();
  }

  #ask(): void {
    this.#isAsking = true;
    this.#work.underWay(
      this.#source.read(CHUNK_BYTES),
      (values) => {
        this.#isAsking = false;
        if (values === undefined) this.#end(undefined);
        else this.#buffered = values;
        this.#serve();
      },
      (error) => {
        this.#isAsking = false;
        this.#end(ownError(error));
        this.#serve();
      },
    );
  }

  #end(failure: GuestError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#atEnd(failure);
  }

  #answer(result: Parameters<OnDone>[0]): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.onDone(result);
  }
}

function part(values: Uint8Array | readonly unknown[], from: number, to?: number) {
  return values instanceof Uint8Array ? values.subarray(from, to) : values.slice(from, to);
}

/** A value that the guest reads once the host has it. */
export class HostFuture implements Readable {
  #settled: { readonly value: unknown } | undefined;
  #reader: { readonly into: WritableBuffer; readonly onDone: OnDone } | undefined;

  /** Gives the value; later ones change nothing. */
  settle(value: unknown): void {
    this.#settled ??= { value };
    this.#serve();
  }

  read(_instance: unknown, into: WritableBuffer, _onCopy: OnCopy, onDone: OnDone): void {
    this.#reader = { into, onDone };
    this.#serve();
  }

  cancel(): void {
    this.#answer(COPY.cancelled);
  }

  /** Nobody wants to know. */
  drop(): void {
    this.#reader = undefined;
  }

  #serve(): void {
    if (this.#settled === undefined || this.#reader === undefined) return;
    this.#reader.into.write([this.#settled.value]);
    this.#answer(COPY.completed);
  }

  #answer(result: Parameters<OnDone>[0]): void {
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.onDone(result);
  }
}

/** What the host takes from a guest's stream or future at once. */
class HostBuffer implements WritableBuffer {
  readonly isZeroLength = false;
  readonly #limit: number;
  #values: ArrayLike<unknown> = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get remain(): number {
    return this.#limit - this.#values.length;
  }

  get values(): ArrayLike<unknown> {
    return this.#values;
  }

  /** Once: whoever reads into it takes it away then. */
  write(values: Values): void {
    if (typeof values !== "number") this.#values = values;
  }
}

/**
 * Takes everything out of a stream of bytes, piece by piece.
 *
 * @param take deals with a piece; the next one is asked for when it has
 * @param done told once: at the stream's end, or why a piece could not be dealt with
 */
export function drain(
  from: Readable,
  work: HostWork,
  take: (bytes: Uint8Array) => Promise<void>,
  done: (failure: GuestError | undefined) => void,
): void {
  const buffer = new HostBuffer(CHUNK_BYTES);
  const arrived = (): void => {
    const { values } = buffer;
    if (!(values instanceof Uint8Array)) throw new TypeError("A stream of bytes holds something else");
    const next = () => drain(from, work, take, done);
    work.underWay(take(values), next, (error) => {
      const failure = ownError(error);
      from.drop();
      done(failure);
    });
  };
  from.read(
    undefined,
    buffer,
    (giveUp) => {
      giveUp();
      arrived();
    },
    (result) => (result === COPY.completed && buffer.values.length > 0 ? arrived() : done(undefined)),
  );
}

/** Takes the value of a guest's future, when it has one. */
export function whenWritten(future: Readable, take: (value: unknown) => void): void {
  const buffer = new HostBuffer(1);
  future.read(
    undefined,
    buffer,
    () => undefined,
    (result) => {
      if (result === COPY.completed) take(buffer.values[0]);
    },
  );
}

/** An error of the interface's own, which the guest may be told. @throws anything else: it is the run's end */
function ownError(error: unknown): GuestError {
  if (error instanceof GuestError) return error;
  throw error;
}
