/**
 * The fuel word: the one 64-bit value that metered functions hand to each other.
 *
 * It holds a slice of the run's budget and the call depth that is left. Its low half are the units left of the slice,
 * signed, so that the half is below zero once they are spent: a machine asks that of half a register for nothing. Its high
 * half is the depth left, signed as well. One subtraction charges units and takes a frame. Units are low so that charges,
 * which are mostly small, are constants of one byte: engines decide by the bytes of a body what they inline.
 *
 * Units below zero borrow from the depth. They are told apart by sign extension of the low half (`pushUnits`).
 */

/** Bits of the units, their sign included. */
export const UNIT_BITS = 32;
/** The largest call depth that the word counts. It could count more, and no native stack is that deep. */
export const MAX_CALL_DEPTH = 8191;

/** What a call by way of a table or a reference takes of the depth, for the frames that it leads to. */
export const UNKNOWN_FRAMES = 3;
/** What a call of an import takes of it, for the wrappers on both sides as well; one of many parameters takes more. */
export const CROSSING_FRAMES = 5;

/**
 * Units that a word takes from the host's counter at once, at most. Far below 2^31, so that no sum overflows.
 *
 * A trap other than `unreachable` takes the word with it, so the rest of its slice counts as used: smaller is more
 * exact there. Taking a slice costs some tens of nanoseconds, and leaves the processor's predictions in disorder: larger is
 * faster. So the slices of an instance begin with {@link FIRST_SLICE} and grow by a {@link SLICE_GROWTH}th whenever one is
 * spent: what a trap takes too much is at most the first slice and a {@link SLICE_GROWTH}th of what the instance had used.
 */
export const SLICE = 2 ** 22;
/** Units of an instance's first slice. */
export const FIRST_SLICE = 512;
/** By which part of itself a spent slice makes the next one larger: a power of two. */
export const SLICE_GROWTH = 64;
/** Larger slices do not grow: the next would pass {@link SLICE}. */
export const LAST_GROWING_SLICE = Math.floor((SLICE * SLICE_GROWTH) / (SLICE_GROWTH + 1));

const FRAME = 2 ** UNIT_BITS;

/** A number of frames as it is subtracted from the word. */
export function framesInWord(frames: number): number {
  return frames * FRAME;
}
