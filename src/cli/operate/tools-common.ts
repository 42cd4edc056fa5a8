/** What the commands about tools share: the way to them, and a tool's state in words. */
import type { ToolState } from "../../core/rollout/index.ts";
import { loadConfig } from "../config.ts";
import { printable } from "../output.ts";
import type { CliWorld, Tools } from "../world.ts";

/** Flags that every command about tools has. */
export interface ToolFlags {
  readonly data?: string;
  readonly json?: boolean;
}

/** Opens the tools of the data folder that is meant, and closes them. */
export async function withTools<T>(
  world: CliWorld,
  flags: ToolFlags,
  use: (tools: Tools) => Promise<T>,
): Promise<T> {
  const { config } = await loadConfig(world, { dataFolder: flags.data });
  const opened = await world.openTools(config);
  try {
    return await use(opened);
  } finally {
    await opened.close();
  }
}

/** A tool's state in a line. */
export function inWords({ tool, active, canary, suspended, floors }: ToolState): string {
  const tenants =
    canary === undefined || canary.tenants.length === 0 ? "" : ` and ${canary.tenants.join(", ")}`;
  const parts = [
    `${tool}: version ${active} is active`,
    ...(canary === undefined
      ? []
      : [`version ${canary.version} for ${canary.basisPoints / 100} % of runs${tenants}`]),
    ...floors.map(({ tenant, version }) => `floor ${version} for ${tenant === "*" ? "everyone" : tenant}`),
    ...(suspended === undefined
      ? []
      : [`suspended since ${new Date(suspended.sinceMs).toISOString()}, ${suspended.reason}`]),
  ];
  return printable(parts.join("; "));
}
