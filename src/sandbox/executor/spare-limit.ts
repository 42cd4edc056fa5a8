/**
 * How many instances or memories of a component are kept for later runs of it. As many as run at once, where they are small:
 * those that end together are not to be made anew by the next ones, for V8 collects everything whenever some 64 MB of
 * memories were made. Never so many that what an executor holds when it rests is large.
 */

/** Kept whatever they hold. */
const LEAST = 4;
/** Kept however little they hold: each has functions and tables as well. */
const MOST = 64;
/** What all that are kept hold, where that is more than {@link LEAST} of them. */
const MOST_BYTES = 32 * 1024 * 1024;

/**
 * @param bytes what each of them holds
 * @returns how many are kept, from 4 to 64
 */
export function spareLimit(bytes: number): number {
  return Math.max(LEAST, Math.min(MOST, Math.floor(MOST_BYTES / Math.max(1, bytes))));
}
