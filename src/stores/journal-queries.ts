/** The statements about journals and their keys; see `queries.ts`. */
import { type SqlBool, sql } from "kysely";
import type { ErasureScope, JournalRow, TenantKeyRow } from "../ports/index.ts";
import { db } from "./queries.ts";

const JOURNAL_COLUMNS = ["run", "tenant", "key_id", "kept_at_ms", "expires_at_ms", "content"] as const;

/** The tenant's key. */
export function selectTenantKey(tenant: string) {
  return db
    .selectFrom("tenant_keys")
    .select(["tenant", "id", "wrapped"])
    .where("tenant", "=", tenant)
    .compile();
}

/** Any key. */
export function selectAnyTenantKey() {
  return db.selectFrom("tenant_keys").select("id").limit(1).compile();
}

/** Keys by tenant's name. */
export function selectTenantKeys(after: string, limit: number) {
  return db
    .selectFrom("tenant_keys")
    .select(["tenant", "id", "wrapped"])
    .where("tenant", ">", after)
    .orderBy("tenant")
    .limit(limit)
    .compile();
}

/** Wraps a key anew, unless it is another by now. */
export function updateTenantKey({ tenant, id, wrapped: was }: TenantKeyRow, wrapped: Uint8Array) {
  return db
    .updateTable("tenant_keys")
    .set({ wrapped })
    .where("tenant", "=", tenant)
    .where("id", "=", id)
    .where("wrapped", "=", was)
    .compile();
}

/** Adds a key, unless the tenant has one. */
export function insertTenantKey({ tenant, id, wrapped }: TenantKeyRow) {
  return db
    .insertInto("tenant_keys")
    .values({ tenant, id, wrapped })
    .onConflict((conflict) => conflict.doNothing())
    .compile();
}

/** Forgets the tenant's key. */
export function deleteTenantKey(tenant: string) {
  return db.deleteFrom("tenant_keys").where("tenant", "=", tenant).compile();
}

/** Adds a journal. Fails when there is one of that run. */
export function insertJournal({ run, tenant, keyId, keptAtMs, expiresAtMs, content }: JournalRow) {
  const row = { run, tenant, key_id: keyId, kept_at_ms: keptAtMs, expires_at_ms: expiresAtMs, content };
  return db.insertInto("journals").values(row).compile();
}

/** The journal of a run. */
export function selectJournal(run: string) {
  return db.selectFrom("journals").select(JOURNAL_COLUMNS).where("run", "=", run).compile();
}

/** What is known of an erased journal. */
export function selectErasure(run: string) {
  return db.selectFrom("erasures").select(["run", "tenant", "at_ms", "why"]).where("run", "=", run).compile();
}

/** Notes the erasure of every journal in scope, before {@link deleteJournals}. */
export function insertErasures(scope: ErasureScope, atMs: number) {
  const found = db
    .selectFrom("journals")
    .select(["run", "tenant", sql<number>`${atMs}`.as("at_ms"), sql<string>`${scope.kind}`.as("why")]);
  return db
    .insertInto("erasures")
    .columns(["run", "tenant", "at_ms", "why"])
    .expression(found.where(inScope(scope)))
    .compile();
}

/** Takes away every journal in scope. */
export function deleteJournals(scope: ErasureScope) {
  return db.deleteFrom("journals").where(inScope(scope)).compile();
}

function inScope(scope: ErasureScope) {
  switch (scope.kind) {
    case "run":
      return sql<SqlBool>`run = ${scope.run}`;
    case "tenant":
      return sql<SqlBool>`tenant = ${scope.tenant}`;
    case "retention":
      return sql<SqlBool>`expires_at_ms <= ${scope.expiredBeforeMs}`;
  }
}
