/** Reads a response's body piece by piece, each within its time, and knows when it has given the last one. */
import type { Clock } from "../../ports/index.ts";
import { EgressFailure } from "./errors.ts";
import type { Incoming } from "./incoming.ts";

/** From here on more is waited for, if it is on its way: each piece costs its reader a question and an answer. */
const GATHER_ABOVE_BYTES = 64 * 1024;
/** Turns of the event loop without a byte after which nothing is on its way: one to look at the sockets, one to be called. */
const STILL_TURNS = 2;

interface ReaderOptions {
  readonly clock: Clock;
  /** Longest silence, in ms. */
  readonly idleTimeoutMs: number;
  /** The body was read to its end: the connection may carry another request. */
  readonly onEnd: () => void;
}

/** The reader of one body. Calls of `read` come one after the other. */
export class BodyReader {
  readonly #incoming: Incoming;
  readonly #options: ReaderOptions;
  #ended = false;

  constructor(incoming: Incoming, options: ReaderOptions) {
    this.#incoming = incoming;
    this.#options = options;
  }

  /** Whether `read` would answer without waiting for the server. */
  get buffered(): boolean {
    return this.#incoming.heldBytes > 0;
  }

  /** Whether the last byte was given. */
  get ended(): boolean {
    return this.#ended;
  }

  /** As `EgressResponse.read`. */
  async read(maxBytes: number): Promise<readonly Uint8Array[] | undefined> {
    const incoming = this.#incoming;
    incoming.want(maxBytes);
    if (incoming.isStill) await this.#arrival();
    if (maxBytes > GATHER_ABOVE_BYTES) await this.#gather(maxBytes);
    const pieces = incoming.take(maxBytes);
    if (incoming.ended && incoming.heldBytes === 0 && !this.#ended) {
      this.#ended = true;
      this.#options.onEnd();
    }
    return pieces.length === 0 ? undefined : pieces;
  }

  /** Waits for what follows at once, and for nothing that does not: a server that speaks slowly is heard as it speaks. */
  async #gather(maxBytes: number): Promise<void> {
    const incoming = this.#incoming;
    for (let still = 0; still < STILL_TURNS; still += 1) {
      const before = incoming.heldBytes;
      if (before >= maxBytes || incoming.ended) return;
      await new Promise<void>((resolve) => void setImmediate(resolve));
      if (incoming.heldBytes > before) still = -1;
    }
  }

  async #arrival(): Promise<void> {
    const { clock, idleTimeoutMs } = this.#options;
    const cancel = clock.after(idleTimeoutMs, () =>
      this.#incoming.abort(new EgressFailure({ tag: "connection-read-timeout" })),
    );
    try {
      await this.#incoming.arrival();
    } finally {
      cancel();
    }
  }
}
