/** The component of a journal: the very bytes that ran, from a file or from the tools folder. */
import type { JournalHead } from "../../core/journal/index.ts";
import type { ReplayedTool } from "../../gateway/index.ts";
import { admitComponent } from "../../registry/index.ts";
import { openComponent } from "../components/component-file.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";

/**
 * Finds the component that a journal is of.
 *
 * @param path of its binary; default: the built tool of that name
 * @throws {UsageError} when what is there are not the bytes that ran, or do not have the function
 */
export async function findReplayedTool(
  world: CliWorld,
  head: Pick<JournalHead, "tool" | "function" | "artifactHash">,
  toolsFolder: string,
  path: string = `${toolsFolder}/${head.tool}/${head.tool}.wasm`,
): Promise<ReplayedTool> {
  const { bytes, intake } = await openComponent(world, path);
  const digest = `sha256:${intake.digest}`;
  if (digest !== head.artifactHash) {
    throw new UsageError(`Cannot replay with ${JSON.stringify(path)}: it is not the component that ran`, [
      `it is   ${digest}`,
      `wanted  ${head.artifactHash}; name its file with --component`,
    ]);
  }
  const callee = intake.functions.find(({ key }) => key === head.function);
  if (callee === undefined)
    throw new UsageError(`Cannot replay: the component has no function ${JSON.stringify(head.function)}`);
  return { component: admitComponent(intake, bytes), callee };
}
