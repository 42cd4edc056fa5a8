/** What operators did, as operators see it afterwards: entries of the log like any other, that belong to no tenant. */
import { GatewayError } from "../core/errors.ts";
import { ActionPredicateSchema } from "../core/manifest/index.ts";
import type { Principal } from "../core/policy/index.ts";
import { type Evidence, OPERATOR } from "../evidence/index.ts";
import type { RunRow, Store } from "../ports/index.ts";
import { requireScope } from "./scope.ts";
import type { RecordPage, RecordSummary, RunPageRequest } from "./types.ts";

/** Changes shown of each. */
const SHOWN = 20;

/** @throws {GatewayError} `insufficient-scope` */
export async function listRecords(
  store: Store,
  principal: Principal,
  { limit, before }: RunPageRequest,
): Promise<RecordPage> {
  requireScope(principal, "operate");
  const rows = await store.listRuns(OPERATOR, limit + 1, before);
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const records = shown.map(summarise);
  return rows.length > limit && last !== undefined ? { records, next: last.intent.run } : { records };
}

/** @throws {GatewayError} `insufficient-scope`, `unknown-tool`, `evidence-unavailable` */
export async function findRecord(
  store: Store,
  evidence: Pick<Evidence, "manifest">,
  principal: Principal,
  action: string,
): Promise<string> {
  requireScope(principal, "operate");
  const row = await store.findRun(OPERATOR, action);
  if (row?.seal !== undefined) return await evidence.manifest(row.seal);
  throw new GatewayError(`Cannot find action "${action}"`, { code: "unknown-tool" });
}

function summarise({ intent }: RunRow): RecordSummary {
  // Written by ourselves when it was signed.
  const {
    action,
    kind,
    actor,
    changes,
    finished_at: at,
  } = ActionPredicateSchema.parse(JSON.parse(intent.predicate));
  return { action, kind, actor, at, changes: changes.slice(0, SHOWN) };
}
