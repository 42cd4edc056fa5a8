/**
 * The fuel of one run, in portions: most of it is held here, and the counter that the guest's code counts down has one
 * portion at a time. So the host gets to see a guest that computes, every so many units, and can let others go first.
 *
 * INVARIANT: when a portion is added, and how large it is, depends on units alone, never on time. So the same run uses
 * the same fuel on every machine, whoever it shared a processor with.
 */

/** Units of a portion: some milliseconds of ordinary code. */
export const PORTION = 4_000_000n;

/** The fuel of one run. */
export class Fuel {
  /** What all core modules of the run count down; below zero where one of them has to ask for more. */
  readonly counter: WebAssembly.Global;
  #held: bigint;

  /**
   * @param units that the run may spend; where they are below zero it has none from the start
   * @param counter an `i64` that the run's core modules import
   */
  constructor(units: number, counter: WebAssembly.Global) {
    const all = BigInt(units);
    const first = all > PORTION ? PORTION : all;
    this.counter = counter;
    counter.value = first;
    this.#held = all - first;
  }

  /** Units left, of the counter and those that are held; below zero once all are spent. */
  get left(): bigint {
    return this.counter.value + this.#held;
  }

  /** Takes units from the counter, and a new portion where that is not enough. @returns whether there were as many */
  take(units: number): boolean {
    // Read and written once: each reading of it makes a new number.
    const left: bigint = this.counter.value - BigInt(units);
    this.counter.value = left;
    if (left >= 0n) return true;
    this.refill();
    return this.counter.value >= 0n;
  }

  /** Gives units back. */
  give(units: bigint): void {
    this.counter.value += units;
  }

  /** Fills the counter up to a portion, as far as there is anything left; below zero it is spent. */
  refill(): void {
    const wanted = PORTION - this.counter.value;
    const added = wanted < this.#held ? wanted : this.#held;
    this.counter.value += added;
    this.#held -= added;
  }
}
