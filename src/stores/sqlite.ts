/**
 * The Store port over SQLite: write-ahead log, `synchronous = FULL`, one writer. What the port promises about
 * durability is kept by `write-queue.ts`; what it promises about shape by the constraints and triggers of `schema.ts`.
 */
import type { CompiledQuery } from "kysely";
import type { Intent, KeyRow, RunRow, Seal, SqliteDatabase, SqliteStatement, Store } from "../ports/index.ts";
import * as queries from "./queries.ts";
import { type KeysTable, migrate, type RunsTable, type SealsTable } from "./schema.ts";
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
export async function openStore(database: SqliteDatabase, options: StoreOptions = {}): Promise<Store> {
  const { nextTurn = (action) => void setImmediate(action), busyTimeoutMs = 5000 } = options;
  database.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
  const [mode] = database.prepare("PRAGMA journal_mode = WAL").all([]);
  // A database in memory answers "memory": it is let through for tests, where nothing is to survive.
  const journal = JSON.stringify(mode);
  if (!/"(?:wal|memory)"/.test(journal))
    throw new Error(`Cannot open store: want journal_mode wal, got ${journal}`);
  // FULL: every commit syncs the log before it returns. NORMAL would lose acknowledged runs with the power.
  database.exec("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON");
  migrate(database);
  return new SqliteStore(database, new WriteQueue(database, nextTurn));
}

type RunColumns = RunsTable & { [column in Exclude<keyof SealsTable, "run">]: SealsTable[column] | null };

class SqliteStore implements Store {
  readonly #database: SqliteDatabase;
  readonly #queue: WriteQueue;
  /** Prepared statements by their SQL: a small, fixed set, because values are parameters. */
  readonly #statements = new Map<string, SqliteStatement>();

  constructor(database: SqliteDatabase, queue: WriteQueue) {
    this.#database = database;
    this.#queue = queue;
  }

  recordIntent(intent: Intent): Promise<void> {
    return this.#queue.write(() => {
      this.#run(queries.insertRun(intent));
      this.#run(queries.insertOpenRun(intent));
    });
  }

  seal(seal: Seal): Promise<number> {
    return this.#queue.write(() => {
      const sequence = this.#insertSeal(seal);
      if (this.#run(queries.deleteOpenRun(seal.run)) !== 1) {
        throw new Error(`Cannot seal run ${JSON.stringify(seal.run)}: it is not open`);
      }
      return sequence;
    });
  }

  recordRefusal(intent: Intent, seal: Seal): Promise<number> {
    return this.#queue.write(() => {
      if (seal.run !== intent.run)
        throw new TypeError("Cannot record refusal: intent and seal are of two runs");
      this.#run(queries.insertRun(intent));
      return this.#insertSeal(seal);
    });
  }

  async openRuns(admittedBeforeMs: number, limit: number): Promise<readonly Intent[]> {
    return this.#all(queries.selectOpenRuns(admittedBeforeMs, limit)).map(toIntent);
  }

  async findRun(tenant: string, run: string): Promise<RunRow | undefined> {
    return this.#all(queries.selectRun(tenant, run)).map(toRunRow)[0];
  }

  async listRuns(tenant: string, limit: number, before?: string): Promise<readonly RunRow[]> {
    return this.#all(queries.selectRuns(tenant, limit, before)).map(toRunRow);
  }

  insertKey(key: KeyRow): Promise<void> {
    return this.#queue.write(() => void this.#run(queries.insertKey(key)));
  }

  async findKey(hash: string): Promise<KeyRow | undefined> {
    return this.#all(queries.selectKey(hash)).map(toKeyRow)[0];
  }

  async listKeys(): Promise<readonly KeyRow[]> {
    return this.#all(queries.selectKeys()).map(toKeyRow);
  }

  revokeKey(id: string, atMs: number): Promise<boolean> {
    return this.#queue.write(() => this.#run(queries.revokeKey(id, atMs)) === 1);
  }

  check(): Promise<void> {
    return this.#queue.write(() => void this.#run(queries.beat()));
  }

  async close(): Promise<void> {
    this.#queue.drain("Cannot write to store: it is closed");
    this.#statements.clear();
    this.#database.close();
  }

  #insertSeal(seal: Seal): number {
    const [row] = this.#all(queries.insertSeal(seal));
    if (row === undefined)
      throw new Error(`Cannot seal run ${JSON.stringify(seal.run)}: no sequence was given`);
    return row.sequence;
  }

  /** @returns how many rows were changed. */
  #run(query: CompiledQuery): number {
    return Number(this.#prepare(query.sql).run(query.parameters).changes);
  }

  #all<Row>(query: CompiledQuery<Row>): Row[] {
    // The compiler knows the row's type from the tables; SQLite's STRICT tables keep the values to it.
    return this.#prepare(query.sql).all(query.parameters) as Row[];
  }

  #prepare(sql: string): SqliteStatement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function toIntent(row: RunsTable): Intent {
  const { run, tenant, tool, admitted_at_ms, predicate } = row;
  return { run, tenant, tool, function: row.function, admittedAtMs: admitted_at_ms, predicate };
}

function toRunRow(row: RunColumns): RunRow {
  const { run, sequence, outcome, digest, bundle, sealed_at_ms } = row;
  const intent = toIntent(row);
  if (sequence === null || outcome === null || digest === null || bundle === null || sealed_at_ms === null) {
    return { intent };
  }
  return { intent, seal: { run, sequence, outcome, digest, bundle, sealedAtMs: sealed_at_ms } };
}

function toKeyRow(row: KeysTable): KeyRow {
  const { id, hash, tenant, tier, label, created_at_ms, expires_at_ms, revoked_at_ms } = row;
  // Written by `insertKey` and nobody else, as an array of strings.
  const scopes: string[] = JSON.parse(row.scopes);
  return {
    id,
    hash,
    tenant,
    tier,
    scopes,
    label,
    createdAtMs: created_at_ms,
    ...(expires_at_ms === null ? {} : { expiresAtMs: expires_at_ms }),
    ...(revoked_at_ms === null ? {} : { revokedAtMs: revoked_at_ms }),
  };
}
