/**
 * Durable storage behind the Store port: SQLite for one gateway, PostgreSQL for many. Never decides anything; keeps what
 * it is given. `database.ts` says how a sub-store is added to both.
 */
export { openPostgresStore, type PostgresStoreOptions } from "./postgres/store.ts";
export { openSqliteStore as openStore, type StoreOptions } from "./sqlite/store.ts";
