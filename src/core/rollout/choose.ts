/** Which version a run is given: a function of the state, the tenant and the run's id, so that anyone can check it later. */
import { sha256Bytes } from "../digest.ts";
import type { ToolState } from "./types.ts";

/** What a run is given. */
export type Choice =
  | { readonly kind: "serve"; readonly version: number; readonly canary: boolean }
  /** `reason`: what the operator gave, or `below-floor`. */
  | { readonly kind: "refuse"; readonly reason: string; readonly sinceMs: number };

const WHOLE = 10_000;
/** Whom a floor is of that is every tenant's; no tenant is named so. */
export const EVERYONE = "*";

/**
 * Chooses.
 *
 * A canary's share is cut by the run's id, not by the tenant: ids are random in their last ten characters, so the share
 * is fair with one tenant as with a thousand, and an id that stands in a manifest says by itself which side it was on.
 * Whoever wants a tenant to be on one side throughout names the tenant.
 *
 * @example
 * ```ts
 * const state = { tool: "hash", active: 2, activatedAtMs: 0, earlier: [1], floors: [] };
 * choose(state, { tenant: "acme", run: "run_1" }); // { kind: "serve", version: 2, canary: false }
 * ```
 */
export function choose(
  state: ToolState,
  { tenant, run }: { readonly tenant: string; readonly run: string },
): Choice {
  const { suspended, canary } = state;
  if (suspended !== undefined)
    return { kind: "refuse", reason: suspended.reason, sinceMs: suspended.sinceMs };
  const isCanary =
    canary !== undefined &&
    (canary.tenants.includes(tenant) || shareOf(canary.version, run) < canary.basisPoints);
  const version = isCanary ? canary.version : state.active;
  if (version < floorOf(state, tenant))
    return { kind: "refuse", reason: "below-floor", sinceMs: state.activatedAtMs };
  return { kind: "serve", version, canary: isCanary };
}

/** The oldest version that a tenant may be given; 0 = any. */
export function floorOf({ floors }: Pick<ToolState, "floors">, tenant: string): number {
  const own = floors.filter((floor) => floor.tenant === tenant || floor.tenant === EVERYONE);
  return Math.max(0, ...own.map(({ version }) => version));
}

/** Where a run stands between 0 and 9,999. The version is in it, so that not always the same runs go first. */
function shareOf(version: number, run: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256Bytes(new TextEncoder().encode(`${version} ${run}`));
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % WHOLE;
}
