/** Bytes in pieces. */

/**
 * Joins pieces behind one another.
 *
 * @param length of all of them together; default: counted
 * @returns bytes of its own, even of a single piece
 * @example
 * ```ts
 * joinBytes([Uint8Array.of(1), Uint8Array.of(2, 3)]); // 1, 2, 3
 * ```
 */
export function joinBytes(
  pieces: readonly Uint8Array[],
  length: number = pieces.reduce((sum, piece) => sum + piece.length, 0),
): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
