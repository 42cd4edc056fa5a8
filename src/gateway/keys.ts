/**
 * API keys, as far as a principal may hand them out, see them and take them back. What is done is a signed record.
 *
 * INVARIANT: nobody hands out more than he has: his own tenant and tier, and scopes of his own. Other tenants, and all of
 * them, are for who has the scope `operate` besides.
 */
import { GatewayError } from "../core/errors.ts";
import { digestState } from "../core/manifest/index.ts";
import { mayInvoke, type Principal, type Scope, type ScopeName } from "../core/policy/index.ts";
import type { Evidence } from "../evidence/index.ts";
import type { Identity } from "../identity/index.ts";
import type { Clock, Entropy, KeyAct, KeyRow, Store } from "../ports/index.ts";
import { newActionId } from "./ids.ts";
import { requireScope } from "./scope.ts";
import type { IssuedKey, KeyPage, KeyPageRequest, KeyRequest, KeySummary, RevokedKey } from "./types.ts";
import type { Versions } from "./versions.ts";

/** What keys are made and kept with. */
export interface KeyParts {
  readonly identity: Identity;
  readonly store: Pick<Store, "listKeyPage">;
  readonly evidence: Pick<Evidence, "act">;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly versions: Versions;
}

/** @throws {GatewayError} `insufficient-scope`, `invalid-request`, `evidence-unavailable` */
export async function issueKey(
  parts: KeyParts,
  principal: Principal,
  request: KeyRequest,
): Promise<IssuedKey> {
  const { scopes, label, expiresInSeconds } = request;
  const tenant = tenantOf(principal, request.tenant);
  const lacked = scopes.find((scope) => !covers(principal, scope));
  if (lacked !== undefined) throw lacks(principal, lacked, "hand out");
  const tier = tierOf(parts.identity, principal, tenant, request.tier);
  const nowMs = parts.clock.nowMs();
  const expiry = expiresInSeconds === undefined ? {} : { expiresAtMs: nowMs + expiresInSeconds * 1000 };
  // Signed before anybody can hold it: what can not be recorded is not done. A crash between the two leaves a record of
  // a key that never was.
  const made = parts.identity.makeKey({ tenant, tier, scopes, label, ...expiry }, nowMs);
  const key = describeKey(made.row);
  await record(parts, principal, actOfIssue(key));
  await made.keep();
  return { ...key, key: made.text };
}

/** @throws {GatewayError} `insufficient-scope` */
export async function listKeys(
  { store }: Pick<KeyParts, "store">,
  principal: Principal,
  { tenant: asked, after, limit }: KeyPageRequest,
): Promise<KeyPage> {
  const tenant = asked === "*" ? asked : tenantOf(principal, asked);
  if (tenant === "*") requireScope(principal, "operate");
  requireScope(principal, "keys");
  const rows = await store.listKeyPage({
    ...(tenant === "*" ? {} : { tenant }),
    ...(after === undefined ? {} : { after }),
    limit: limit + 1,
  });
  const keys = rows.slice(0, limit).map(describeKey);
  const next = keys.at(-1)?.id;
  return rows.length > limit && next !== undefined ? { keys, next } : { keys };
}

/** @throws {GatewayError} `insufficient-scope`; `unknown-tool` when there is no such key for this principal */
export async function revokeKey(parts: KeyParts, principal: Principal, id: string): Promise<RevokedKey> {
  requireScope(principal, "keys");
  const tenant = principal.scopes.includes("operate") ? undefined : principal.tenant;
  if (!(await parts.identity.revokeKey(id, tenant)))
    throw new GatewayError(`Cannot revoke "${id}": there is no such key`, { code: "unknown-tool" });
  // Revoked first: a record that can not be written must not keep a stolen key alive. Asked again, it is written then.
  await record(parts, principal, actOfRevocation(id));
  return { id, revoked: true };
}

/** A key for whoever may see it: no hash, times as text. */
export function describeKey(row: KeyRow): KeySummary {
  const { id, tenant, tier, scopes, label, createdAtMs, expiresAtMs, revokedAtMs } = row;
  const instant = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    ...{ id, tenant, tier, scopes, label },
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: instant(expiresAtMs),
    revokedAt: instant(revokedAtMs),
  };
}

function tenantOf(principal: Principal, asked: string | undefined): string {
  requireScope(principal, "keys");
  if (asked === undefined || asked === principal.tenant) return principal.tenant;
  requireScope(principal, "operate");
  return asked;
}

function covers({ scopes }: Principal, scope: Scope): boolean {
  return scope.startsWith("invoke:")
    ? mayInvoke(scopes, scope.slice("invoke:".length))
    : scopes.includes(scope);
}

/** @throws {GatewayError} when the tenant is not listed, or has another tier there; another than one's own is `operate`'s */
function tierOf(identity: Identity, principal: Principal, tenant: string, asked: string | undefined): string {
  const listed = identity.listedTier(tenant);
  if (listed.kind === "unlisted") throw invalid("/tenant", "is not in the list of tenants");
  if (listed.kind === "listed") {
    if (asked !== undefined && asked !== listed.tier)
      throw invalid("/tier", "is not the one that the list of tenants has");
    return listed.tier;
  }
  if (asked !== undefined && asked !== principal.tier) requireScope(principal, "operate");
  return asked ?? principal.tier;
}

function invalid(pointer: string, detail: string): GatewayError {
  return new GatewayError(`Cannot issue a key: ${pointer} ${detail}`, {
    code: "invalid-request",
    errors: [{ pointer, detail }],
  });
}

function lacks(principal: Principal, scope: Scope | ScopeName, what: string): GatewayError {
  return new GatewayError(`Cannot ${what} scope "${scope}": principal "${principal.id}" does not have it`, {
    ...{ code: "insufficient-scope", scope, decision: "" },
  });
}

/** What is signed of a key that is issued: never the key, and no hash of it. */
export function actOfIssue(key: KeySummary): Pick<KeyAct, "kind" | "changes" | "before" | "after"> {
  const { id, tenant, tier, scopes } = key;
  return {
    kind: "issue-key",
    changes: [`key ${id} of tenant ${tenant}, tier ${tier}: ${scopes.join(", ")}`],
    before: digestState(null),
    after: digestState({ ...key }),
  };
}

/** What is signed of a key that is revoked. */
export function actOfRevocation(id: string): Pick<KeyAct, "kind" | "changes" | "before" | "after"> {
  return {
    kind: "revoke-key",
    changes: [`key ${id} is revoked`],
    before: digestState({ id, live: true }),
    after: digestState({ id, live: false }),
  };
}

async function record(
  { evidence, clock, entropy, versions }: KeyParts,
  principal: Principal,
  act: ReturnType<typeof actOfIssue>,
): Promise<void> {
  await evidence.act({
    action: newActionId(clock, entropy),
    actor: principal.id,
    ...act,
    runtime: versions,
    finished_at: new Date(clock.nowMs()).toISOString(),
  });
}
