/**
 * The tables, in TypeScript for Kysely and in SQL for the database, with the migrations between versions of them.
 *
 * Forward only: a migration that was released is never edited, a new one is appended. A database that a newer Writ
 * wrote is refused, because what this one does not know it could break.
 */
import type { ErasureReason, SqliteDatabase } from "../ports/index.ts";
import { Connection } from "./connection.ts";
import { LogTree } from "./log-tree.ts";

/** One admitted run. Append-only. */
export interface RunsTable {
  run: string;
  tenant: string;
  tool: string;
  function: string;
  admitted_at_ms: number;
  predicate: string;
}

/** One seal. Append-only; `sequence` is the primary key, starts at 0 and has no gaps. */
export interface SealsTable {
  sequence: number;
  run: string;
  outcome: string;
  digest: string;
  bundle: string;
  sealed_at_ms: number;
  /** Leaf of the log at index `sequence`. */
  entry: string;
}

/** Full tiles of the log's tree. Append-only: a full tile never changes. */
export interface TilesTable {
  level: number;
  position: number;
  /** 256 hashes, one after another. */
  hashes: Uint8Array;
  root: Uint8Array;
}

/** What the log was after each commit that appended to it. Append-only. */
export interface HeadsTable {
  size: number;
  root: Uint8Array;
}

/** Runs without a seal, so that finding them does not read every run there ever was. */
export interface OpenRunsTable {
  run: string;
  admitted_at_ms: number;
}

/** API keys at rest. */
export interface KeysTable {
  id: string;
  hash: string;
  tenant: string;
  tier: string;
  /** JSON array of strings. */
  scopes: string;
  created_at_ms: number;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
  label: string;
}

/** What tools keep between runs. */
export interface ItemsTable {
  tenant: string;
  tool: string;
  /** `keyvalue` or `volume`. */
  kind: string;
  bucket: string;
  key: string;
  value: Uint8Array;
  version: number;
  modified_at_ms: number;
}

/** What the items of one tenant, tool and kind come to; `version` is that of the newest change. */
export interface ItemUsageTable {
  tenant: string;
  tool: string;
  kind: string;
  bytes: number;
  items: number;
  version: number;
}

/** One row that `check()` writes to. */
export interface ProbeTable {
  id: number;
  beats: number;
}

/** Tenants' keys, wrapped. */
export interface TenantKeysTable {
  tenant: string;
  id: string;
  wrapped: Uint8Array;
}

/** Journals of runs, encrypted. The only rows about runs that can be taken away. */
export interface JournalsTable {
  run: string;
  tenant: string;
  key_id: string;
  kept_at_ms: number;
  expires_at_ms: number;
  content: Uint8Array;
}

/** Journals that were taken away. Append-only. */
export interface ErasuresTable {
  run: string;
  tenant: string;
  at_ms: number;
  why: ErasureReason;
}

/** The database, as Kysely sees it. */
export interface Tables {
  runs: RunsTable;
  seals: SealsTable;
  tiles: TilesTable;
  heads: HeadsTable;
  open_runs: OpenRunsTable;
  keys: KeysTable;
  items: ItemsTable;
  tenant_keys: TenantKeysTable;
  journals: JournalsTable;
  erasures: ErasuresTable;
  item_usage: ItemUsageTable;
  probe: ProbeTable;
}

/** `WRIT` in ASCII: says that a file is ours, so that another program's database is never migrated. */
export const APPLICATION_ID = 0x57524954;

// The triggers hold against our own bugs, not against whoever can write the file. BEFORE INSERT is there because
// INSERT OR REPLACE deletes without asking the DELETE trigger unless recursive_triggers is on.
const MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE runs (
    run TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, tool TEXT NOT NULL, function TEXT NOT NULL,
    admitted_at_ms INTEGER NOT NULL, predicate TEXT NOT NULL
  ) STRICT;
  CREATE INDEX runs_by_tenant ON runs (tenant, run);
  CREATE TABLE seals (
    sequence INTEGER PRIMARY KEY NOT NULL CHECK (sequence >= 0), run TEXT NOT NULL UNIQUE REFERENCES runs (run),
    outcome TEXT NOT NULL, digest TEXT NOT NULL, bundle TEXT NOT NULL, sealed_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE open_runs (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (run), admitted_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX open_runs_by_age ON open_runs (admitted_at_ms, run);
  CREATE TABLE keys (
    id TEXT PRIMARY KEY NOT NULL, hash TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, tier TEXT NOT NULL,
    scopes TEXT NOT NULL, created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER, revoked_at_ms INTEGER,
    label TEXT NOT NULL
  ) STRICT;
  CREATE TABLE probe (id INTEGER PRIMARY KEY NOT NULL CHECK (id = 0), beats INTEGER NOT NULL) STRICT;
  INSERT INTO probe (id, beats) VALUES (0, 0);
  ${appendOnly("runs", "run")}
  ${appendOnly("seals", "sequence")}
  CREATE TRIGGER seals_have_no_gaps BEFORE INSERT ON seals
    WHEN NEW.sequence <> (SELECT coalesce(max(sequence), -1) + 1 FROM seals)
    BEGIN SELECT RAISE(ABORT, 'seals have no gaps'); END;
  CREATE TRIGGER open_runs_close_by_seal BEFORE DELETE ON open_runs
    WHEN NOT EXISTS (SELECT 1 FROM seals WHERE run = OLD.run)
    BEGIN SELECT RAISE(ABORT, 'open runs close by a seal'); END;
  `,
  // Seals from before there was a log become entries that say so and name what was signed: no signature of theirs is
  // in the log, so no verifier takes them for logged manifests, but none can be taken away any more.
  `
  ALTER TABLE seals ADD COLUMN entry TEXT NOT NULL DEFAULT '';
  DROP TRIGGER seals_refuse_update;
  UPDATE seals SET entry = '{"apiVersion":"0.0.1","kind":"unlogged","spec":{"digest":"' || digest || '"}}';
  CREATE TRIGGER seals_refuse_update BEFORE UPDATE ON seals
    BEGIN SELECT RAISE(ABORT, 'seals are append-only'); END;
  CREATE TABLE tiles (
    level INTEGER NOT NULL CHECK (level >= 0), position INTEGER NOT NULL CHECK (position >= 0),
    hashes BLOB NOT NULL CHECK (length(hashes) = 8192), root BLOB NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (level, position)
  ) STRICT;
  CREATE TABLE heads (
    size INTEGER PRIMARY KEY NOT NULL CHECK (size > 0), root BLOB NOT NULL CHECK (length(root) = 32)
  ) STRICT;
  ${immutable("tiles", "level = NEW.level AND position = NEW.position")}
  ${immutable("heads", "size >= NEW.size")}
  `,
  logWhatIsSealed,
  `
  CREATE TABLE items (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, kind TEXT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL,
    value BLOB NOT NULL, version INTEGER NOT NULL CHECK (version > 0), modified_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, tool, kind, bucket, key)
  ) STRICT;
  CREATE TABLE item_usage (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, kind TEXT NOT NULL, bytes INTEGER NOT NULL CHECK (bytes >= 0),
    items INTEGER NOT NULL CHECK (items >= 0), version INTEGER NOT NULL, PRIMARY KEY (tenant, tool, kind)
  ) STRICT;
  `,
  `
  CREATE TABLE tenant_keys (tenant TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL, wrapped BLOB NOT NULL) STRICT;
  CREATE TABLE journals (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (run), tenant TEXT NOT NULL, key_id TEXT NOT NULL,
    kept_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, content BLOB NOT NULL
  ) STRICT;
  CREATE INDEX journals_by_tenant ON journals (tenant, run);
  CREATE INDEX journals_by_expiry ON journals (expires_at_ms);
  CREATE TABLE erasures (
    run TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, at_ms INTEGER NOT NULL, why TEXT NOT NULL
  ) STRICT;
  ${immutable("erasures", "run = NEW.run")}
  `,
];

/** SQL, or what SQL can not say. Runs inside the transaction that migrates. */
type Migration = string | ((database: SqliteDatabase) => void);

/**
 * Brings a database to this version's schema, in one transaction.
 *
 * A crash anywhere in here leaves the database at the version it had.
 *
 * @param database open, and not in a transaction
 * @param wanted the version to end at: this Writ's, unless a test wants a database as an older one left it
 * @throws {Error} when the file is another program's, or of a newer Writ
 */
export function migrate(database: SqliteDatabase, wanted = MIGRATIONS.length): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    const version = readPragma(database, "user_version");
    const application = readPragma(database, "application_id");
    if (
      application !== APPLICATION_ID &&
      (application !== 0 || version !== 0 || countObjects(database) > 0)
    ) {
      throw new Error("Cannot open store: the database belongs to another program");
    }
    if (version > MIGRATIONS.length) {
      throw new Error(
        `Cannot open store: its schema is ${version}, this Writ knows up to ${MIGRATIONS.length}`,
      );
    }
    for (const migration of MIGRATIONS.slice(version, wanted)) {
      if (typeof migration === "string") database.exec(migration);
      else migration(database);
    }
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${wanted}`);
    database.exec("COMMIT");
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/**
 * Ends whatever transaction is open; does nothing when there is none.
 *
 * SQLite rolls back by itself after some failures, so a refusal here says nothing that its caller does not know.
 */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // No transaction was open.
  }
}

function appendOnly(table: string, key: string): string {
  return immutable(table, `${key} = NEW.${key} OR run = NEW.run`);
}

/** @param same SQL that is true of the rows that a new one must not replace */
function immutable(table: string, same: string): string {
  const refuse = `BEGIN SELECT RAISE(ABORT, '${table} are append-only'); END;`;
  return `
  CREATE TRIGGER ${table}_refuse_update BEFORE UPDATE ON ${table} ${refuse}
  CREATE TRIGGER ${table}_refuse_delete BEFORE DELETE ON ${table} ${refuse}
  CREATE TRIGGER ${table}_refuse_replace BEFORE INSERT ON ${table}
    WHEN EXISTS (SELECT 1 FROM ${table} WHERE ${same}) ${refuse}`;
}

/** Builds the log's tree over seals that were there before it. */
function logWhatIsSealed(database: SqliteDatabase): void {
  const size = readNumber(database, "SELECT coalesce(max(sequence), -1) + 1 AS value FROM seals");
  if (size > 0) new LogTree(new Connection(database)).appendUntil(size);
}

function readPragma(database: SqliteDatabase, name: "user_version" | "application_id"): number {
  return readNumber(database, `SELECT ${name} AS value FROM pragma_${name}`);
}

function countObjects(database: SqliteDatabase): number {
  return readNumber(database, "SELECT count(*) AS value FROM sqlite_schema");
}

function readNumber(database: SqliteDatabase, sql: string): number {
  const [row] = database.prepare(sql).all([]);
  if (typeof row === "object" && row !== null && "value" in row) return Number(row.value);
  throw new Error(`Cannot read store: ${JSON.stringify(sql)} gave no value`);
}
