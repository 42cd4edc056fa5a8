/** Journals and the keys that they are encrypted with. What is erased is forgotten as far as the database can. */
import type { ErasureScope, JournalRow, JournalStore, TenantKeyRow } from "../ports/index.ts";
import { eraseKept } from "./account-queries.ts";
import { all, type Database, type Lock, run, type Steps } from "./database.ts";
import * as queries from "./journal-queries.ts";
import type { TenantKeysTable } from "./schema.ts";

/** No journal is noted as erased twice. */
const ERASING: Lock = { name: "erasures" };

/**
 * Journals in a database, beside the runs.
 *
 * @param overwrite called after something was erased: makes the database's files forget it too
 */
export function createJournals(database: Database, overwrite: () => Promise<void>): JournalStore {
  return {
    findKey: async (tenant) => (await database.read(queries.selectTenantKey(tenant))).map(toKey)[0],
    hasKeys: async () => (await database.read(queries.selectAnyTenantKey())).length > 0,
    scanKeys: async (after, limit) =>
      (await database.read(queries.selectTenantKeys(after, limit))).map(toKey),
    async rewrapKey(was, wrapped) {
      await database.write(() => run(queries.updateTenantKey(was, wrapped)), [keyOfTenant(was.tenant)]);
    },
    insertKey: (key) =>
      database.write(
        function* () {
          yield* run(queries.insertTenantKey(key));
          return (yield* keyOf(key.tenant)) ?? key;
        },
        [keyOfTenant(key.tenant)],
      ),
    put: (journal) =>
      database.write(
        function* () {
          // In the same transaction: a key that is erased at this moment must not leave a journal that nobody can read.
          if ((yield* keyOf(journal.tenant))?.id !== journal.keyId) return false;
          yield* run(queries.insertJournal(journal));
          return true;
        },
        [{ ...keyOfTenant(journal.tenant), shared: true }],
      ),
    async find(id) {
      const [row] = await database.read(queries.selectJournal(id));
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
    async findErasure(id) {
      const [row] = await database.read(queries.selectErasure(id));
      return row && { run: row.run, tenant: row.tenant, atMs: row.at_ms, why: row.why };
    },
    async erase(scope, atMs) {
      const erased = await database.write(
        function* () {
          yield* run(queries.insertErasures(scope, atMs));
          if (scope.kind === "tenant") yield* run(queries.deleteTenantKey(scope.tenant));
          if (scope.kind !== "retention") yield* eraseOutputs(scope);
          return yield* run(queries.deleteJournals(scope));
        },
        scope.kind === "tenant" ? [ERASING, keyOfTenant(scope.tenant)] : [ERASING],
      );
      if (erased > 0 || scope.kind !== "retention") await overwrite();
      return erased;
    },
  };
}

/** Shared by those who put journals under a tenant's key; held alone by whoever changes the key. */
function keyOfTenant(tenant: string): Lock {
  return { name: JSON.stringify(["tenant-key", tenant]) };
}

function* keyOf(tenant: string): Steps<TenantKeyRow | undefined> {
  return (yield* all(queries.selectTenantKey(tenant))).map(toKey)[0];
}

/** Outputs that are kept for repeated requests and for fallbacks: under the same key, and erased with it. */
function* eraseOutputs(scope: Exclude<ErasureScope, { kind: "retention" }>): Steps<void> {
  const value = scope.kind === "run" ? scope.run : scope.tenant;
  for (const table of ["idempotency_keys", "last_good"] as const)
    yield* run(eraseKept(table, scope.kind, value));
}

function toKey({ tenant, id, wrapped }: TenantKeysTable): TenantKeyRow {
  return { tenant, id, wrapped: Uint8Array.from(wrapped) };
}
