/**
 * Goes on after the disk failed, without a new process.
 *
 * After a failed sync the system may have dropped what it could not write and call its pages clean: a retry on the same
 * descriptors succeeds and proves nothing. So nothing more is written through them. The file is opened anew; SQLite then
 * reads its log of writes by checksums, up to the last commit that is whole; all of it is written into the database
 * again, which makes those pages dirty again, and synced; and a write of our own has to pass. What is there then is
 * compared with what was acknowledged. If that is missing, nothing is written until somebody looks.
 *
 * What is compared is the newest intent and the newest head of the log: commits are durable in their order, so these
 * stand for all before them. What was written after them, and is no run's, is not looked for.
 */
import type { SqliteDatabase } from "../../ports/index.ts";

/** First pause before the file is opened anew; each that fails doubles it. */
const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;

/** What happened to the disk, for the operator. */
export type DiskEvent =
  | { readonly event: "disk-failed" | "disk-failed-again" | "disk-lost-writes"; readonly error: string }
  | { readonly event: "disk-recovered" };

/** What recovery needs of the store whose disk failed. */
export interface RecoveryParts {
  readonly database: SqliteDatabase;
  /** Lets go of statements and of all that was read. */
  readonly forget: () => void;
  /** Sets a connection up, as the first one was. */
  readonly configure: () => void;
  /** Writes something, durably. */
  readonly probe: () => void;
  /** @throws {LostWritesError} when something acknowledged is missing; whatever else makes the file unfit */
  readonly confirm: () => void;
  /** A clock that does not jump, in ms. */
  readonly nowMs: () => number;
  readonly tell: (event: DiskEvent) => void;
}

/** Something that was acknowledged is not in the file: going on would make others believe a history that was not. */
export class LostWritesError extends Error {}

/** The recovery of one store. */
export class DiskRecovery {
  readonly #parts: RecoveryParts;
  #pauseMs = FIRST_MS;
  #notBeforeMs = 0;
  /** Why nothing is written, from a failure until it is over. */
  #why: Error | undefined;
  #isLost = false;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** Takes note of a failure: from now on nothing may be written until {@link DiskRecovery.attempt} says so. */
  begin(cause: unknown): void {
    const { nowMs, tell } = this.#parts;
    this.#why = new Error("Cannot write to store: the disk failed", { cause });
    this.#notBeforeMs = nowMs() + this.#pauseMs;
    tell({ event: "disk-failed", error: String(cause) });
  }

  /**
   * Tries to go on, when it is time to. Blocks for as long as the disk takes; never inside a transaction.
   *
   * @throws {Error} why nothing may be written yet
   */
  attempt(): void {
    const { database, nowMs, tell } = this.#parts;
    if (this.#why === undefined) return;
    if (this.#isLost || database.reopen === undefined || nowMs() < this.#notBeforeMs) throw this.#why;
    try {
      this.#reopen();
    } catch (cause) {
      this.#isLost = cause instanceof LostWritesError;
      this.#why = this.#isLost
        ? new Error("Cannot write to store: what was acknowledged is missing; stop, and look at the disk", {
            cause,
          })
        : new Error("Cannot write to store: the disk failed", { cause });
      this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_MS);
      this.#notBeforeMs = nowMs() + this.#pauseMs;
      tell({ event: this.#isLost ? "disk-lost-writes" : "disk-failed-again", error: String(cause) });
      throw this.#why;
    }
    this.#why = undefined;
    this.#pauseMs = FIRST_MS;
    tell({ event: "disk-recovered" });
  }

  /** A crash anywhere in here leaves what a crash at any time leaves: a log of writes, whole up to some commit. */
  #reopen(): void {
    const { database, forget, configure, probe, confirm } = this.#parts;
    forget();
    database.reopen?.();
    configure();
    const [copied] = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all([]);
    if (!/"busy":0\b/.test(JSON.stringify(copied)))
      throw new Error(`Cannot copy the log of writes into the database: ${JSON.stringify(copied)}`);
    confirm();
    probe();
  }
}
