/**
 * The fuel word: the one 64-bit value that metered functions hand to each other.
 *
 * Its high 50 bits are the units left (signed), its low 14 bits the call depth left, the top one of them kept free
 * as a guard. So one subtraction charges units and takes a frame, units are exhausted when the word is negative,
 * and depth is exhausted when the guard bit is set.
 */

/** Bits of the call depth, its guard bit included. */
export const DEPTH_BITS = 14;
/** Set in the word once more depth was taken than there was. */
export const DEPTH_GUARD = 1 << (DEPTH_BITS - 1);
/** All bits of the call depth. */
export const DEPTH_MASK = (1 << DEPTH_BITS) - 1;
/** The largest call depth that the word can count. */
export const MAX_CALL_DEPTH = DEPTH_GUARD - 1;

/**
 * The most units that the word counts. Of a larger budget the rest stays in the host's counter, and is counted in
 * whenever the word is read from there; 2^48 units are hours between two such moments.
 */
export const MAX_UNITS = 2 ** 48;

/** A number of units as it is subtracted from the word. */
export function inWord(units: number): number {
  return units * 2 ** DEPTH_BITS;
}
