/** The schema in SQLite: brings a file to this version's, in one transaction. */
import type { SqliteDatabase } from "../../ports/index.ts";
import { MIGRATIONS, type Part } from "../migrations.ts";
import { Connection } from "./connection.ts";
import { LogTree } from "./log-tree.ts";

/** `WRIT` in ASCII: says that a file is ours, so that another program's database is never migrated. */
export const APPLICATION_ID = 0x57524954;

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
      for (const part of migration) apply(database, part);
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

function apply(database: SqliteDatabase, part: Part): void {
  if (typeof part === "string") database.exec(part);
  else if (part.kind === "sqlite") database.exec(part.sql);
  else if (part.kind === "append-only") database.exec(immutable(part.table, part.same));
  else if (part.kind === "log-what-is-sealed") logWhatIsSealed(database);
}

/** BEFORE INSERT, because INSERT OR REPLACE deletes without asking the DELETE trigger unless recursive_triggers is on. */
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
