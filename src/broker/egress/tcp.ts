/** A plain TCP connection of a guest, metered like every other; see `Egress.connect`. */
import { EgressFailure, EgressSpent } from "./errors.ts";
import { type Meter, meterReads } from "./meter.ts";
import { readable } from "./proxy.ts";
import type { Socket } from "./socket.ts";

/** A connection as a byte stream in each direction. */
export interface EgressConnection {
  /** The far end: the judged address. */
  readonly address: string;
  readonly port: number;
  /**
   * @returns the next bytes, at least one and at most `maxBytes`; `undefined` after the last
   * @throws {EgressFailure | EgressSpent}
   */
  read(maxBytes: number): Promise<Uint8Array | undefined>;
  /**
   * Resolves when the bytes have left this process, so that a guest gets no further ahead than one write.
   *
   * @throws {EgressFailure | EgressSpent}
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Says that nothing more will be written. */
  end(): void;
  /** Ends it. Idempotent. */
  close(): void;
}

/**
 * @param socket connected to `address`, which was judged
 * @param signal the run's end
 */
export function connectionOver(
  socket: Socket,
  {
    address,
    port,
    meter,
    signal,
  }: { readonly address: string; readonly port: number; readonly meter: Meter; readonly signal: AbortSignal },
): EgressConnection {
  let failure: Error | undefined;
  const close = () => {
    signal.removeEventListener("abort", close);
    socket.destroy();
  };
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  const spent = () => {
    failure ??= new EgressSpent("Egress budget is spent");
    close();
  };
  socket.on("error", (error: Error) => {
    failure ??= error;
  });
  meterReads(socket).charge({ meter, onSpent: spent });
  const gone = () => failure ?? new EgressFailure({ tag: "connection-terminated" });
  let rest: Uint8Array = new Uint8Array(0);
  return {
    address,
    port,
    async read(maxBytes) {
      while (rest.length === 0) {
        const chunk: unknown = socket.read();
        if (chunk instanceof Uint8Array) rest = chunk;
        else if (failure !== undefined) throw failure;
        else if (socket.readableEnded) return undefined;
        else if (socket.destroyed) throw gone();
        else await readable(socket);
      }
      const taken = rest.subarray(0, maxBytes);
      rest = rest.subarray(taken.length);
      return taken;
    },
    write(bytes) {
      if (failure !== undefined || socket.destroyed) return Promise.reject(gone());
      if (!meter.sent(bytes.length)) {
        spent();
        return Promise.reject(gone());
      }
      return new Promise((resolve, reject) => {
        socket.write(bytes, (error) => (error == null ? resolve() : reject(failure ?? error)));
      });
    },
    end: () => void socket.end(),
    close,
  };
}
