/**
 * Frames on the pipe between gateway and executor: a JSON head and raw bytes beside it.
 *
 *     u32le  bytes that follow     u32le  bytes of the head     head: UTF-8 JSON     body: raw bytes
 *
 * Both directions share this file. The reader treats what it reads as hostile: lengths are checked against a
 * limit before anything is kept, and a head that is not a JSON object is an error, never a surprise.
 */

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

/**
 * @param head anything that JSON can say; `undefined` members are left out
 * @param body raw bytes beside it
 */
export function encodeFrame(head: object, body: Uint8Array = NO_BYTES): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const frame = new Uint8Array(HEADER_BYTES + text.length + body.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 4 + text.length + body.length, true);
  view.setUint32(4, text.length, true);
  frame.set(text, HEADER_BYTES);
  frame.set(body, HEADER_BYTES + text.length);
  return frame;
}

const STEP_BYTES = 1024 * 1024;
/** Bodies from here on are written by themselves: to join them to their head would copy what is written once. */
const LARGE_BODY_BYTES = 16 * 1024;

/**
 * {@link encodeFrame}, in pieces that are to be written one behind the other and nothing between them.
 *
 * @param body must stay as it is until it is written
 */
export function encodeFramePieces(head: object, body: Uint8Array = NO_BYTES): readonly Uint8Array[] {
  if (body.length < LARGE_BODY_BYTES) return [encodeFrame(head, body)];
  const frame = encodeFrame(head);
  new DataView(frame.buffer).setUint32(0, frame.length - 4 + body.length, true);
  return [frame, body];
}

/**
 * Cuts a stream of chunks into frames.
 *
 * @param chunks bytes as they arrive, cut anywhere
 * @param limitBytes largest frame accepted
 * @param headLimitBytes largest head accepted just now; default the frame's. JSON costs far more to parse than bytes
 *   do to hold, and it is parsed on the thread that serves every tenant
 * @param stepBytes room that a body is given before it has come; then it is doubled. Default 1 MiB: whoever announces a
 *   large body has not sent it yet
 * @throws {FrameError} at the first byte that cannot be right; nothing is read after it
 */
export async function* readFrames(
  chunks: AsyncIterable<Uint8Array>,
  limitBytes: number,
  headLimitBytes: () => number = () => limitBytes,
  stepBytes: number = STEP_BYTES,
): AsyncGenerator<Frame> {
  /** What has arrived of the frame's beginning, its header and its head, and how much of it is looked at next. */
  let pieces: Uint8Array[] = [];
  let held = 0;
  let wanted = HEADER_BYTES;
  /** The frame whose body is still coming, how long that is, and how much of it is there. */
  let frame: { readonly head: Frame["head"]; readonly bytes: number; body: Uint8Array } | undefined;
  let filled = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    while (rest.length > 0) {
      if (frame === undefined) {
        pieces.push(rest);
        held += rest.length;
        // Not joined before: whoever writes byte by byte must not have us copy all of it for each.
        if (held < wanted) break;
        const bytes: Uint8Array = pieces.length === 1 ? rest : concatBytes(pieces, held);
        const lengths = readLengths(bytes, limitBytes, headLimitBytes);
        if (held < lengths.bodyAt) {
          pieces = [bytes];
          wanted = lengths.bodyAt;
          break;
        }
        pieces = [];
        held = 0;
        wanted = HEADER_BYTES;
        const head = parseHead(bytes.subarray(HEADER_BYTES, lengths.bodyAt));
        // Of its own: what the frame holds must not change when the next chunk arrives.
        frame = {
          head,
          bytes: lengths.bodyBytes,
          body: new Uint8Array(Math.min(lengths.bodyBytes, stepBytes)),
        };
        filled = 0;
        rest = bytes.subarray(lengths.bodyAt);
      }
      const taken: Uint8Array = rest.subarray(0, frame.bytes - filled);
      if (filled + taken.length > frame.body.length) {
        const longer = new Uint8Array(
          Math.min(frame.bytes, Math.max(2 * frame.body.length, filled + taken.length)),
        );
        longer.set(frame.body.subarray(0, filled));
        frame.body = longer;
      }
      frame.body.set(taken, filled);
      filled += taken.length;
      rest = rest.subarray(taken.length);
      if (filled < frame.bytes) break;
      const { head, body }: Frame = frame;
      frame = undefined;
      yield { head, body };
    }
  }
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
  const { bodyAt, bodyBytes } = readLengths(bytes, bytes.length, () => bytes.length);
  if (bodyAt + bodyBytes !== bytes.length)
    throw new FrameError(`Cannot read a frame of ${bodyAt + bodyBytes} bytes: there are ${bytes.length}`);
  return { head: parseHead(bytes.subarray(HEADER_BYTES, bodyAt)), body: bytes.subarray(bodyAt) };
}

/** @param bytes a whole header at least; attacker-controlled */
function readLengths(
  bytes: Uint8Array,
  limitBytes: number,
  headLimitBytes: () => number,
): { readonly bodyAt: number; readonly bodyBytes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const total = view.getUint32(0, true);
  const headLength = view.getUint32(4, true);
  if (total < 4 || total > limitBytes)
    throw new FrameError(`Cannot read a frame of ${total} bytes: the limit is ${limitBytes}`);
  if (headLength > total - 4)
    throw new FrameError(`Cannot read a head of ${headLength} bytes in a frame of ${total}`);
  if (headLength > headLimitBytes())
    throw new FrameError(`Cannot read a head of ${headLength} bytes: the limit is ${headLimitBytes()}`);
  return { bodyAt: HEADER_BYTES + headLength, bodyBytes: total - 4 - headLength };
}

/** Joins chunks whose lengths add up to `length`. */
export function concatBytes(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

function parseHead(bytes: Uint8Array): Frame["head"] {
  let head: unknown;
  try {
    head = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FrameError("Cannot read the head of a frame: it is not JSON", { cause });
  }
  if (typeof head !== "object" || head === null || Array.isArray(head)) {
    throw new FrameError("Cannot read the head of a frame: it is not an object");
  }
  return head as Frame["head"]; // An object, checked above; its members stay unknown.
}
