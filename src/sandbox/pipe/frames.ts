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

/**
 * Cuts a stream of chunks into frames.
 *
 * @param chunks bytes as they arrive, cut anywhere
 * @param limitBytes largest frame accepted
 * @param headLimitBytes largest head accepted just now; default the frame's. JSON costs far more to parse than bytes
 *   do to hold, and it is parsed on the thread that serves every tenant
 * @throws {FrameError} at the first byte that cannot be right; nothing is read after it
 */
export async function* readFrames(
  chunks: AsyncIterable<Uint8Array>,
  limitBytes: number,
  headLimitBytes: () => number = () => limitBytes,
): AsyncGenerator<Frame> {
  let pieces: Uint8Array[] = [];
  let held = 0;
  let wanted = HEADER_BYTES;
  for await (const chunk of chunks) {
    pieces.push(chunk);
    held += chunk.length;
    if (held < wanted) continue;
    let bytes = pieces.length === 1 ? chunk : concatBytes(pieces, held);
    while (bytes.length >= HEADER_BYTES) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const total = view.getUint32(0, true);
      const headLength = view.getUint32(4, true);
      if (total < 4 || total > limitBytes) {
        throw new FrameError(`Cannot read a frame of ${total} bytes: the limit is ${limitBytes}`);
      }
      if (headLength > total - 4)
        throw new FrameError(`Cannot read a head of ${headLength} bytes in a frame of ${total}`);
      if (headLength > headLimitBytes())
        throw new FrameError(`Cannot read a head of ${headLength} bytes: the limit is ${headLimitBytes()}`);
      wanted = 4 + total;
      if (bytes.length < wanted) break;
      const head = parseHead(bytes.subarray(HEADER_BYTES, HEADER_BYTES + headLength));
      // A copy: what the frame holds must not change when the next chunk arrives.
      yield { head, body: bytes.slice(HEADER_BYTES + headLength, wanted) };
      bytes = bytes.subarray(wanted);
      wanted = HEADER_BYTES;
    }
    pieces = bytes.length === 0 ? [] : [bytes];
    held = bytes.length;
  }
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
