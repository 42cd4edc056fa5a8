/**
 * The fuel word: the one 32-bit value that metered functions hand to each other.
 *
 * It holds a slice of the run's budget and the call depth that is left. Bits 0 to 17 are the units left of the slice,
 * signed, so that bit 17 is set once they are spent. Bits 18 to 31 are the depth left, signed as well. One subtraction
 * charges units and takes a frame; one `and` asks whether either is exhausted. Units are low so that charges, which are
 * mostly small, are constants of one byte: engines decide by the bytes of a body what they inline.
 *
 * Units below zero borrow from the depth. They are told apart by sign extension of the low bits (`pushUnits`).
 */

/** Bits of the units, their guard bit included. */
export const UNIT_BITS = 18;
/** Set in the word while the units of the slice are below zero. */
export const UNIT_GUARD = 1 << (UNIT_BITS - 1);
/** Set in the word once more depth was taken than there was; and while units are below zero and no depth is left. */
export const DEPTH_GUARD = -(2 ** 31);
/** The largest call depth that the word can count. */
export const MAX_CALL_DEPTH = 2 ** (31 - UNIT_BITS) - 1;

/**
 * Units that a word takes from the host's counter at once, at most. Far below 2^17, so that no sum overflows.
 *
 * A trap other than `unreachable` takes the word with it, so the rest of its slice counts as used: smaller is more
 * exact there. Taking a slice costs some nanoseconds: larger is faster. So the slices of an instance begin with
 * {@link FIRST_SLICE} and grow by an eighth whenever one is spent: what a trap takes too much is at most the first slice,
 * or an eighth of what the instance had used.
 */
export const SLICE = 16_384;
/** Units of an instance's first slice. */
export const FIRST_SLICE = 512;
/** Larger slices do not grow: the next would pass {@link SLICE}. */
export const LAST_GROWING_SLICE = Math.floor((SLICE * 8) / 9);

const FRAME = 2 ** UNIT_BITS;

/** A number of frames as it is subtracted from the word. */
export function framesInWord(frames: number): number {
  return frames * FRAME;
}
