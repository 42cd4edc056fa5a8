/** From the rows of the tables to what the port speaks of. */
import type { Intent, KeyRow, RunRow, Seal } from "../ports/index.ts";
import type { KeysTable, RunsTable, SealsTable } from "./schema.ts";

/** A run beside its seal, or beside nothing. */
export type RunColumns = RunsTable & {
  [column in Exclude<keyof SealsTable, "run">]: SealsTable[column] | null;
};

/** A run as it was admitted. */
export function toIntent(row: RunsTable): Intent {
  const { run, tenant, tool, admitted_at_ms, predicate } = row;
  return { run, tenant, tool, function: row.function, admittedAtMs: admitted_at_ms, predicate };
}

/** A run, and its seal if it has one. */
export function toRunRow(row: RunColumns): RunRow {
  const { run, sequence, outcome, digest, bundle, entry, sealed_at_ms } = row;
  const intent = toIntent(row);
  if (sequence === null || outcome === null || digest === null) return { intent };
  if (bundle === null || entry === null || sealed_at_ms === null) return { intent };
  return { intent, seal: { run, sequence, outcome, digest, bundle, entry, sealedAtMs: sealed_at_ms } };
}

/** An API key. */
export function toKeyRow(row: KeysTable): KeyRow {
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

/** A seal, and whether its run is there. */
export function toSealed({
  known,
  sealed_at_ms: sealedAtMs,
  ...seal
}: SealsTable & { known: string | null }): {
  readonly seal: Seal & { readonly sequence: number };
  readonly known: boolean;
} {
  return { seal: { ...seal, sealedAtMs }, known: known !== null };
}
