/**
 * Frames on the pipe between gateway and executor: a JSON head and raw bytes beside it.
 *
 *     u32le  bytes that follow     u32le  bytes of the head     head: UTF-8 JSON     body: raw bytes
 *
 * Both directions share this file. The reader treats what it reads as hostile: lengths are checked against a
 * limit before anything is kept, and a head that is not a JSON object is an error, never a surprise.
 */
import { joinBytes } from "../../core/bytes.ts";

/** One frame. */
export interface Frame {
  /** A JSON object; what its members mean is checked in `messages.ts`. */
  readonly head: { readonly [member: string]: unknown };
  readonly body: Uint8Array;
}

/** Bytes that cannot be a frame, or one over the limit: the other side is broken or lying. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

const HEADER_BYTES = 8;
const NO_BYTES = new Uint8Array(0);
/** One of each for all frames: to make them costs more than a small frame does. Neither keeps anything between two calls. */
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true });

/**
 * @param head anything that JSON can say; `undefined` members are left out
 * @param body raw bytes beside it
 */
export function encodeFrame(head: object, body: Uint8Array = NO_BYTES): Uint8Array {
  const text = JSON.stringify(head);
  // A byte for each character, as nearly all heads are: written where they stay.
  const frame = new Uint8Array(HEADER_BYTES + text.length + body.length);
  const { read } = ENCODER.encodeInto(text, frame.subarray(HEADER_BYTES, HEADER_BYTES + text.length));
  if (read < text.length) return joinFrame(ENCODER.encode(text), body);
  writeLengths(frame, text.length, body.length);
  frame.set(body, HEADER_BYTES + text.length);
  return frame;
}

function joinFrame(text: Uint8Array, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + text.length + body.length);
  writeLengths(frame, text.length, body.length);
  frame.set(text, HEADER_BYTES);
  frame.set(body, HEADER_BYTES + text.length);
  return frame;
}

function writeLengths(frame: Uint8Array, headBytes: number, bodyBytes: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES);
  view.setUint32(0, 4 + headBytes + bodyBytes, true);
  view.setUint32(4, headBytes, true);
}

/** Room that a body is given before it has come, where its length is not trusted; then it is doubled. */
const STEP_BYTES = 1024 * 1024;
/** Bodies from here on are written by themselves: to join them to their head would copy what is written once. */
const LARGE_BODY_BYTES = 16 * 1024;

/**
 * {@link encodeFrame}, in pieces that are to be written one behind the other and nothing between them.
 *
 * @param bodies the body, in pieces; must stay as they are until they are written
 */
export function encodeFramePieces(head: object, ...bodies: readonly Uint8Array[]): readonly Uint8Array[] {
  const length = bodies.reduce((sum, { length: bytes }) => sum + bytes, 0);
  if (length < LARGE_BODY_BYTES)
    return [encodeFrame(head, bodies.length === 1 ? bodies[0] : joinBytes(bodies, length))];
  const frame = encodeFrame(head);
  writeLengths(frame, frame.length - HEADER_BYTES, length);
  return [frame, ...bodies];
}

/** How much of what it reads a {@link FrameReader} believes. */
export interface FrameLimits {
  /** Largest frame accepted. */
  readonly frameBytes: number;
  /**
   * Largest head accepted just now; default the frame's. JSON costs far more to parse than bytes do to hold, and it is
   * parsed on the thread that serves every tenant.
   */
  readonly headBytes?: () => number;
  /** The writer is ours: a body that it announces is given its room at once. Default false. */
  readonly trusted?: boolean;
  /** Where a frame's body is to come, when somebody waits for it who has room; exactly so many bytes, or undefined. */
  readonly roomFor?: (head: Frame["head"], bytes: number) => Uint8Array | undefined;
}

interface BegunFrame {
  readonly head: Frame["head"];
  /** Of its body. */
  readonly bytes: number;
  body: Uint8Array;
}

/** Cuts chunks into frames. After a {@link FrameError} nothing more is to be read with it. */
export class FrameReader {
  readonly #limits: FrameLimits;
  /** What has arrived of the frame's beginning, its header and its head, and how much of it is looked at next. */
  #pieces: Uint8Array[] = [];
  #held = 0;
  #wanted = HEADER_BYTES;
  /** The frame whose body is still coming, how long that is, and how much of it is there. */
  #frame: BegunFrame | undefined;
  #filled = 0;

  constructor(limits: FrameLimits) {
    this.#limits = limits;
  }

  /**
   * Where the bytes that follow belong: what is missing of a body whose room is there. Bytes that are read to there are
   * not copied again.
   */
  get place(): Uint8Array | undefined {
    if (this.#frame === undefined) return undefined;
    const { body } = this.#frame;
    return this.#filled < body.length ? body.subarray(this.#filled) : undefined;
  }

  /**
   * Reads one chunk.
   *
   * @param chunk bytes as they arrive, cut anywhere, at the beginning of {@link place} or elsewhere; theirs again once all
   *   frames were taken
   * @returns the frames that it completes, each cut when it is asked for
   * @throws {FrameError} at the first byte that cannot be right
   */
  *read(chunk: Uint8Array): Generator<Frame> {
    let rest = chunk;
    while (rest.length > 0) {
      rest = this.#frame === undefined ? this.#begin(rest) : this.#fill(this.#frame, rest);
      if (this.#frame === undefined || this.#filled < this.#frame.bytes) continue;
      const { head, body } = this.#frame;
      this.#frame = undefined;
      yield { head, body };
    }
  }

  /** @returns what is left of the chunk behind the head, if that is whole by now */
  #begin(chunk: Uint8Array): Uint8Array {
    const held = this.#held + chunk.length;
    // Not joined before: whoever writes byte by byte must not have us copy all of it for each.
    if (held < this.#wanted) return this.#keep(chunk, held);
    const bytes = this.#pieces.length === 0 ? chunk : joinBytes([...this.#pieces, chunk], held);
    const lengths = readLengths(bytes, this.#limits);
    if (held < lengths.bodyAt) {
      this.#pieces = [];
      this.#wanted = lengths.bodyAt;
      return this.#keep(bytes, held);
    }
    this.#pieces = [];
    this.#held = 0;
    this.#wanted = HEADER_BYTES;
    const { bodyAt, bodyBytes } = lengths;
    // Of its own: what the frame holds must not change when the next chunk arrives. No more than a step of it at
    // first: whoever announces a large body has not sent it yet.
    const room = this.#limits.trusted === true ? bodyBytes : Math.min(bodyBytes, STEP_BYTES);
    const head = parseHead(bytes.subarray(HEADER_BYTES, bodyAt));
    const body = this.#limits.roomFor?.(head, bodyBytes) ?? new Uint8Array(room);
    this.#frame = { head, bytes: bodyBytes, body };
    this.#filled = 0;
    return bytes.subarray(bodyAt);
  }

  #keep(bytes: Uint8Array, held: number): Uint8Array {
    this.#pieces.push(bytes.slice());
    this.#held = held;
    return NO_BYTES;
  }

  /** @returns what is left of the chunk behind the body */
  #fill(frame: BegunFrame, chunk: Uint8Array): Uint8Array {
    const taken = chunk.subarray(0, frame.bytes - this.#filled);
    const filled = this.#filled + taken.length;
    if (filled > frame.body.length) {
      const longer = new Uint8Array(Math.min(frame.bytes, Math.max(2 * frame.body.length, filled)));
      longer.set(frame.body.subarray(0, this.#filled));
      frame.body = longer;
    }
    const isThere =
      taken.buffer === frame.body.buffer && taken.byteOffset === frame.body.byteOffset + this.#filled;
    if (!isThere) frame.body.set(taken, this.#filled);
    this.#filled = filled;
    return chunk.subarray(taken.length);
  }
}

/**
 * Cuts a stream of chunks into frames.
 *
 * @param chunks bytes as they arrive, cut anywhere
 * @param limitBytes largest frame accepted
 * @param headLimitBytes largest head accepted just now; default the frame's
 * @throws {FrameError} at the first byte that cannot be right; nothing is read after it
 */
export async function* readFrames(
  chunks: AsyncIterable<Uint8Array>,
  limitBytes: number,
  headLimitBytes?: () => number,
): AsyncGenerator<Frame> {
  const reader = new FrameReader({
    frameBytes: limitBytes,
    ...(headLimitBytes && { headBytes: headLimitBytes }),
  });
  for await (const chunk of chunks) yield* reader.read(chunk);
}

/**
 * Reads one frame that is there whole, and nothing behind it.
 *
 * @param bytes attacker-controlled; the frame's body is a view of them
 * @throws {FrameError}
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < HEADER_BYTES)
    throw new FrameError(`Cannot read a frame: there are ${bytes.length} bytes`);
  const { bodyAt, bodyBytes } = readLengths(bytes, { frameBytes: bytes.length });
  if (bodyAt + bodyBytes !== bytes.length)
    throw new FrameError(`Cannot read a frame of ${bodyAt + bodyBytes} bytes: there are ${bytes.length}`);
  return { head: parseHead(bytes.subarray(HEADER_BYTES, bodyAt)), body: bytes.subarray(bodyAt) };
}

/** @param bytes a whole header at least; attacker-controlled */
function readLengths(
  bytes: Uint8Array,
  { frameBytes: limitBytes, headBytes = () => limitBytes }: FrameLimits,
): { readonly bodyAt: number; readonly bodyBytes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const total = view.getUint32(0, true);
  const headLength = view.getUint32(4, true);
  if (total < 4 || total > limitBytes)
    throw new FrameError(`Cannot read a frame of ${total} bytes: the limit is ${limitBytes}`);
  if (headLength > total - 4)
    throw new FrameError(`Cannot read a head of ${headLength} bytes in a frame of ${total}`);
  if (headLength > headBytes())
    throw new FrameError(`Cannot read a head of ${headLength} bytes: the limit is ${headBytes()}`);
  return { bodyAt: HEADER_BYTES + headLength, bodyBytes: total - 4 - headLength };
}

function parseHead(bytes: Uint8Array): Frame["head"] {
  let head: unknown;
  try {
    head = JSON.parse(DECODER.decode(bytes));
  } catch (cause) {
    throw new FrameError("Cannot read the head of a frame: it is not JSON", { cause });
  }
  if (typeof head !== "object" || head === null || Array.isArray(head)) {
    throw new FrameError("Cannot read the head of a frame: it is not an object");
  }
  return head as Frame["head"]; // An object, checked above; its members stay unknown.
}
