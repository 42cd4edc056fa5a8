/** Which tools are suspended, for the runs that are under way when one is. */

/** Suspended tools, and who is told when there is one more. */
export class Suspensions {
  readonly #reasons = new Map<string, string>();
  readonly #waiting = new Map<string, Set<(reason: string) => void>>();

  /**
   * Says which tools are suspended now. Those that were not before end the runs that they have under way.
   *
   * @param reasons by tool
   */
  set(reasons: ReadonlyMap<string, string>): void {
    const before = new Set(this.#reasons.keys());
    this.#reasons.clear();
    for (const [tool, reason] of reasons) {
      this.#reasons.set(tool, reason);
      if (before.has(tool)) continue;
      const waiting = this.#waiting.get(tool) ?? [];
      this.#waiting.delete(tool);
      for (const revoke of waiting) revoke(reason);
    }
  }

  /** Tells when the tool is suspended, at once if it is: a run that was let in a moment before is no exception. */
  on(tool: string, revoke: (reason: string) => void): () => void {
    const reason = this.#reasons.get(tool);
    if (reason !== undefined) {
      revoke(reason);
      return () => undefined;
    }
    const waiting = this.#waiting.get(tool) ?? new Set();
    this.#waiting.set(tool, waiting);
    waiting.add(revoke);
    return () => {
      waiting.delete(revoke);
      if (waiting.size === 0 && this.#waiting.get(tool) === waiting) this.#waiting.delete(tool);
    };
  }
}
