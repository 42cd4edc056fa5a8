/** Where the data of a gateway is: in a folder of its own, or its record in a database that many gateways share. */
import type { DataPlace } from "../cli/index.ts";
import type { Runtime, Store } from "../ports/index.ts";
import { openPostgresStore, openStore } from "../stores/index.ts";

/** Folder of the signing keys, and of the key that journals' keys are wrapped with. */
export function keysOf({ dataFolder, keysFolder = `${dataFolder}/keys` }: DataPlace): string {
  return keysFolder;
}

/** SQLite file, or `postgres://…`, of a gateway's record. */
export function databaseOf({ dataFolder, databaseUrl = `${dataFolder}/writ.sqlite` }: DataPlace): string {
  return databaseUrl;
}

/** Whether other gateways may be at work on it. */
export function isShared(database: string): boolean {
  return /^postgres(ql)?:\/\//.test(database);
}

/** A database as it may be shown: without who opens it, and how. */
export function nameDatabase(database: string): string {
  if (!isShared(database)) return database;
  const { protocol, host, pathname } = new URL(database);
  return `${protocol}//${host}${pathname}`;
}

/**
 * Opens a store that has to be there, so that a wrong folder does not look like an empty one.
 *
 * @param what is opened, for the message
 * @throws {Error} when there is no such database
 */
export async function openExisting(runtime: Runtime, database: string, what: string): Promise<Store> {
  if (!isShared(database) && (await runtime.files.mode(database)) === undefined) {
    throw new Error(
      `Cannot open ${what}: there is no database ${JSON.stringify(database)}; start the gateway once, or name its database by WRIT_DATABASE_URL`,
    );
  }
  return await openDatabase(runtime, database);
}

/**
 * Opens a store. A file is made readable by its owner alone: it holds every tenant's runs.
 *
 * @param database a SQLite file, `:memory:`, or `postgres://…`
 * @param log told when a file's disk fails, and when it is well again
 */
export async function openDatabase(
  runtime: Runtime,
  database: string,
  log: (line: object) => void = () => undefined,
): Promise<Store> {
  if (isShared(database)) return await openShared(runtime, database);
  if (database !== ":memory:" && (await runtime.files.mode(database)) === undefined) {
    // SQLite takes an empty file for a new database, and gives its log beside it the same mode.
    await runtime.files.write(database, "", { mode: 0o600 });
  }
  const { monotonicMs: nowMs, after } = runtime.clock;
  return openStore(runtime.openSqlite(database), { nowMs, after, tellDisk: log });
}

async function openShared(runtime: Runtime, url: string): Promise<Store> {
  const server = await runtime.openPostgres(url);
  try {
    return await openPostgresStore(server);
  } catch (cause) {
    await server.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    // The driver's word for a server that does not answer names no server.
    throw new Error(`Cannot open database ${nameDatabase(url)}: ${why}`, { cause });
  }
}

/** Makes the data folder, which SQLite does not, with a word for the stranger who finds it. */
export async function makeDataFolder(runtime: Runtime, dataFolder: string): Promise<void> {
  try {
    await runtime.files.write(
      `${dataFolder}/README`,
      "Data of a Writ gateway: keys, the record of runs, caches.\n",
    );
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot use data folder ${JSON.stringify(dataFolder)}: it can not be written (${why}); name another with --data`,
      { cause },
    );
  }
}
