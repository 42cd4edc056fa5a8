/**
 * Rooms that pieces of response bodies come into. They are used again: a new one for each piece would keep the
 * collector busy with nothing but what has passed through.
 *
 * INVARIANT: a room is given back by whoever took it, when nobody looks at what is in it any more, and not while
 * something may still be written into it. One that is never given back is the collector's.
 */

/** Bytes of a room: the largest piece that is asked for at once. */
export const ROOM_BYTES = 256 * 1024;
/** Rooms kept for whoever comes next; a process that has served many at once does not stay large. */
const MOST_KEPT = 32;

/** The rooms of one executor, whose runs are all of one tenant. */
export interface Rooms {
  take(): Uint8Array;
  give(room: Uint8Array): void;
}

/** Makes the rooms of one executor. */
export function createRooms(): Rooms {
  const kept: Uint8Array[] = [];
  return {
    take: () => kept.pop() ?? new Uint8Array(ROOM_BYTES),
    give(room) {
      if (kept.length < MOST_KEPT) kept.push(room);
    },
  };
}
