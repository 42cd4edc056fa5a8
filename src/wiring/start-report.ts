/** What a start says of itself, line by line, on the way: what was read, what holds guests, what is not in force and why. */
import type { Mount, SecretProfile } from "../broker/index.ts";
import type { ServeConfig } from "../cli/index.ts";
import type { Access } from "../identity/index.ts";
import { describeVersion, type Registry } from "../registry/index.ts";
import type { House } from "./house.ts";
import { policiesWithoutMount, policiesWithoutProfile, profilesFileOf } from "./operator-files.ts";

type Say = (line: string) => void;

/** What the operator's files hold, and what of it waits for something that they do not. */
export function sayFiles(
  config: ServeConfig,
  registry: Registry,
  profiles: ReadonlyMap<string, SecretProfile>,
  mounts: ReadonlyMap<string, Mount>,
  say: Say,
): void {
  say(`tools      ${registry.tools.map(({ name }) => name).join(", ") || "none"}  (${config.toolsFolder})`);
  for (const { policy } of policiesWithoutProfile(registry, profiles)) {
    say(
      `suspended  ${policy.tool_id}: secret profile "${policy.secret_profile}" is not in ${profilesFileOf(config)}`,
    );
  }
  for (const [name, { digest, entries }] of mounts)
    say(`mount      ${name}  ${entries.size} entries, ${digest.slice(0, 19)}…`);
  for (const { policy } of policiesWithoutMount(registry, mounts))
    say(`suspended  ${policy.tool_id}: its policy mounts a folder that --mounts does not name`);
}

/** Who may ask, and what runs are held by. */
export async function sayHouse(
  config: ServeConfig,
  access: Access,
  house: Pick<House, "identity" | "sandbox">,
  say: Say,
): Promise<void> {
  if (access.tenants !== undefined) say(`tenants    ${[...access.tenants.keys()].join(", ") || "none"}`);
  for (const { name, keys } of await house.identity.warm())
    say(`issuer     ${name}, ${keys === 0 ? "which does not answer: its tokens wait" : `${keys} keys`}`);
  const { isolation } = house.sandbox;
  const by = isolation.system === "none" ? "" : ` by ${isolation.system}`;
  say(`sandbox    ${config.executors} executors of ${isolation.executor}, ${isolation.level}${by}`);
  for (const { system, why } of isolation.refused) say(`           without ${system}: ${why}`);
}

/** What of the folder is not in force, and why: an operator who changed a file must not wonder. */
export async function sayVersions(
  { store }: Pick<House, "store">,
  registry: Registry,
  say: Say,
): Promise<void> {
  for (const { state } of (await store.versions.states()).rows) {
    const tool = registry.find(state.tool);
    if (tool === undefined) continue;
    if (state.suspended !== undefined)
      say(`suspended  ${state.tool}: ${state.suspended.reason}; writ tools resume ${state.tool}`);
    const active = await store.versions.findVersion(state.tool, state.active);
    if (active === undefined || active.digest === describeVersion(tool, 0).digest) continue;
    say(
      `held       ${state.tool}: version ${state.active} is active, which is not what the folder has; writ tools versions ${state.tool}`,
    );
  }
}
