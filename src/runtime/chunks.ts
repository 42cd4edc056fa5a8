/** What a stream of Node's gives, chunk by chunk, with less around each than its own iterator has. */
import type { Readable } from "node:stream";

/** Chunks of one stream: for one reader, which leaves the rest in the stream while it is busy. */
export function chunksOf(stream: Readable): AsyncIterable<Uint8Array> {
  // It listens from now on: of a process that ends before anybody reads, Node lets go of the output.
  const chunks = new Chunks(stream);
  return { [Symbol.asyncIterator]: () => chunks };
}

type Result = IteratorResult<Uint8Array, undefined>;
const OVER: Result = { done: true, value: undefined };

class Chunks implements AsyncIterator<Uint8Array, undefined> {
  readonly #stream: Readable;
  /** Came while nobody waited; one as a rule, since the stream is paused then. */
  readonly #waiting: Uint8Array[] = [];
  #reader: PromiseWithResolvers<Result> | undefined;
  #failure: Error | undefined;
  #isOver = false;

  constructor(stream: Readable) {
    this.#stream = stream;
    stream.on("data", (chunk: Uint8Array) => {
      const reader = this.#reader;
      this.#reader = undefined;
      if (reader !== undefined) return reader.resolve({ done: false, value: chunk });
      this.#waiting.push(chunk);
      stream.pause();
    });
    // A stream that breaks is closed as well, and one that is destroyed does not end.
    stream.on("error", (error: Error) => {
      this.#failure ??= error;
    });
    stream.on("end", () => this.#finish());
    stream.on("close", () => this.#finish());
  }

  next(): Promise<Result> {
    const chunk = this.#waiting.shift();
    if (chunk !== undefined) return Promise.resolve({ done: false, value: chunk });
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#isOver) return Promise.resolve(OVER);
    this.#reader = Promise.withResolvers();
    if (this.#stream.isPaused()) this.#stream.resume();
    return this.#reader.promise;
  }

  /** Whoever reads has had enough: nothing is kept open for the rest. */
  return(): Promise<Result> {
    this.#stream.destroy();
    this.#waiting.length = 0;
    return Promise.resolve(OVER);
  }

  #finish(): void {
    this.#isOver = true;
    const reader = this.#reader;
    this.#reader = undefined;
    if (this.#failure === undefined) reader?.resolve(OVER);
    else reader?.reject(this.#failure);
  }
}
