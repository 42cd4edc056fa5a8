/** Durable storage behind the Store port: SQLite, embedded. Never decides anything; keeps what it is given. */
export { openStore, type StoreOptions } from "./sqlite.ts";
