/**
 * Where code is charged and checked: the sites of its bodies, kept small, because there are as many as a fifth of a module's
 * operators.
 */

const CHECKS = 1;
const WAITS = 2;
/** Numbers that a site takes: offset, units, flags. */
const STRIDE = 3;

/** A growing list of sites. Those of one body follow each other in the order of its code. */
export class Sites {
  #numbers = new Int32Array(STRIDE * 256);
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds one.
   *
   * @param offset of the operator in front of which it stands
   * @param units charged there; negative ones are given back
   * @param checks the count is compared with zero
   * @param waits the charge waits for the next operator that takes the word up: a call, or the way out
   */
  add(offset: number, units: number, checks: boolean, waits: boolean): void {
    const at = this.#count * STRIDE;
    if (at === this.#numbers.length) this.#numbers = new Int32Array(this.#numbers.buffer.transfer(at * 8));
    this.#numbers[at] = offset;
    this.#numbers[at + 1] = units;
    this.#numbers[at + 2] = (checks ? CHECKS : 0) + (waits ? WAITS : 0);
    this.#count += 1;
  }

  /** Gives the memory back, at once. */
  release(): void {
    this.#numbers.buffer.transfer(0);
  }

  /** Offset of the operator in front of which a site stands. */
  offsetOf(site: number): number {
    return this.#numbers[site * STRIDE] ?? 0;
  }

  /** Units charged at a site. */
  unitsOf(site: number): number {
    return this.#numbers[site * STRIDE + 1] ?? 0;
  }

  /** Whether the count is compared with zero at a site. */
  checksAt(site: number): boolean {
    return ((this.#numbers[site * STRIDE + 2] ?? 0) & CHECKS) !== 0;
  }

  /** Whether a site's charge waits. */
  waitsAt(site: number): boolean {
    return ((this.#numbers[site * STRIDE + 2] ?? 0) & WAITS) !== 0;
  }
}
