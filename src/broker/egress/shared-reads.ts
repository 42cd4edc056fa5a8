/**
 * Reads of a socket into one buffer that all sockets share. A socket's own way makes 64 KiB of new memory for every read,
 * and what that leaves to the collector costs more than all else that is done with a body.
 *
 * INVARIANT: what is in the buffer is another connection's as soon as the next read begins. So it is shown only to whoever
 * has done with it when it returns, and only while nothing but a body can be in it, whose bytes `Incoming` copies. Of
 * everything else (a response's head, chunks and trailers, whose names and values a parser keeps until they are whole;
 * bytes that nobody takes at once) a copy is made first.
 */
import type { Socket } from "./socket.ts";

/** Most bytes of one read: what may arrive beyond a budget. */
const READ_BYTES = 64 * 1024;
const buffer = new Uint8Array(READ_BYTES);

/** How a socket that shares the buffer hands on what it reads. */
export interface SharedReads {
  /** Bytes that follow now, if they are nothing but a body's; asked for each read. Default none. */
  passing: () => number;
}

/** What a socket needs for it when it is made, and what takes it over once it is there. */
export interface SharedReadsOption {
  readonly onread: { readonly buffer: Uint8Array; readonly callback: (bytes: number) => boolean };
  /** Replaces the socket's `read` and `unshift`; called before anybody reads from it. */
  over(socket: Socket): SharedReads;
}

/** Makes the option for one socket. */
export function shareReads(): SharedReadsOption {
  const reads: SharedReads = { passing: () => 0 };
  let socket: Socket | undefined;
  /** Read and not taken; handed back last, first. */
  const waiting: Uint8Array[] = [];

  /** @returns whether the system is to be asked for more */
  function callback(bytes: number): boolean {
    const read = buffer.subarray(0, bytes);
    const shown = bytes <= reads.passing() ? read : copyOf(read);
    waiting.push(shown);
    socket?.emit("readable");
    const at = waiting.indexOf(shown);
    if (at >= 0) waiting[at] = copyOf(read);
    return waiting.length === 0;
  }

  return {
    onread: { buffer, callback },
    over(made) {
      socket = made;
      const own = made.read.bind(made);
      made.read = (size?: number) => {
        const next = size === 0 ? undefined : waiting.shift();
        // Asks the system for more where that was stopped, and tells the end.
        return next ?? own(size);
      };
      made.unshift = (chunk: unknown) => {
        if (chunk instanceof Uint8Array && chunk.length > 0) waiting.unshift(copyOf(chunk));
      };
      return reads;
    },
  };
}

/** Not `slice`: a parser gives Node's own kind of bytes, whose `slice` shares the memory. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
