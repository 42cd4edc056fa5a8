/**
 * A response as it comes in from undici: its head, the body's pieces as the parser cuts them, its end. No stream stands
 * between the parser and whoever reads: a stream's own bookkeeping costs more than a small request does.
 *
 * Pieces are copied into the run's blocks as they come, which costs less than to keep them; see `blocks.ts`.
 *
 * INVARIANT: nothing more is asked of the connection while as many bytes lie here as the reader last wanted; one pull of
 * the socket may come on top. Of a body that nobody reads that is {@link AHEAD_BYTES}.
 */
import type { Dispatcher } from "undici";
import type { Blocks } from "./blocks.ts";
import { EgressFailure } from "./errors.ts";
import type { Header } from "./headers.ts";

/** Bytes that may lie here before anybody asks for them. */
const AHEAD_BYTES = 64 * 1024;

/** A piece up to here that comes alone takes no block: nearly all bodies are one. */
const SMALL_BYTES = 8 * 1024;

const NO_BYTES = new Uint8Array(0);

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
  #bodyLeft = 0;
  #begun = false;
  #unannounced = false;
  readonly #blocks: Blocks;
  readonly #isBroken: () => boolean;
  readonly #onOver: () => void;
  /** What is held, in order. All but the first are parts of blocks. */
  #pieces: Uint8Array[] = [];
  /** What is free of the last one's block. */
  #free: Uint8Array = NO_BYTES;
  #heldBytes = 0;
  #wantedBytes = AHEAD_BYTES;
  #wake: (() => void) | undefined;

  /**
   * @param blocks what the body passes through; {@link take} gives parts of them
   * @param isBroken whether its connection has failed: then an end that nothing announced is none
   * @param onOver told once nothing more will come, however it ended, and whether or not somebody looks at what came
   */
  constructor(blocks: Blocks, isBroken = () => false, onOver: () => void = () => undefined) {
    this.#blocks = blocks;
    this.#isBroken = isBroken;
    this.#onOver = onOver;
    this.head = this.#head.promise;
    // Whoever gave the request up does not look any more.
    this.head.catch(() => undefined);
  }

  /** Bytes that are here and were not taken. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Whether its head has come. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Bytes that the parser will still give of the body, and nothing between them; 0 = not known. */
  get bodyLeft(): number {
    return this.#bodyLeft;
  }

  /** Whether its head names no end of its body: that is where its server, or somebody between, ended the connection. */
  get unannounced(): boolean {
    return this.#unannounced;
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
   * @returns at most `maxBytes` bytes, in few pieces, which stay as they are until they are given back to the blocks; none
   *   = there are no bytes
   * @throws {Error} the reason for which it ended badly
   */
  take(maxBytes: number): readonly Uint8Array[] {
    this.throwIfFailed();
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for (let [piece] = this.#pieces; piece !== undefined; [piece] = this.#pieces) {
      const room = maxBytes - bytes;
      if (piece.length > room) {
        // A block has one owner. What there is no room for stays here whole, if anything is taken before it.
        if (bytes > 0) break;
        pieces.push(new Uint8Array(piece.subarray(0, room)));
        this.#pieces[0] = piece.subarray(room);
        bytes = room;
        break;
      }
      pieces.push(piece);
      bytes += piece.length;
      this.#pieces.shift();
    }
    // What is written into it from now on would change what was given.
    if (this.#pieces.length === 0) this.#free = NO_BYTES;
    this.#heldBytes -= bytes;
    this.want(0);
    return pieces;
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
    if (status < 200) return;
    const headers = pairs(rawHeaders);
    const framing = headers.filter(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name));
    const isEmpty = status === 204 || status === 304;
    this.#unannounced = !isEmpty && framing.length === 0;
    this.#bodyLeft = isEmpty ? 0 : lengthOf(framing);
    this.#begun = true;
    this.#head.resolve({ status, headers });
  }

  onResponseData(controller: Controller, piece: Uint8Array): void {
    this.#bodyLeft = Math.max(0, this.#bodyLeft - piece.length);
    // It may have been given up within this very pull of the socket.
    if (this.#failure !== undefined || piece.length === 0) return;
    this.#hold(piece);
    if (this.#heldBytes >= this.#wantedBytes) controller.pause();
    this.#awake();
  }

  onResponseEnd({ rawTrailers }: Controller): void {
    if (this.#unannounced && this.#isBroken())
      this.#fail(new EgressFailure({ tag: "connection-terminated" }));
    if (this.#failure !== undefined) return;
    this.#ended = true;
    this.#bodyLeft = 0;
    this.#trailers = pairs(rawTrailers ?? []);
    this.#awake();
    this.#onOver();
  }

  onResponseError(_controller: Controller | null, error: Error): void {
    this.#fail(error);
  }

  #fail(error: Error): void {
    if (this.#ended || this.#failure !== undefined) return;
    this.#failure = error;
    this.#pieces = [];
    this.#free = NO_BYTES;
    this.#heldBytes = 0;
    this.#head.reject(error);
    this.#awake();
    this.#onOver();
  }

  #hold(piece: Uint8Array): void {
    this.#heldBytes += piece.length;
    if (this.#pieces.length === 0 && piece.length <= SMALL_BYTES) {
      // Not `slice`: these are Node's own kind of bytes, whose `slice` shares the memory.
      this.#pieces.push(new Uint8Array(piece));
      return;
    }
    for (let rest = piece; rest.length > 0; ) {
      const last = this.#free.length > 0 ? this.#pieces.pop() : undefined;
      if (last === undefined) this.#free = this.#blocks.take();
      const part = rest.subarray(0, this.#free.length);
      this.#free.set(part);
      const { buffer, byteOffset } = last ?? this.#free;
      this.#pieces.push(new Uint8Array(buffer, byteOffset, (last?.length ?? 0) + part.length));
      this.#free = this.#free.subarray(part.length);
      rest = rest.subarray(part.length);
    }
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

/** @returns the length of a body that is framed by it alone; 0 where anything is unusual */
function lengthOf(framing: readonly Header[]): number {
  const [only] = framing;
  if (only === undefined || framing.length > 1 || only[0].toLowerCase() !== "content-length") return 0;
  return /^[0-9]{1,15}$/.test(only[1]) ? Number(only[1]) : 0;
}

/** @param raw a flat list of names and values, as received; its type allows more than a parser gives */
function pairs(raw: Controller["rawHeaders"]): readonly Header[] {
  if (!Array.isArray(raw)) throw new TypeError("Cannot read fields of a response: wanted a flat list");
  // One character for each byte.
  const texts = raw.map((field) => (typeof field === "string" ? field : field.toString("latin1")));
  return texts.flatMap((name, index): Header[] => (index % 2 === 0 ? [[name, texts[index + 1] ?? ""]] : []));
}
