/** Counts what a connection carries, at the socket, so that framing and chunk extensions cost as bodies do. */
import type { Socket } from "./dial.ts";

/** Told of every byte of a request. A `false` means that the budget is spent: the connection is cut at once. */
export interface Meter {
  sent(bytes: number): boolean;
  received(bytes: number): boolean;
}

/**
 * Counts every byte that is read from `socket` from now on, decrypted when it is TLS.
 *
 * The HTTP parser pulls with `read()` and hands back with `unshift()` what it could not take yet; both are
 * replaced on this one socket. At most one pull (64 KiB, the socket's buffer) arrives beyond the budget, and none
 * of it is given to the parser.
 *
 * @param onSpent called once, with the socket destroyed already
 */
export function meterReads(socket: Socket, meter: Meter, onSpent: () => void): void {
  const read = socket.read.bind(socket);
  const unshift = socket.unshift.bind(socket);
  let handedBack = 0;
  socket.read = (size?: number) => {
    const chunk: unknown = read(size);
    if (!(chunk instanceof Uint8Array)) return chunk;
    const again = Math.min(handedBack, chunk.length);
    handedBack -= again;
    const fresh = chunk.length - again;
    if (fresh === 0 || meter.received(fresh)) return chunk;
    onSpent();
    socket.destroy();
    return null;
  };
  socket.unshift = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) handedBack += chunk.length;
    unshift(chunk, encoding);
  };
}
