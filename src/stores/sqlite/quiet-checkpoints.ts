/**
 * Brings the log of writes into the database while nobody waits. Left to itself SQLite does so in the COMMIT that makes the log
 * long, and whoever commits then waits for a thousand pages and two syncs.
 *
 * It neither gives durability nor takes any: SQLite syncs the log before it writes what that has into the database, and the
 * database before it begins the log anew. Where it is never quiet, the log grows to its bound, and SQLite does it then.
 */

/** Writes are over for now when none came for so long. */
const QUIET_MS = 25;
/** Transactions that are worth it: pages that each of them changes are brought once for all. */
const LEAST_TRANSACTIONS = 64;

/** When the log of writes of one database is brought into it. */
export class QuietCheckpoints {
  readonly #after: (ms: number, action: () => void) => () => void;
  readonly #checkpoint: () => void;
  /** Since the last one, and how many they were when the pause began that is under way. */
  #transactions = 0;
  #seen = 0;
  #cancel: (() => void) | undefined;

  /**
   * @param after calls its argument once, later. @returns what takes that back
   * @param checkpoint does it; blocks for as long as the disk takes, and must not throw
   */
  constructor(after: (ms: number, action: () => void) => () => void, checkpoint: () => void) {
    this.#after = after;
    this.#checkpoint = checkpoint;
  }

  /** A transaction was committed. */
  wrote(): void {
    this.#transactions += 1;
    if (this.#transactions >= LEAST_TRANSACTIONS && this.#cancel === undefined) this.#pause();
  }

  /** There is nothing to be done any more. */
  stop(): void {
    this.#cancel?.();
  }

  #pause(): void {
    this.#seen = this.#transactions;
    this.#cancel = this.#after(QUIET_MS, () => {
      this.#cancel = undefined;
      if (this.#transactions !== this.#seen) return this.#pause();
      this.#transactions = 0;
      this.#checkpoint();
    });
  }
}
