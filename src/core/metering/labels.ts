/**
 * The labels around an operator while its body is written anew: which of them exceptions may land on, and how far they
 * are once metering has put labels of its own between them.
 */

/** A label around the operator. */
export interface Label {
  /** An exception may land there. */
  readonly landing: boolean;
  readonly loop: boolean;
  /** It is a loop that metering wrapped in {@link AROUND_TIGHT} labels. */
  readonly tight: boolean;
  /** Units charged at a tight loop's header, once that is written. */
  headerUnits?: number;
}

/** Labels that metering puts around a tight loop. */
export const AROUND_TIGHT = 3;

/** A stack of labels, the innermost last. */
export class Labels {
  readonly #labels: Label[] = [];

  /** How many there are, the body's own among them. */
  get count(): number {
    return this.#labels.length;
  }

  /** The innermost. */
  get innermost(): Label | undefined {
    return this.#labels[this.#labels.length - 1];
  }

  /** Opens one. */
  push(label: Label): void {
    this.#labels.push(label);
  }

  /** Closes the innermost. */
  pop(): Label | undefined {
    return this.#labels.pop();
  }

  /** Whether an exception may land on a label, numbered from the innermost. */
  lands(label: number): boolean {
    return this.#labels[this.#labels.length - 1 - label]?.landing ?? false;
  }

  /** The number that a label has in the metered body. */
  moved(label: number): number {
    let depth = label;
    for (let i = 0; i < label; i += 1) {
      if (this.#labels[this.#labels.length - 1 - i]?.tight === true) depth += AROUND_TIGHT;
    }
    return depth;
  }
}
