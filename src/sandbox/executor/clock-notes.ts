/**
 * Readings of a run's clock, as its journal has them: in pairs, because a clock that ticks in milliseconds says the same
 * again and again to a guest that asks often.
 */

/** Readings, as pairs: how much later than the one before, and how many in a row were the same. */
export class ClockNotes {
  #pairs: number[] = [];
  #last = 0;

  /** @returns the reading that was given */
  note(ms: number): number {
    const { length } = this.#pairs;
    if (length > 0 && ms === this.#last) this.#pairs[length - 1] = (this.#pairs[length - 1] ?? 0) + 1;
    else this.#pairs.push(ms - this.#last, 1);
    this.#last = ms;
    return ms;
  }

  /** The pairs since they were last taken. */
  take(): readonly number[] {
    const taken = this.#pairs;
    this.#pairs = [];
    return taken;
  }
}

/** Gives noted readings again, one after another. */
export class ClockReader {
  readonly #pairs: readonly number[];
  #at = 0;
  #left = 0;
  #ms = 0;

  constructor(pairs: readonly number[]) {
    this.#pairs = pairs;
  }

  /** The last reading, or what the time was made since. */
  get now(): number {
    return this.#ms;
  }

  /** Beyond the readings that are noted, time goes on by this alone. */
  advance(ms: number): void {
    if (this.#at >= this.#pairs.length && this.#left === 0) this.#ms = Math.max(this.#ms, ms);
  }

  /** @returns undefined when there are no more */
  next(): number | undefined {
    while (this.#left === 0) {
      const later = this.#pairs[this.#at];
      if (later === undefined) return undefined;
      this.#ms += later;
      this.#left = this.#pairs[this.#at + 1] ?? 0;
      this.#at += 2;
    }
    this.#left -= 1;
    return this.#ms;
  }
}
