/** From what a decision grants to what a guest reads by itself. Pure. */
import { type Grant, rootsOf } from "../core/policy/index.ts";
import type { GuestSettings } from "../ports/index.ts";

/**
 * @param grants of the run's decision
 * @param tool the program's name, for those that are given arguments
 * @returns what is granted and nothing else: a capability without a grant reads as empty
 */
export function guestSettings(grants: readonly Grant[], tool: string): GuestSettings {
  let settings: GuestSettings = { environment: [], arguments: [], config: [], roots: [] };
  for (const grant of grants) {
    if (grant.kind === "environment") {
      const environment = Object.entries(grant.variables ?? {});
      const given = grant.arguments === undefined ? [] : [tool, ...grant.arguments];
      settings = { ...settings, environment, arguments: given };
    }
    if (grant.kind === "filesystem") {
      const roots = rootsOf(grant).map((root) => ({
        path: root.path,
        kind: root.kind,
        bytes: root.kind === "mount" ? 0 : root.bytes,
      }));
      settings = { ...settings, roots };
    }
    if (grant.kind === "config") settings = { ...settings, config: Object.entries(grant.values) };
  }
  return settings;
}
