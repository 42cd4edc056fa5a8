/** Keeps a label to so many values: whoever comes later shares one with the others who do. */

/** What is beyond the cap is called. */
const OTHER = "_other";

/** The values of one label. */
export class LabelCap {
  readonly #most: number;
  readonly #known = new Set<string>();

  /** @param most values with a name of their own */
  constructor(most: number) {
    this.#most = most;
  }

  /** @returns the value itself while there is room, and ever after */
  of(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#most) return OTHER;
    this.#known.add(value);
    return value;
  }
}
