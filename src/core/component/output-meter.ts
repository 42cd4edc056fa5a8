/**
 * Counts the JSON text of an output while it is being converted. A guest can make a small memory look large by
 * pointing at the same bytes many times: the sum is taken before each part is built, never afterwards.
 */

/** The output is longer than the run may answer. A budget of the run is exhausted; it is no bug. */
export class OutputTooLarge extends RangeError {
  override readonly name = "OutputTooLarge";
  readonly limitBytes: number;

  /** @param limitBytes the limit that the output passed */
  constructor(limitBytes: number) {
    super(`Cannot convert output: it is longer than ${limitBytes} bytes of JSON`);
    this.limitBytes = limitBytes;
  }
}

/** Counts down the bytes of JSON text: what `JSON.stringify` would write, in UTF-8. */
export class Meter {
  readonly #limit: number;
  #left: number;

  /** @param limit longest text, in bytes */
  constructor(limit: number) {
    this.#limit = limit;
    this.#left = limit;
  }

  /** @throws OutputTooLarge when the limit is passed */
  spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new OutputTooLarge(this.#limit);
  }

  /** Counts a string with its quotes and escapes. */
  spendString(text: string): void {
    this.spend(2 + text.length);
    for (let i = 0; i < text.length; i++) {
      const extra = extraBytes(text.charCodeAt(i));
      if (extra > 0) this.spend(extra);
    }
  }

  /** Counts brackets and commas of an array or object. */
  spendFrame(members: number): void {
    this.spend(2 + Math.max(0, members - 1));
  }

  /** Counts a member's name with quotes and colon; labels need no escapes. */
  spendKey(name: string): void {
    this.spend(3 + name.length);
  }
}

/** Bytes that a UTF-16 unit takes in JSON beyond one. A surrogate pair is four bytes: two for each half. */
function extraBytes(unit: number): number {
  if (unit >= 0x80) return unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  if (unit === 0x22 || unit === 0x5c) return 1;
  if (unit >= 0x20) return 0;
  return unit === 8 || unit === 9 || unit === 10 || unit === 12 || unit === 13 ? 1 : 5;
}
