/**
 * The Store port over SQLite: write-ahead log, `synchronous = FULL`, one writer. What the port promises about
 * durability is kept by `write-queue.ts`; what it promises about shape by the constraints and triggers of `migrations.ts`.
 */
import { type Bytes, TILE_WIDTH } from "../../core/merkle/index.ts";
import type {
  Intent,
  ItemStore,
  JournalStore,
  KeyRow,
  Logged,
  LogHead,
  RunRow,
  Seal,
  SqliteDatabase,
  Store,
  VersionStore,
} from "../../ports/index.ts";
import { createItems } from "../items.ts";
import { createJournals } from "../journals.ts";
import * as queries from "../queries.ts";
import { toIntent, toKeyRow, toRunRow, toSealed } from "../rows.ts";
import { createVersions } from "../versions.ts";
import { Connection } from "./connection.ts";
import { LogTree } from "./log-tree.ts";
import { migrate } from "./migrate.ts";
import { sqliteSteps } from "./steps.ts";
import { WriteQueue } from "./write-queue.ts";

/** What may be set about a store. */
export interface StoreOptions {
  /** Calls its argument once, later; writes that arrive until then share a commit. Default: the event loop's next turn. */
  readonly nextTurn?: (action: () => void) => void;
  /** How long another process's write is waited for, blocking this one. Default 5000. */
  readonly busyTimeoutMs?: number;
}

/**
 * Opens a store, creating or migrating its tables.
 *
 * @param database owned by the store from now on: it closes it
 * @throws {Error} when durability can not be had (no write-ahead log), or the file is not a store this Writ knows
 */
export async function openSqliteStore(database: SqliteDatabase, options: StoreOptions = {}): Promise<Store> {
  const { nextTurn = (action) => void setImmediate(action), busyTimeoutMs = 5000 } = options;
  database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  const [mode] = database.prepare("PRAGMA journal_mode = WAL").all([]);
  // A database in memory answers "memory": it is let through for tests, where nothing is to survive.
  const journal = JSON.stringify(mode);
  if (!/"(?:wal|memory)"/.test(journal))
    throw new Error(`Cannot open store: want journal_mode wal, got ${journal}`);
  // FULL: every commit syncs the log before it returns. NORMAL would lose acknowledged runs with the power.
  database.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON");
  // What is deleted (journals that are to be erased, sooner or later) leaves zeros behind.
  database.exec("PRAGMA secure_delete = ON");
  migrate(database);
  return new SqliteStore(database, nextTurn);
}

/** What a transaction made of the log: known once it commits. */
interface Commit {
  head?: LogHead;
  /** Whether it has a seal, so that other commits do not ask the log. */
  seals?: true;
}

/** A seal inside the transaction that makes it durable; `commit` is filled in by then. */
interface Uncommitted {
  readonly sequence: number;
  readonly commit: Commit;
}

class SqliteStore implements Store {
  readonly #database: SqliteDatabase;
  readonly #queue: WriteQueue;
  readonly #log: LogTree;
  readonly #connection: Connection;
  readonly items: ItemStore;
  readonly journals: JournalStore;
  readonly versions: VersionStore;
  /** The transaction under way. */
  #commit: Commit = {};

  constructor(database: SqliteDatabase, nextTurn: (action: () => void) => void) {
    this.#database = database;
    this.#connection = new Connection(database);
    this.#log = new LogTree(this.#connection);
    this.#queue = new WriteQueue(database, nextTurn, () => this.#appendToLog());
    const steps = sqliteSteps(this.#connection, this.#queue);
    this.items = createItems(steps);
    this.journals = createJournals(steps, async () => {
      // The pages were zeroed (`secure_delete`); what they held is still in the log of writes until that is truncated.
      database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    });
    this.versions = createVersions(steps);
  }

  recordIntent(intent: Intent): Promise<void> {
    return this.#queue.write(() => {
      this.#connection.run(queries.insertRun(intent));
      this.#connection.run(queries.insertOpenRun(intent));
    });
  }

  seal(seal: Seal): Promise<Logged> {
    return this.#queue.write(() => {
      const sequence = this.#insertSeal(seal);
      if (this.#connection.run(queries.deleteOpenRun(seal.run)) !== 1) {
        throw new Error(`Cannot seal run ${JSON.stringify(seal.run)}: it is not open`);
      }
      return { sequence, commit: this.#commit };
    }, this.#prove);
  }

  recordRefusal(intent: Intent, seal: Seal): Promise<Logged> {
    return this.#queue.write(() => {
      if (seal.run !== intent.run)
        throw new TypeError("Cannot record refusal: intent and seal are of two runs");
      this.#connection.run(queries.insertRun(intent));
      return { sequence: this.#insertSeal(seal), commit: this.#commit };
    }, this.#prove);
  }

  async logHead(): Promise<LogHead> {
    return this.#log.head();
  }

  async prove(sequence: number): Promise<Logged> {
    const [head] = this.#connection.all(queries.selectHeadAfter(sequence));
    if (head === undefined) throw new RangeError(`Cannot prove seal ${sequence}: there is none`);
    const { size, root } = head;
    return { sequence, head: { size, root: Uint8Array.from(root) }, path: this.#log.path(sequence, size) };
  }

  async proveGrowth(oldSize: number, size: number): Promise<readonly Bytes[]> {
    return this.#log.growth(oldSize, size);
  }

  async logTile(level: number, index: number, width: number): Promise<Bytes | undefined> {
    return this.#log.tile(level, index, width);
  }

  async logEntries(index: number, width: number): Promise<readonly string[] | undefined> {
    const from = index * TILE_WIDTH;
    const rows = this.#connection.all(queries.selectEntries(from, from + width));
    return rows.length === width ? rows.map(({ entry }) => entry) : undefined;
  }

  async openRuns(admittedBeforeMs: number, limit: number): Promise<readonly Intent[]> {
    return this.#connection.all(queries.selectOpenRuns(admittedBeforeMs, limit)).map(toIntent);
  }

  async findRun(tenant: string, run: string): Promise<RunRow | undefined> {
    return this.#connection.all(queries.selectRun(tenant, run)).map(toRunRow)[0];
  }

  async listRuns(tenant: string, limit: number, before?: string): Promise<readonly RunRow[]> {
    return this.#connection.all(queries.selectRuns(tenant, limit, before)).map(toRunRow);
  }

  async findRunOfAnyTenant(run: string): Promise<RunRow | undefined> {
    return this.#connection.all(queries.selectRunOfAnyTenant(run)).map(toRunRow)[0];
  }

  async scanRuns(after: string, limit: number): Promise<readonly RunRow[]> {
    return this.#connection.all(queries.selectRunsAfter(after, limit)).map(toRunRow);
  }

  async listSeals(sequence: number, limit: number) {
    return this.#connection.all(queries.selectSeals(sequence, limit)).map(toSealed);
  }

  insertKey(key: KeyRow): Promise<void> {
    return this.#queue.write(() => void this.#connection.run(queries.insertKey(key)));
  }

  async findKey(hash: string): Promise<KeyRow | undefined> {
    return this.#connection.all(queries.selectKey(hash)).map(toKeyRow)[0];
  }

  async listKeys(): Promise<readonly KeyRow[]> {
    return this.#connection.all(queries.selectKeys()).map(toKeyRow);
  }

  revokeKey(id: string, atMs: number): Promise<boolean> {
    return this.#queue.write(() => this.#connection.run(queries.revokeKey(id, atMs)) === 1);
  }

  check(): Promise<void> {
    return this.#queue.write(() => void this.#connection.run(queries.beat()));
  }

  async close(): Promise<void> {
    this.#queue.drain("Cannot write to store: it is closed");
    this.#connection.forget();
    this.#database.close();
  }

  /** Appends what the transaction under way has sealed to the log: once for all of it, in it. */
  #appendToLog(): void {
    if (this.#commit.seals !== true) return;
    const [{ size } = { size: 0 }] = this.#connection.all(queries.selectLogSize());
    const head = this.#log.appendUntil(size);
    if (head === undefined) return;
    this.#commit.head = head;
    this.#commit = {};
  }

  readonly #prove = ({ sequence, commit: { head } }: Uncommitted): Logged => {
    if (head === undefined) {
      throw new TypeError(`Cannot prove seal ${sequence}: it was committed without the log`);
    }
    return { sequence, head, path: this.#log.path(sequence, head.size) };
  };

  #insertSeal(seal: Seal): number {
    this.#commit.seals = true;
    const [row] = this.#connection.all(queries.insertSeal(seal));
    if (row === undefined)
      throw new Error(`Cannot seal run ${JSON.stringify(seal.run)}: no sequence was given`);
    return row.sequence;
  }
}
