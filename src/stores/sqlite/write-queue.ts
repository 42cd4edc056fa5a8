/**
 * Groups writes: everything that waits goes into one transaction, and one sync to disk makes all of it durable. The
 * sync is the slow part of an answer, so under load this is what the throughput is made of.
 *
 * A write may say that it need not be synced. Where all of a transaction say so, its COMMIT leaves it with the system: the
 * end of this process takes nothing back, and the next sync of this file, whoever needs it, takes it along, because the
 * log of writes is one file that is read in its order. Until then a loss of power may take it, and all behind it.
 *
 * INVARIANT: each transaction says anew how it is to be committed, and nothing else is written here.
 * INVARIANT: a transaction begins and ends within one synchronous turn. Readers on the same connection therefore
 * never see what is not committed.
 */
import type { SqliteDatabase } from "../../ports/index.ts";
import { rollBack } from "./migrate.ts";
import type { DiskRecovery } from "./recovery.ts";

/** At most this many writes share a transaction; what waits beyond them goes into the next one. */
const MAX_BATCH = 256;
/**
 * Turns of the event loop for which writes wait for others while each turn brings some. A turn in which nothing came is
 * the last: whoever is alone waits for nobody.
 */
const MOST_TURNS = 6;
/** How the next COMMIT is made: FULL syncs the log of writes, NORMAL only where that is brought into the database. */
const SYNCED = "PRAGMA synchronous = FULL";
const UNSYNCED = "PRAGMA synchronous = NORMAL";
/** SQLITE_IOERR: the low byte of every input/output failure's extended code. */
const SQLITE_IOERR = 10;

interface Waiting {
  /** Runs inside the transaction; keeps its result for `resolve`. */
  readonly write: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  readonly unsynced: boolean;
  readonly changes: boolean;
}

/** How a write is to be made, beside what it is. */
interface WriteOptions<T, R> {
  /** Makes the result, right after the COMMIT, before anything else can be written. Default: what the write returned. */
  readonly afterCommit?: (result: T) => R;
  /** Whether it need not be on the disk when it is said to be written. Default: false. */
  readonly unsynced?: boolean;
  /**
   * Whether it surely changes something: SQLite syncs nothing for a transaction that did not, and a row that is written
   * as it was is no change. Default: false.
   */
  readonly changes?: boolean;
}

/** What a queue tells its store of transactions. */
interface QueueEvents {
  /** Writes what is owed once for all of a transaction; what it throws undoes the transaction. */
  readonly beforeCommit?: () => void;
  /**
   * Everything that was committed is on the disk by now. Called after the results of a transaction were made, of one in
   * which something was surely changed: a COMMIT of nothing never reached the disk.
   */
  readonly afterSync?: () => void;
  /** A transaction was committed, and its callers were told. */
  readonly afterCommit?: () => void;
}

/** The only door for writes to one database. */
export class WriteQueue {
  readonly #database: SqliteDatabase;
  readonly #nextTurn: (action: () => void) => void;
  readonly #events: QueueEvents;
  readonly #recovery: Pick<DiskRecovery, "begin" | "attempt">;
  #waiting: Waiting[] = [];
  #scheduled = false;
  /** Whether the last transaction was shared: only then is it worth a look whether others come. */
  #isShared = false;
  #stopped: Error | undefined;
  /** Whether the disk failed, and nothing may be written for now. */
  #failed = false;

  /**
   * @param database used by this queue alone for writing
   * @param nextTurn calls its argument once, after what the event loop has at hand: the longer that list, the larger
   *   the batch
   * @param recovery says what happens after the disk failed
   */
  constructor(
    database: SqliteDatabase,
    nextTurn: (action: () => void) => void,
    recovery: Pick<DiskRecovery, "begin" | "attempt">,
    events: QueueEvents = {},
  ) {
    this.#database = database;
    this.#recovery = recovery;
    this.#events = events;
    this.#nextTurn = nextTurn;
  }

  /**
   * Runs a write in a transaction.
   *
   * @param write synchronous; what it throws undoes its own statements only and rejects its own caller only
   * @returns what `write` returned, after the COMMIT, which made it durable unless it was not to be synced, as `afterCommit`
   *   made it
   * @throws whatever made the transaction fail. The write may still be stored then: a COMMIT that failed says
   *   nothing about the disk
   */
  async write<T, R>(
    write: () => T,
    options: WriteOptions<T, R> & { readonly afterCommit: (result: T) => R },
  ): Promise<R>;
  async write<T>(write: () => T, options?: Pick<WriteOptions<T, T>, "changes">): Promise<T>;
  async write<T>(
    write: () => T,
    { afterCommit = (result) => result, unsynced = false, changes = false }: WriteOptions<T, unknown> = {},
  ): Promise<unknown> {
    if (this.#stopped !== undefined) throw this.#stopped;
    if (this.#failed) this.#goOn();
    return await new Promise((resolve, reject) => {
      let settle = (): void => undefined;
      this.#waiting.push({
        write: () => {
          const result = write();
          settle = () => resolve(afterCommit(result));
        },
        resolve() {
          try {
            settle();
          } catch (error) {
            // The write is durable all the same, and the others of its batch are none of its business.
            reject(error);
          }
        },
        reject,
        unsynced,
        changes,
      });
      this.#schedule();
    });
  }

  /** Whether the next write will be tried, as far as is known before. */
  get isOpen(): boolean {
    return this.#stopped === undefined && !this.#failed;
  }

  /** Writes what waits, then refuses every later write. */
  drain(reason: string): void {
    while (this.#waiting.length > 0) this.#flush();
    this.#stopped ??= new Error(reason);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#inTurn(1, 0);
  }

  /** @param seen how many waited when the last turn ended */
  #inTurn(turn: number, seen: number): void {
    this.#nextTurn(() => {
      const waiting = this.#waiting.length;
      // A turn brings what few executors have finished meanwhile, the next one as much again: a sync for each would be
      // most of what a run costs.
      const isBusy = this.#isShared || waiting > 1;
      if (isBusy && turn < MOST_TURNS && waiting > seen && waiting < MAX_BATCH) {
        this.#inTurn(turn + 1, waiting);
        return;
      }
      this.#scheduled = false;
      this.#flush();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  #flush(): void {
    const batch = this.#waiting.splice(0, MAX_BATCH);
    if (batch.length === 0) return;
    this.#isShared = batch.length > 1;
    if (this.#stopped !== undefined) {
      rejectAll(batch, this.#stopped);
      return;
    }
    const isSynced = batch.some(({ unsynced }) => !unsynced);
    const written: Waiting[] = [];
    try {
      this.#database.exec(isSynced ? SYNCED : UNSYNCED);
      this.#database.exec("BEGIN IMMEDIATE");
      for (const waiting of batch) if (this.#attempt(waiting, batch.length > 1)) written.push(waiting);
      this.#events.beforeCommit?.();
      this.#database.exec("COMMIT");
    } catch (error) {
      rollBack(this.#database);
      this.#stopAfter(error);
      rejectAll(batch, error);
      return;
    }
    // A crash before this line leaves writes that are durable and that nobody was told of; never the reverse.
    for (const { resolve } of written) resolve();
    if (isSynced && written.some(({ changes }) => changes)) this.#events.afterSync?.();
    this.#events.afterCommit?.();
  }

  /**
   * Does something with the database between two transactions, where no write waits and the disk is well. A failure of the disk
   * in it is one like any other.
   */
  between(does: () => void): void {
    if (this.#waiting.length > 0 || !this.isOpen) return;
    try {
      does();
    } catch (error) {
      this.#stopAfter(error);
    }
  }

  /** @returns false when the write failed by itself: then its caller knows, and the batch goes on. */
  #attempt(waiting: Waiting, shared: boolean): boolean {
    if (shared) this.#database.exec("SAVEPOINT one");
    try {
      waiting.write();
    } catch (error) {
      // Alone in its batch there is nothing to save from it, nor after a failure of the disk.
      if (!shared || isIoError(error)) throw error;
      this.#database.exec("ROLLBACK TO one");
      this.#database.exec("RELEASE one");
      waiting.reject(error);
      return false;
    }
    if (shared) this.#database.exec("RELEASE one");
    return true;
  }

  #stopAfter(error: unknown): void {
    if (!isIoError(error)) return;
    this.#failed = true;
    this.#recovery.begin(error);
    // They would be written through the descriptors that failed.
    rejectAll(this.#waiting.splice(0), error);
  }

  /** @throws {Error} why nothing may be written */
  #goOn(): void {
    this.#recovery.attempt();
    this.#failed = false;
  }
}

function isIoError(error: unknown): boolean {
  if (!(error instanceof Error) || !("errcode" in error)) return false;
  return typeof error.errcode === "number" && (error.errcode & 0xff) === SQLITE_IOERR;
}

function rejectAll(batch: readonly Waiting[], error: unknown): void {
  for (const { reject } of batch) reject(error);
}
