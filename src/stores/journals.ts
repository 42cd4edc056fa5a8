/** Journals in SQLite. What is erased is overwritten with zeros, in the database and in its log of writes. */
import type { JournalRow, JournalStore, SqliteDatabase, TenantKeyRow } from "../ports/index.ts";
import type { Connection } from "./connection.ts";
import * as queries from "./journal-queries.ts";
import type { TenantKeysTable } from "./schema.ts";
import type { WriteQueue } from "./write-queue.ts";

/**
 * @param connection to read from, and to write to inside of `queue`
 * @param queue the database's only door for writes
 */
export function createJournals(
  database: SqliteDatabase,
  connection: Connection,
  queue: WriteQueue,
): JournalStore {
  const keyOf = (tenant: string) => connection.all(queries.selectTenantKey(tenant)).map(toKey)[0];
  return {
    findKey: async (tenant) => keyOf(tenant),
    hasKeys: async () => connection.all(queries.selectAnyTenantKey()).length > 0,
    insertKey: (key) =>
      queue.write(() => {
        connection.run(queries.insertTenantKey(key));
        return keyOf(key.tenant) ?? key;
      }),
    put: (journal) =>
      queue.write(() => {
        // In the same transaction: a key that is erased at this moment must not leave a journal that nobody can read.
        if (keyOf(journal.tenant)?.id !== journal.keyId) return false;
        connection.run(queries.insertJournal(journal));
        return true;
      }),
    async find(run) {
      const [row] = connection.all(queries.selectJournal(run));
      if (row === undefined) return undefined;
      const found: JournalRow = {
        run: row.run,
        tenant: row.tenant,
        keyId: row.key_id,
        keptAtMs: row.kept_at_ms,
        expiresAtMs: row.expires_at_ms,
        // A copy: what the driver gives may be a view of its own memory.
        content: Uint8Array.from(row.content),
      };
      return found;
    },
    async findErasure(run) {
      const [row] = connection.all(queries.selectErasure(run));
      return row && { run: row.run, tenant: row.tenant, atMs: row.at_ms, why: row.why };
    },
    async erase(scope, atMs) {
      const erased = await queue.write(() => {
        connection.run(queries.insertErasures(scope, atMs));
        if (scope.kind === "tenant") connection.run(queries.deleteTenantKey(scope.tenant));
        return connection.run(queries.deleteJournals(scope));
      });
      // The pages were zeroed (`secure_delete`); what they held is still in the log of writes until that is truncated.
      if (erased > 0 || scope.kind === "tenant") database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      return erased;
    },
  };
}

function toKey({ tenant, id, wrapped }: TenantKeysTable): TenantKeyRow {
  return { tenant, id, wrapped: Uint8Array.from(wrapped) };
}
