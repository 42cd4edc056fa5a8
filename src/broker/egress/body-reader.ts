/** Reads a response's body piece by piece, each within its time, and knows when it has given the last one. */
import { EgressFailure, EgressSpent } from "./errors.ts";
import type { ExchangeOptions } from "./exchange.ts";
import type { Header } from "./headers.ts";

/** In place of an empty view, which would keep the piece that it is a view of. */
const NO_BYTES = new Uint8Array(0);

/** A body as undici gives it. */
interface Body extends AsyncIterable<unknown> {
  /** Bytes that have arrived and were not read. */
  readonly readableLength: number;
}

interface ReaderOptions {
  /** Bytes that the response says its body has; undefined = it does not say. */
  readonly length: number | undefined;
  readonly options: ExchangeOptions;
  readonly ended: AbortController;
  /** The body was read to its end: the connection may carry another request. */
  readonly onEnd: () => void;
}

/** The reader of one body. Calls of `read` come one after the other. */
export class BodyReader {
  readonly #body: Body;
  readonly #chunks: AsyncIterator<unknown>;
  readonly #options: ReaderOptions;
  #rest: Uint8Array = NO_BYTES;
  #given = 0;
  /** All that its length promised was given, and the connection agrees. */
  ended = false;

  constructor(body: Body, options: ReaderOptions) {
    this.#body = body;
    this.#chunks = body[Symbol.asyncIterator]();
    this.#options = options;
  }

  /** Whether `read` would answer without waiting for the server. */
  get buffered(): boolean {
    return this.#rest.length > 0 || this.#body.readableLength > 0;
  }

  /** As `EgressResponse.read`. */
  async read(maxBytes: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const next = await this.#next();
      if (next === undefined) return undefined;
      this.#rest = next;
    }
    const taken = this.#rest.subarray(0, maxBytes);
    this.#rest = taken.length === this.#rest.length ? NO_BYTES : this.#rest.subarray(taken.length);
    this.#given += taken.length;
    // Everything is here, so this waits for nobody; what is said behind the promised length is the parser's to refuse.
    if (this.#given === this.#options.length) this.ended = (await this.#next()) === undefined;
    return taken;
  }

  async #next(): Promise<Uint8Array | undefined> {
    const { ended, options, onEnd } = this.#options;
    const cancel = options.clock.after(options.idleTimeoutMs, () =>
      ended.abort(new EgressFailure({ tag: "connection-read-timeout" })),
    );
    try {
      const next = await this.#chunks.next();
      if (next.done === true) {
        onEnd();
        return undefined;
      }
      if (!(next.value instanceof Uint8Array)) throw new TypeError("Cannot read body: wanted bytes");
      return next.value;
    } catch (error) {
      throw reasonOf(error, ended.signal);
    } finally {
      cancel();
    }
  }
}

/** What a response says of its body's length; undefined where it says nothing, or what it says is not of this body. */
export function lengthOf(method: string, status: number, headers: readonly Header[]): number | undefined {
  if (method === "HEAD" || status === 204 || status === 304) return undefined;
  const lengths = headers.flatMap(([name, value]) =>
    name.toLowerCase() === "content-length" ? [value] : [],
  );
  const [length = ""] = lengths;
  return lengths.length === 1 && /^[1-9][0-9]{0,14}$/.test(length) ? Number(length) : undefined;
}

/** Why it really ended: what our own abort set off elsewhere (a closed socket, an aborted stream) is only an echo. */
export function reasonOf(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted && !(error instanceof EgressSpent) ? signal.reason : error;
}
