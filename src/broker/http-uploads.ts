/**
 * The request bodies of one run that come piece by piece. A piece is answered when the connection has taken it, so a
 * guest that writes faster than a server reads waits, and nobody holds more than one piece of each body.
 *
 * INVARIANT: a number names one body of this run, chosen once by the executor. Using one that was never begun, or
 * beginning one twice, is what no executor of ours does.
 */
import { ProtocolViolation } from "./capability.ts";
import type { Header, StreamedBody } from "./egress/index.ts";

interface Piece {
  readonly bytes: Uint8Array;
  readonly taken: (taken: boolean) => void;
}

/** One body under way. */
export class Upload implements StreamedBody {
  /** What the guest gave to stand behind it. */
  #given: readonly Header[] = [];
  /** Makes of that what goes out; set by whoever knows the request. */
  judge: (given: readonly Header[]) => readonly Header[] = () => [];
  #piece: Piece | undefined;
  /** With the connection, which has not asked for another yet. */
  #leaving: Piece | undefined;
  #wake = () => {};
  #state: "open" | "ended" | "failed" = "open";
  /** The push before: pieces are taken in the order in which they came. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Hands a piece over.
   *
   * @param end nothing comes after it
   * @param trailers at the end: fields behind the body; attacker-controlled
   * @returns whether it was taken; false = the request is over, or never was
   */
  push(bytes: Uint8Array, end: boolean, trailers: readonly Header[] = []): Promise<boolean> {
    const pushed = this.#last.then(() => {
      if (end) this.#given = trailers;
      return this.#push(bytes, end);
    });
    this.#last = pushed;
    return pushed;
  }

  async #push(bytes: Uint8Array, end: boolean): Promise<boolean> {
    if (this.#state !== "open") return false;
    if (bytes.length > 0) {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      this.#piece = { bytes, taken: resolve };
      this.#wake();
      if (!(await promise)) return false;
    }
    if (end && this.#state === "open") {
      this.#state = "ended";
      this.#wake();
    }
    return true;
  }

  /** Nobody will take what comes: the request failed, was denied, or has its answer already. */
  fail(): void {
    if (this.#state === "open") this.#state = "failed";
    this.#leaving?.taken(false);
    this.#piece?.taken(false);
    this.#leaving = undefined;
    this.#piece = undefined;
    this.#wake();
  }

  trailers(): readonly Header[] {
    return this.#given.length === 0 ? [] : this.judge(this.#given);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const piece = this.#piece;
        if (piece !== undefined) {
          this.#piece = undefined;
          this.#leaving = piece;
          yield piece.bytes;
          // Asked for the next one: this one has left.
          this.#leaving = undefined;
          piece.taken(true);
          continue;
        }
        if (this.#state === "ended") return;
        // An aborted body must not look like one that ended: the server would take half of it for all.
        if (this.#state === "failed") throw new Error("The request's body was given up");
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      // The connection wants no more of it: it is gone, perhaps in the middle of an answer that nobody has read to its end.
      this.fail();
    }
  }
}

/** The bodies of one run. */
export class HttpUploads {
  readonly #uploads = new Map<number, Upload>();

  /** @throws {ProtocolViolation} when the number was used before */
  begin(number: number): Upload {
    if (this.#uploads.has(number))
      throw new ProtocolViolation(`Cannot begin body ${number}: it was begun before`);
    const upload = new Upload();
    this.#uploads.set(number, upload);
    return upload;
  }

  /** @throws {ProtocolViolation} when it was never begun */
  held(number: number): Upload {
    const upload = this.#uploads.get(number);
    if (upload !== undefined) return upload;
    throw new ProtocolViolation(`Cannot use body ${number}: this run began no such body`);
  }
}
