/** What a command makes of a tool's state. Pure: whoever stores the result sees to it that nobody else changed it. */
import { EVERYONE, floorOf } from "./choose.ts";
import type { Floor, ToolCommand, ToolState } from "./types.ts";

/** The next state, or why there is none. */
export type Commanded =
  | { readonly kind: "changed"; readonly next: ToolState }
  /** It is so already: nothing is to be done. */
  | { readonly kind: "unchanged" }
  /** A sentence for the operator, that ends in what to do. */
  | { readonly kind: "refused"; readonly why: string };

/** How many earlier versions are remembered for rolling back. */
const MOST_EARLIER = 20;

/** The state of a tool that is seen for the first time. */
export function firstState(tool: string, version: number, atMs: number): ToolState {
  const folders = { count: 1, versions: [version] };
  return { tool, active: version, activatedAtMs: atMs, earlier: [], floors: [], folders };
}

/**
 * Applies a command.
 *
 * @param newest the highest version number that the tool has
 * @param atMs when it was given
 */
export function command(state: ToolState, asked: ToolCommand, newest: number, atMs: number): Commanded {
  switch (asked.kind) {
    case "activate":
      return activate(state, asked.version, newest, atMs);
    case "canary":
      return beginCanary(state, asked, newest, atMs);
    case "rollback":
      return rollBack(state, atMs);
    case "suspend":
      return suspend(state, asked.reason, atMs);
    case "resume":
      return state.suspended === undefined ? { kind: "unchanged" } : changed(without(state, "suspended"));
    case "floor":
      return setFloor(state, asked, newest);
  }
}

function activate(state: ToolState, version: number, newest: number, atMs: number): Commanded {
  const unknown = requireVersion(version, newest);
  if (unknown !== undefined) return unknown;
  if (version === state.active && state.canary === undefined) return { kind: "unchanged" };
  const earlier =
    version === state.active
      ? state.earlier
      : [...state.earlier.filter((one) => one !== version && one !== state.active), state.active];
  return changed({
    ...without(without(state, "canary"), "wentBack"),
    active: version,
    activatedAtMs: version === state.active ? state.activatedAtMs : atMs,
    earlier: earlier.slice(-MOST_EARLIER),
  });
}

function beginCanary(
  state: ToolState,
  { version, basisPoints, tenants }: ToolCommand & { readonly kind: "canary" },
  newest: number,
  atMs: number,
): Commanded {
  const unknown = requireVersion(version, newest);
  if (unknown !== undefined) return unknown;
  if (version === state.active)
    return refused(`version ${version} is active already; name another one for the canary`);
  if (basisPoints === 0 && tenants.length === 0)
    return refused("a canary needs a share of the runs or tenants; end one with rollback");
  return changed({
    ...state,
    canary: { version, basisPoints, tenants: [...new Set(tenants)], sinceMs: atMs },
  });
}

function rollBack(state: ToolState, atMs: number): Commanded {
  if (state.canary !== undefined) return changed(without(state, "canary"));
  const active = rollbackTarget(state);
  if (active === undefined) {
    const why =
      state.earlier.length === 0
        ? `version ${state.active} is the only one that was ever active`
        : `every version that was active before is below the floor of everyone, ${floorOf(state, EVERYONE)}`;
    return refused(`${why}; suspend the tool, or activate another version`);
  }
  const earlier = state.earlier.slice(0, state.earlier.lastIndexOf(active));
  return changed({ ...state, active, activatedAtMs: atMs, earlier, wentBack: true });
}

/** Where rolling back leads: to no version that nobody could be given. Undefined = nowhere. */
export function rollbackTarget(state: ToolState): number | undefined {
  return state.earlier.findLast((version) => version >= floorOf(state, EVERYONE));
}

/** Suspending again changes the reason only: since when stays. */
function suspend(state: ToolState, reason: string, atMs: number): Commanded {
  if (state.suspended?.reason === reason) return { kind: "unchanged" };
  return changed({ ...state, suspended: { reason, sinceMs: state.suspended?.sinceMs ?? atMs } });
}

function setFloor(state: ToolState, { tenant, version }: Floor, newest: number): Commanded {
  if (version !== 0) {
    const unknown = requireVersion(version, newest);
    if (unknown !== undefined) return unknown;
  }
  const now = state.floors.find((floor) => floor.tenant === tenant)?.version ?? 0;
  if (now === version) return { kind: "unchanged" };
  const others = state.floors.filter((floor) => floor.tenant !== tenant);
  return changed({ ...state, floors: version === 0 ? others : [...others, { tenant, version }] });
}

function requireVersion(version: number, newest: number): Commanded | undefined {
  if (version >= 1 && version <= newest) return undefined;
  return refused(`there is no version ${version}; the newest is ${newest}`);
}

function without(state: ToolState, name: "canary" | "suspended" | "wentBack"): ToolState {
  const { [name]: _, ...rest } = state;
  return rest;
}

function changed(next: ToolState): Commanded {
  return { kind: "changed", next };
}

function refused(why: string): Commanded {
  return { kind: "refused", why };
}
