/** The body of a request: whole, or in pieces that leave as they come. It opens nothing and decides nothing. */
import { EgressSpent } from "./errors.ts";
import type { Header } from "./headers.ts";
import type { Meter } from "./meter.ts";

/** A request's body: whole, or piece by piece as it comes; the next piece is asked for when the last one has left. */
export type RequestBody = Uint8Array | StreamedBody;

/** A body that comes piece by piece. */
export interface StreamedBody extends AsyncIterable<Uint8Array> {
  /**
   * Fields behind it; asked for after the last piece. Default none.
   *
   * @throws {EgressFailure} when there can be none of the kind: then the request fails
   */
  trailers?(): readonly Header[];
  /** The exchange is over: what was not taken never will be. */
  fail?(): void;
}

/** A stream that turns out to be empty is an empty body: it is framed differently. */
export async function firstPiece(body: RequestBody): Promise<RequestBody> {
  if (body instanceof Uint8Array) return body;
  const pieces = body[Symbol.asyncIterator]();
  let first = await pieces.next();
  while (first.done !== true && first.value.length === 0) first = await pieces.next();
  if (first.done === true) return new Uint8Array(0);
  return (async function* () {
    try {
      yield first.value;
      for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) yield next.value;
    } finally {
      // Whoever sends it has had enough: whoever writes it waits for that.
      await pieces.return?.();
    }
  })();
}

/**
 * Charges each piece with its chunk's framing before it leaves.
 *
 * @param spent told when the meter refuses one
 * @param onLast called when the last one has left
 */
export async function* metered(
  body: AsyncIterable<Uint8Array>,
  meter: Meter,
  spent: () => void,
  onLast: () => void,
): AsyncIterable<Uint8Array> {
  for await (const piece of body) {
    // A chunk of no bytes would end the body.
    if (piece.length === 0) continue;
    if (!meter.sent(piece.length + piece.length.toString(16).length + 4)) {
      spent();
      throw new EgressSpent("Egress budget is spent");
    }
    yield piece;
  }
  onLast();
}
