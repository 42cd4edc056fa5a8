/**
 * The Store port over SQLite: write-ahead log, `synchronous = FULL`, one writer. What the port promises about
 * durability is kept by `write-queue.ts`; what it promises about shape by the constraints and triggers of `migrations.ts`.
 */
import { sameBytes, TILE_WIDTH } from "../../core/merkle/index.ts";
import type { Logged, LogHead, Seal, SqliteDatabase, Store } from "../../ports/index.ts";
import { claim, NOTHING_CLAIMED, orRefused, settle } from "../account-steps.ts";
import { createAccounts } from "../accounts.ts";
import { createItems } from "../items.ts";
import { createJournals } from "../journals.ts";
import { createKeyActs } from "../key-acts.ts";
import { createLedger } from "../ledger.ts";
import { createMeasures } from "../measures.ts";
import * as queries from "../queries.ts";
import { createRecords } from "../records.ts";
import { createVersions } from "../versions.ts";
import { Connection } from "./connection.ts";
import { LogTree } from "./log-tree.ts";
import { migrate } from "./migrate.ts";
import { QuietCheckpoints } from "./quiet-checkpoints.ts";
import { type DiskEvent, DiskRecovery, LostWritesError } from "./recovery.ts";
import { drive, sqliteSteps } from "./steps.ts";
import { WriteQueue } from "./write-queue.ts";

/** What may be set about a store. */
export interface StoreOptions {
  /** Calls its argument once, later; writes that arrive until then share a commit. Default: the event loop's next turn. */
  readonly nextTurn?: (action: () => void) => void;
  /** How long another process's write is waited for, blocking this one. Default 5000. */
  readonly busyTimeoutMs?: number;
  /** A clock that does not jump, in ms: says when a disk that failed is tried again. Default: the host's. */
  readonly nowMs?: () => number;
  /**
   * Calls its argument once, later, unless that is taken back by what it returns: then the log of writes is brought into the
   * database while nobody waits, too. Default: only when it is long.
   */
  readonly after?: (ms: number, action: () => void) => () => void;
  /** Told when the disk fails, and when it is well again. */
  readonly tellDisk?: (event: DiskEvent) => void;
}

/**
 * Opens a store, creating or migrating its tables.
 *
 * @param database owned by the store from now on: it closes it
 * @throws {Error} when durability can not be had (no write-ahead log), or the file is not a store this Writ knows
 */
export async function openSqliteStore(database: SqliteDatabase, options: StoreOptions = {}): Promise<Store> {
  configure(database, options);
  migrate(database);
  return createStore(database, options);
}

/** Sets a connection up for durability. @throws {Error} when it can not be had */
function configure(database: SqliteDatabase, { busyTimeoutMs = 5000 }: StoreOptions): void {
  database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  const [mode] = database.prepare("PRAGMA journal_mode = WAL").all([]);
  // A database in memory answers "memory": it is let through for tests, where nothing is to survive.
  const journal = JSON.stringify(mode);
  if (!/"(?:wal|memory)"/.test(journal))
    throw new Error(`Cannot open store: want journal_mode wal, got ${journal}`);
  // FULL: a commit syncs the log before it returns. NORMAL would lose acknowledged runs with the power; the queue of writes
  // uses it for what nobody was told is durable.
  database.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON");
  // After so many pages the log of writes is brought into the database, and whoever commits then waits for that. Pages that
  // every run changes are brought once for all of them: so, seldom, and the log is a file of 32 MiB at most; sooner where
  // nobody waits (`quiet-checkpoints.ts`).
  database.exec("PRAGMA wal_autocheckpoint = 8000");
  // What is deleted (journals that are to be erased, sooner or later) leaves zeros behind.
  database.exec("PRAGMA secure_delete = ON");
}

/** What a transaction made of the log: known once it commits. */
interface Commit {
  head?: LogHead;
  /** Whether it has a seal, so that other commits do not ask the log. */
  seals?: true;
  /** Who wants to know the head before. */
  readonly expecting: Set<(head: LogHead) => void>;
}

/** A seal inside the transaction that makes it durable; `commit` is filled in by then. */
interface Uncommitted {
  readonly sequence: number;
  readonly commit: Commit;
}

function createStore(database: SqliteDatabase, options: StoreOptions): Store {
  const { nextTurn = (action) => void setImmediate(action) } = options;
  const connection = new Connection(database);
  const log = new LogTree(connection);
  /** The transaction under way. */
  let commit: Commit = { expecting: new Set() };
  /** The newest that callers were told is durable. */
  const acknowledged: { head?: LogHead; run?: string } = {};
  /** Runs whose intents no sync has reached yet, oldest first. */
  const unsynced = new Set<string>();
  const recovery = new DiskRecovery({
    database,
    forget() {
      connection.forget();
      log.forget();
    },
    configure: () => configure(database, options),
    probe: () => void connection.run(queries.beat()),
    confirm() {
      confirm(connection, log, acknowledged);
      // Copied and synced, or gone: of each that is under way the table says which.
      unsynced.clear();
    },
    nowMs: options.nowMs ?? (() => performance.now()),
    tell: options.tellDisk ?? (() => undefined),
  });
  const queue = new WriteQueue(database, nextTurn, recovery, {
    beforeCommit() {
      // Appends what the transaction has sealed to the log: once for all of it, in it.
      if (commit.seals !== true) return;
      const [{ size } = { size: 0 }] = connection.all(queries.selectLogSize());
      const head = log.appendUntil(size);
      if (head === undefined) return;
      commit.head = head;
      for (const expect of commit.expecting) expect(head);
      commit = { expecting: new Set() };
    },
    afterSync() {
      for (const run of unsynced) acknowledged.run = run;
      unsynced.clear();
    },
    afterCommit: () => quiet?.wrote(),
  });
  const { after } = options;
  const quiet =
    after &&
    new QuietCheckpoints(after, () =>
      // Of readers and writers it waits for none: what they still need stays in the log.
      queue.between(() => database.exec("PRAGMA wal_checkpoint(PASSIVE)")),
    );
  const steps = sqliteSteps(connection, queue);

  function insertSeal(seal: Seal): Uncommitted {
    commit.seals = true;
    const [row] = connection.all(queries.insertSeal(seal));
    if (row === undefined)
      throw new Error(`Cannot seal run ${JSON.stringify(seal.run)}: no sequence was given`);
    return { sequence: row.sequence, commit };
  }

  const beat = (): Promise<void> => queue.write(() => void connection.run(queries.beat()), { changes: true });

  function prove({ sequence, commit: { head } }: Uncommitted): Logged {
    if (head === undefined) {
      throw new TypeError(`Cannot prove seal ${sequence}: it was committed without the log`);
    }
    acknowledged.head = head;
    return { sequence, head, path: log.path(sequence, head.size) };
  }

  return {
    ...createRecords(steps),
    items: createItems(steps),
    journals: createJournals(steps, async () => {
      // The pages were zeroed (`secure_delete`); what they held is still in the log of writes until that is truncated.
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    }),
    measures: createMeasures(steps),
    versions: createVersions(steps),
    accounts: createAccounts(steps),
    ledger: createLedger(steps),
    keyActs: createKeyActs(steps),
    recordIntent(intent, claims, taken) {
      return orRefused(
        queue.write(
          () => {
            connection.run(queries.insertRun(intent));
            connection.run(queries.insertOpenRun(intent));
            const claimed = claims === undefined ? NOTHING_CLAIMED : drive(connection, claim(claims));
            taken?.();
            return claimed;
          },
          {
            unsynced: true,
            changes: true,
            afterCommit(claimed) {
              unsynced.add(intent.run);
              return claimed;
            },
          },
        ),
      );
    },
    async syncIntent(run) {
      if (unsynced.has(run)) await beat();
      const isOpen = connection.read(queries.selectOpenRun(run)).length === 1;
      // A disk that failed meanwhile, and was opened anew, may have forgotten it.
      if (!isOpen) throw new Error(`Cannot sync intent of run ${JSON.stringify(run)}: it is not open`);
    },
    seal: (seal, settlement, expected) =>
      queue.write(
        () => {
          if (expected !== undefined) commit.expecting.add(expected);
          const uncommitted = insertSeal(seal);
          if (connection.run(queries.deleteOpenRun(seal.run)) !== 1) {
            throw new Error(`Cannot seal run ${JSON.stringify(seal.run)}: it is not open`);
          }
          drive(connection, settle(seal, settlement));
          return uncommitted;
        },
        { changes: true, afterCommit: prove },
      ),
    recordRefusal: (intent, seal) =>
      queue.write(
        () => {
          if (seal.run !== intent.run)
            throw new TypeError("Cannot record refusal: intent and seal are of two runs");
          connection.run(queries.insertRun(intent));
          return insertSeal(seal);
        },
        { changes: true, afterCommit: prove },
      ),
    logHead: async () => log.head(),
    async prove(sequence, atLeast = 0) {
      const [head] = connection.read(queries.selectHeadAfter(Math.max(sequence, atLeast - 1)));
      if (head === undefined) throw new RangeError(`Cannot prove seal ${sequence}: there is none`);
      const { size, root } = head;
      return { sequence, head: { size, root: Uint8Array.from(root) }, path: log.path(sequence, size) };
    },
    proveGrowth: async (oldSize, size) => log.growth(oldSize, size),
    logTile: async (level, index, width) => log.tile(level, index, width),
    async logEntries(index, width) {
      const from = index * TILE_WIDTH;
      const rows = connection.read(queries.selectEntries(from, from + width));
      return rows.length === width ? rows.map(({ entry }) => entry) : undefined;
    },
    async nowMs() {
      const [row] = connection.read(queries.selectSqliteNow());
      return row?.now ?? Number.NaN;
    },
    isWritable: () => queue.isOpen,
    check: beat,
    async close() {
      queue.drain("Cannot write to store: it is closed");
      quiet?.stop();
      connection.forget();
      database.close();
    },
  };
}

/**
 * Compares a file that was opened anew with what was acknowledged.
 *
 * @throws {LostWritesError} when something of it is missing
 */
function confirm(
  connection: Connection,
  log: LogTree,
  { head, run }: { readonly head?: LogHead; readonly run?: string },
): void {
  if (head !== undefined) {
    const [kept] = connection.all(queries.selectHeadAfter(head.size - 1));
    if (kept?.size !== head.size || !sameBytes(kept.root, head.root))
      throw new LostWritesError(`The log of ${head.size} entries that callers hold receipts of is not there`);
  }
  if (run !== undefined && connection.all(queries.selectRunOfAnyTenant(run)).length === 0)
    throw new LostWritesError(`Run ${JSON.stringify(run)} was admitted, and its intent is not there`);
  // That the entries hash to the newest head.
  log.head();
}
