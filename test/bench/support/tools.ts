/** The sample tools, as the registry reads them. */
import { runtime } from "#runtime";
import { PROJECT_FOLDER, readOffer } from "../../../src/compose.ts";
import {
  findFunction,
  loadRegistry,
  type Registry,
  type Tool,
  type ToolFunction,
} from "../../../src/registry/index.ts";

/** Folder of the built sample tools. */
export const TOOLS_FOLDER = `${PROJECT_FOLDER}/.writ/tools`;

/** Loads them all. */
export async function loadTools(): Promise<Registry> {
  return loadRegistry({ files: runtime.files, toolsFolder: TOOLS_FOLDER, offer: await readOffer(runtime) });
}

/** A tool and one of its functions. @throws when there is none of that name */
export function pick(
  registry: Registry,
  tool: string,
  name: string,
): { readonly tool: Tool; readonly callee: ToolFunction } {
  const found = registry.find(tool);
  const callee = found && findFunction(found, name);
  if (found === undefined || callee === undefined)
    throw new Error(`Cannot find ${tool}/${name} in ${TOOLS_FOLDER}: build the sample tools first`);
  return { tool: found, callee };
}
