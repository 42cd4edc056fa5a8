/** The registry of what is in force: of each tool the versions that its state names, and the choice between them. */
import { GatewayError } from "../core/errors.ts";
import { choose, type ToolState } from "../core/rollout/index.ts";
import type { Registry, Tool } from "./registry.ts";
import type { Suspensions } from "./suspensions.ts";

/** One tool: its state, and the versions of it that runs can be given. */
export interface ToolInForce {
  readonly state: ToolState;
  /** By number. One that its state names and that is not here can not be run by this gateway. */
  readonly versions: ReadonlyMap<number, Tool>;
  /** Shown to callers while the active version can not be run. */
  readonly offered: Tool;
}

/** @param suspensions the live ones: a registry that was taken before a suspension still hears of it */
export function createRegistryInForce(tools: readonly ToolInForce[], suspensions: Suspensions): Registry {
  const byName = new Map(tools.map((tool) => [tool.offered.name, tool]));
  const shown = (tool: ToolInForce) => tool.versions.get(tool.state.active) ?? tool.offered;
  const sorted = [...byName.values()].map(shown).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return Object.freeze({
    tools: Object.freeze(sorted),
    find(name: string) {
      const tool = byName.get(name);
      return tool && shown(tool);
    },
    choose(name: string, run: { readonly tenant: string; readonly run: string }) {
      const tool = byName.get(name);
      if (tool === undefined) return undefined;
      const choice = choose(tool.state, run);
      if (choice.kind === "refuse") throw suspended(name, choice.reason, choice.sinceMs);
      const version = tool.versions.get(choice.version);
      if (version === undefined) throw suspended(name, UNREADABLE, tool.state.activatedAtMs);
      return version;
    },
    onSuspended: (name: string, revoke: (reason: string) => void) => suspensions.on(name, revoke),
  });
}

/** Reason of a tool whose version in force this gateway can not restore. */
export const UNREADABLE = "version-unreadable";

function suspended(tool: string, reason: string, sinceMs: number): GatewayError {
  const since = new Date(sinceMs).toISOString();
  return new GatewayError(`Cannot run "${tool}": it is suspended since ${since}, ${reason}`, {
    code: "tool-suspended",
    reason,
    since,
  });
}
