/**
 * A response as it comes in from undici: its head, the body's pieces as the parser cuts them, its end. No stream stands
 * between the parser and whoever reads: a stream's own bookkeeping costs more than a small request does.
 *
 * INVARIANT: nothing more is asked of the connection while as many bytes lie here as the reader last wanted; one pull of
 * the socket may come on top. Of a body that nobody reads that is {@link AHEAD_BYTES}.
 */
import type { Dispatcher } from "undici";
import { joinBytes } from "../../core/bytes.ts";
import { EgressFailure } from "./errors.ts";
import type { Header } from "./headers.ts";

/** Bytes that may lie here before anybody asks for them. */
const AHEAD_BYTES = 64 * 1024;

/** Pieces that are handed on as they are; of more, one is made. A pull of the socket is 64 KiB. */
const MOST_PIECES = 8;

type Controller = Dispatcher.DispatchController;

/** The head of a response. */
export interface IncomingHead {
  readonly status: number;
  readonly headers: readonly Header[];
}

/** One response, while it comes in; undici's handler of its request. */
export class Incoming implements Dispatcher.DispatchHandler {
  /** Rejects when there will be none. */
  readonly head: Promise<IncomingHead>;
  readonly #head = Promise.withResolvers<IncomingHead>();
  #controller: Controller | undefined;
  /** The first reason for which it ended badly, or is to end. */
  #failure: Error | undefined;
  #ended = false;
  #trailers: readonly Header[] = [];
  #pieces: Uint8Array[] = [];
  #heldBytes = 0;
  #wantedBytes = AHEAD_BYTES;
  #wake: (() => void) | undefined;

  constructor() {
    this.head = this.#head.promise;
    // Whoever gave the request up does not look any more.
    this.head.catch(() => undefined);
  }

  /** Bytes that are here and were not taken. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether there is nothing to take at the moment: no byte, no end, no failure. */
  get isStill(): boolean {
    return this.#heldBytes === 0 && !this.#ended && this.#failure === undefined;
  }

  /** Whether its end has come, behind what is held. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Fields behind the body, once it has ended. */
  get trailers(): readonly Header[] {
    return this.#trailers;
  }

  /** Ends it, whether it has begun or not: what is held is let go of, and whoever reads is told `reason`. */
  abort(reason: Error): void {
    if (this.#ended) return;
    this.#fail(reason);
    this.#controller?.abort(reason);
  }

  /** @throws {Error} the reason for which it ended badly */
  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves once there is something to take, or a failure. */
  async arrival(): Promise<void> {
    if (!this.isStill) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Says how many bytes would be taken at once: as many may come before they are. */
  want(bytes: number): void {
    this.#wantedBytes = Math.max(bytes, AHEAD_BYTES);
    this.#resume();
  }

  /**
   * Takes of what is held.
   *
   * @returns at most `maxBytes` bytes, in few pieces; none = there are no bytes
   * @throws {Error} the reason for which it ended badly
   */
  take(maxBytes: number): readonly Uint8Array[] {
    this.throwIfFailed();
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    let at = 0;
    for (; at < this.#pieces.length && bytes < maxBytes; at += 1) {
      const piece = this.#pieces[at];
      if (piece === undefined) break;
      const part = piece.subarray(0, maxBytes - bytes);
      pieces.push(part);
      bytes += part.length;
      if (part.length === piece.length) continue;
      this.#pieces[at] = piece.subarray(part.length);
      break;
    }
    this.#pieces.splice(0, at);
    this.#heldBytes -= bytes;
    this.want(0);
    // A server that sends byte by byte must not make whoever writes them onward do the same.
    return pieces.length > MOST_PIECES ? [joinBytes(pieces, bytes)] : pieces;
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#failure !== undefined) controller.abort(this.#failure);
  }

  onRequestUpgrade(): void {
    // Nothing asks for one, and the parser refuses one that nobody asked for.
    throw new EgressFailure({ tag: "HTTP-upgrade-failed" });
  }

  onResponseStart({ rawHeaders }: Controller, status: number): void {
    // What is said ahead of an answer is none.
    if (status >= 200) this.#head.resolve({ status, headers: pairs(rawHeaders) });
  }

  onResponseData(controller: Controller, piece: Uint8Array): void {
    // It may have been given up within this very pull of the socket.
    if (this.#failure !== undefined || piece.length === 0) return;
    this.#pieces.push(piece);
    this.#heldBytes += piece.length;
    if (this.#heldBytes >= this.#wantedBytes) controller.pause();
    this.#awake();
  }

  onResponseEnd({ rawTrailers }: Controller): void {
    this.#ended = true;
    this.#trailers = pairs(rawTrailers ?? []);
    this.#awake();
  }

  onResponseError(_controller: Controller | null, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#ended || this.#failure !== undefined) return;
    this.#failure = error;
    this.#pieces = [];
    this.#heldBytes = 0;
    this.#head.reject(error);
    this.#awake();
  }

  /** The rest of a pull may come before this returns, and the end with it. */
  #resume(): void {
    if (this.#controller?.paused === true && this.#heldBytes < this.#wantedBytes) this.#controller.resume();
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

/** @param raw a flat list of names and values, as received; its type allows more than a parser gives */
function pairs(raw: Controller["rawHeaders"]): readonly Header[] {
  if (!Array.isArray(raw)) throw new TypeError("Cannot read fields of a response: wanted a flat list");
  // One character for each byte.
  const texts = raw.map((field) => (typeof field === "string" ? field : field.toString("latin1")));
  return texts.flatMap((name, index): Header[] => (index % 2 === 0 ? [[name, texts[index + 1] ?? ""]] : []));
}
