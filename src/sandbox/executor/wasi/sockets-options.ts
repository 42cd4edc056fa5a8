/** Options of a TCP socket, which a program may set and read back. A connection lives no longer than a run: none changes anything. */
import { CHUNK_BYTES } from "./streams.ts";

/** Durations are in ns, buffers in bytes. */
export interface SocketOptions {
  keepAlive: boolean;
  idleTime: bigint;
  interval: bigint;
  count: number;
  hopLimit: number;
  receiveBuffer: bigint;
  sendBuffer: bigint;
}

/** What a socket that nobody has set anything of says. */
export function defaultOptions(): SocketOptions {
  return {
    keepAlive: false,
    idleTime: 7_200_000_000_000n,
    interval: 75_000_000_000n,
    count: 9,
    hopLimit: 64,
    receiveBuffer: BigInt(CHUNK_BYTES),
    sendBuffer: BigInt(CHUNK_BYTES),
  };
}
