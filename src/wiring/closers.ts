/** What has to be closed again, in the order in which it was opened: what came last needs the rest until its end. */

/** Things that were opened. */
export class Closers {
  readonly #closers: (() => Promise<void>)[] = [];

  /** @param close resolves when what it closes has ended: nothing of it is under way any more */
  add(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  /**
   * Closes all of it, the last one first. One that fails keeps none of the others open.
   *
   * @throws what the first of those that failed threw
   */
  async closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
