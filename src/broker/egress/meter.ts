/** Counts what a connection carries, at the socket, so that framing and chunk extensions cost as bodies do. */
import type { Socket } from "./socket.ts";

/** Told of every byte of a request. A `false` means that the budget is spent: the connection is cut at once. */
export interface Meter {
  sent(bytes: number): boolean;
  received(bytes: number): boolean;
}

/** Whoever pays for what is read from a connection at the moment. */
export interface Payer {
  readonly meter: Meter;
  /** Called when the meter refuses; the socket is destroyed next. */
  readonly onSpent: () => void;
}

/** The counter of one socket. */
export interface ReadMeter {
  /** From now on `payer` pays; undefined = nobody, and whatever arrives ends the connection. */
  charge(payer: Payer | undefined): void;
  /** Bytes since the last `charge`. */
  readonly bytes: number;
}

/**
 * Counts every byte that is read from `socket` from now on, decrypted when it is TLS.
 *
 * The HTTP parser pulls with `read()` and hands back with `unshift()` what it could not take yet; both are
 * replaced on this one socket. At most one pull (64 KiB, the socket's buffer) arrives beyond the budget, and none
 * of it is given to the parser.
 */
export function meterReads(socket: Socket): ReadMeter {
  const read = socket.read.bind(socket);
  const unshift = socket.unshift.bind(socket);
  let payer: Payer | undefined;
  let handedBack = 0;
  let bytes = 0;
  socket.read = (size?: number) => {
    const chunk: unknown = read(size);
    if (!(chunk instanceof Uint8Array)) return chunk;
    const again = Math.min(handedBack, chunk.length);
    handedBack -= again;
    const fresh = chunk.length - again;
    bytes += fresh;
    if (payer !== undefined && (fresh === 0 || payer.meter.received(fresh))) return chunk;
    // Before the socket is destroyed, so that the reason is known to whoever sees it end.
    payer?.onSpent();
    socket.destroy();
    return null;
  };
  socket.unshift = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) handedBack += chunk.length;
    unshift(chunk, encoding);
  };
  return {
    charge(next) {
      payer = next;
      bytes = 0;
    },
    get bytes() {
      return bytes;
    },
  };
}
