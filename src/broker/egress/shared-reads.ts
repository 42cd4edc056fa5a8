/**
 * Reads of a socket, or of what TLS has decrypted, into one buffer that all share. A socket's own way makes 64 KiB of new
 * memory for every read, and what that leaves to the collector costs more than all else that is done with a body.
 *
 * INVARIANT: what is in the buffer is another connection's as soon as the next read begins. So it is shown only to whoever
 * has done with it when it returns, and only while nothing but a body can be in it, whose bytes `Incoming` copies. Of
 * everything else (a response's head, chunks and trailers, whose names and values a parser keeps until they are whole) a
 * copy is made first; before a head little is read at once, so that little is copied. A body's bytes that nobody takes at
 * once wait in a place that is this connection's until they were taken, and whoever takes them has done with them when it
 * asks for more.
 */
import type { Socket } from "./socket.ts";

/** Most bytes of one read: what may arrive beyond a budget. */
const READ_BYTES = 64 * 1024;
/** Most bytes of a read while a head is awaited: most heads, and most answers, are no longer. */
const HEAD_READ_BYTES = 8 * 1024;
const buffer = new Uint8Array(READ_BYTES);
const headBuffer = buffer.subarray(0, HEAD_READ_BYTES);

/** Places where bodies wait that are nobody's at the moment. */
const places: Uint8Array[] = [];
const MOST_PLACES = 64;

/** How a socket that shares the buffer hands on what it reads. */
export interface SharedReads {
  /** Bytes that follow now, if they are nothing but a body's; asked for each read. Default none. */
  passing: () => number;
  /** Whether a response's head is what follows now. Default: it is. */
  awaitsHead: () => boolean;
}

/** What a socket needs for it when it is made, and what takes it over once it is there. */
export interface SharedReadsOption {
  readonly onread: { readonly buffer: () => Uint8Array; readonly callback: (bytes: number) => boolean };
  /** Replaces the socket's `read` and `unshift`; called before anybody reads from it. */
  over(socket: Socket): SharedReads;
}

/** Makes the option for one socket. */
export function shareReads(): SharedReadsOption {
  const reads: SharedReads = { passing: () => 0, awaitsHead: () => true };
  let socket: Socket | undefined;
  /** Read and not taken; handed back last, first. */
  const waiting: Uint8Array[] = [];
  /** Where what waits lies, if it is a body's. */
  let place: Uint8Array | undefined;
  /** Whether what was read last is a body's and nothing else. */
  let isBody = false;
  /** Whether the system is asked for no more. */
  let isStopped = false;
  /** Whether the system is asked for more by what `callback` is about to return. */
  let isAsked = false;

  /** @returns whether the system is to be asked for more */
  function callback(bytes: number): boolean {
    const read = buffer.subarray(0, bytes);
    // What waits comes first. TLS gives all that it has decrypted, stopped or not.
    isBody = waiting.length === 0 && bytes <= reads.passing();
    const shown = isBody ? read : copyOf(read);
    waiting.push(shown);
    isAsked = !isStopped;
    socket?.emit("readable");
    isAsked = false;
    const at = waiting.indexOf(shown);
    if (at >= 0) waiting[at] = kept(shown);
    isStopped = waiting.length > 0;
    return !isStopped;
  }

  /** What it holds, where no read changes it. */
  function kept(bytes: Uint8Array): Uint8Array {
    // A copy already, or where it waited before.
    if (bytes.buffer !== buffer.buffer) return bytes;
    if (!isBody || place !== undefined) return copyOf(bytes);
    place = places.pop() ?? new Uint8Array(READ_BYTES);
    place.set(bytes);
    return place.subarray(0, bytes.length);
  }

  /** Whoever had what waited there has done with it, unless it was handed back. */
  function leavePlace(): void {
    const left = place;
    if (left === undefined || waiting.some((bytes) => bytes.buffer === left.buffer)) return;
    place = undefined;
    if (places.length < MOST_PLACES) places.push(left);
  }

  return {
    onread: { buffer: () => (reads.awaitsHead() ? headBuffer : buffer), callback },
    over(made) {
      socket = made;
      const own = made.read.bind(made);
      made.read = (size?: number) => {
        leavePlace();
        const next = size === 0 ? undefined : waiting.shift();
        if (next !== undefined) return next;
        if (isAsked) return null;
        // Asks the system for more where that was stopped, and tells the end.
        isStopped = false;
        return own(size);
      };
      made.unshift = (chunk: unknown) => {
        if (chunk instanceof Uint8Array && chunk.length > 0) waiting.unshift(kept(chunk));
      };
      return reads;
    },
  };
}

/** Not `slice`: a parser gives Node's own kind of bytes, whose `slice` shares the memory. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
