/** Why the tools could not be loaded: every fault at once, so that one start tells all there is to mend. */

/** One fault of a file or folder. */
export interface RegistryFault {
  /** File, with line and column where they are known. */
  readonly source: string;
  /** What is there and what is wanted, for the operator. */
  readonly detail: string;
}

/** Tools or policies that were not accepted. None of them is in force. */
export class RegistryError extends Error {
  override readonly name = "RegistryError";
  /** Sorted by source; never empty. */
  readonly faults: readonly RegistryFault[];

  /** @param faults at least one */
  constructor(faults: readonly RegistryFault[]) {
    const sorted = faults.toSorted((a, b) => (a.source < b.source ? -1 : a.source > b.source ? 1 : 0));
    const count = sorted.length === 1 ? "1 fault" : `${sorted.length} faults`;
    super(
      [`Cannot load the tools: ${count}`, ...sorted.map(({ source, detail }) => `${source} ${detail}`)].join(
        "\n  ",
      ),
    );
    this.faults = sorted;
  }
}
