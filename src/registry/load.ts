/**
 * Loading: folders of built tools and files of policies become one registry that never changes, or one error that
 * lists everything wrong with them. A gateway starts with all of it or not at all.
 */
import type { ComponentDescription } from "../core/component/index.ts";
import { GatewayError } from "../core/errors.ts";
import { checkPolicySet, type PolicyRecord } from "../core/policy/index.ts";
import type { Files } from "../ports/index.ts";
import { assembleTool, withPolicies } from "./assemble.ts";
import { admitComponent, inspectComponent } from "./intake.ts";
import { listPolicyFiles, loadPolicies } from "./load-policies.ts";
import { createRegistry, type Registry, type Tool } from "./registry.ts";
import { RegistryError, type RegistryFault } from "./registry-error.ts";
import { readToolFile, TOOL_NAME, type ToolFile } from "./tool-file.ts";

/** Where tools and policies are. */
export interface LoadOptions {
  readonly files: Files;
  /** Folder of tool folders: `<folder>/<name>/tool.json`. */
  readonly toolsFolder: string;
  /** Folder of more policy files; default: none. */
  readonly policiesFolder?: string;
  /** Description of the component that imports everything this host offers: `decode` of `wit/offer.wasm`. */
  readonly offer: ComponentDescription;
}

/**
 * Loads every tool and every policy.
 *
 * @throws {RegistryError} with every fault of every file
 */
export async function loadRegistry(options: LoadOptions): Promise<Registry> {
  const { files, toolsFolder, policiesFolder, offer } = options;
  const names = (await files.list(toolsFolder))
    // No tool has a dot in its name; what a crashed build left behind (`hash.<id>.new`) has.
    .filter(({ name, isFolder }) => isFolder && !name.includes("."))
    .map(({ name }) => name);

  const tools: LoadedTool[] = [];
  const faults: RegistryFault[] = [];
  for (const name of names) {
    const loaded = await loadTool(files, toolsFolder, name, offer);
    if ("tool" in loaded) tools.push(loaded);
    else faults.push(...loaded.faults);
  }

  const own = names.map((name) => `${toolsFolder}/${name}/policy.yaml`);
  const present = await Promise.all(own.map(async (path) => (await files.mode(path)) !== undefined));
  const more = policiesFolder === undefined ? [] : await listPolicyFiles(files, policiesFolder);
  const policies = await loadPolicies(files, [...own.filter((_, index) => present[index]), ...more]);
  faults.push(
    ...policies.faults,
    ...(await placed(files, checkAgainstTools(policies.records, tools, names))),
  );
  if (faults.length > 0) throw new RegistryError(faults);

  return createRegistry(tools.map(({ tool }) => withPolicies(tool, policies.records)));
}

/**
 * A registry of one component that nobody has installed: what `writ run` needs.
 *
 * @param options `name`: what its policies call it in `tool_id`
 * @throws {GatewayError} `component-refused`
 * @throws {RegistryError} when a policy does not fit the component
 */
export async function registryOfOne(options: {
  readonly name: string;
  readonly component: Uint8Array<ArrayBuffer>;
  readonly policies: readonly PolicyRecord[];
  readonly offer: ComponentDescription;
}): Promise<Registry> {
  const { name, component, policies, offer } = options;
  const intake = await inspectComponent(component, offer);
  const file: ToolFile = {
    name,
    description: "",
    component: "",
    digest: `sha256:${intake.digest}`,
    functions: new Map(),
  };
  const tool = assembleTool(file, intake, admitComponent(intake, component), []);
  const faults = checkAgainstTools(policies, [{ tool }], [name]);
  if (faults.length > 0) throw new RegistryError(faults);
  return createRegistry([withPolicies(tool, policies)]);
}

/** A tool without its policies, which are known last. */
interface LoadedTool {
  readonly tool: Omit<Tool, "policies">;
}

async function loadTool(
  files: Files,
  toolsFolder: string,
  name: string,
  offer: ComponentDescription,
): Promise<LoadedTool | { readonly faults: readonly RegistryFault[] }> {
  const source = `${toolsFolder}/${name}/tool.json`;
  const fault = (detail: string, at = source) => ({ faults: [{ source: at, detail }] });
  if (!TOOL_NAME.test(name))
    return fault(`names no tool: the folder's name has to match ${TOOL_NAME.source}`);

  const text = await files.read(source);
  if (text === undefined) return fault("is missing: every folder of a tool has one");
  const file = readToolFile(text, source);
  if (!("component" in file)) return { faults: file };
  if (file.name !== name) return fault(`/name is "${file.name}" in the folder "${name}", wanted the same`);

  const path = `${toolsFolder}/${name}/${file.component}`;
  const bytes = await files.read(path);
  if (bytes === undefined) return fault("is missing: tool.json names it as the component", path);
  try {
    const intake = await inspectComponent(bytes, offer);
    const digest = `sha256:${intake.digest}`;
    if (digest !== file.digest) return fault(`has digest ${digest}, tool.json says ${file.digest}`, path);
    const unknown = [...file.functions.keys()].filter(
      (key) => !intake.functions.some((it) => it.key === key),
    );
    if (unknown.length > 0)
      return fault(`/functions describes ${quoted(unknown)}, which the component does not export`);
    return { tool: assembleTool(file, intake, admitComponent(intake, bytes), []) };
  } catch (error) {
    if (error instanceof GatewayError) return fault(error.message, path);
    throw error;
  }
}

/** Names the line of each fault: the first that holds what the fault quotes. */
async function placed(files: Files, faults: readonly StrayFault[]): Promise<readonly RegistryFault[]> {
  return Promise.all(
    faults.map(async ({ source, detail, quotes }) => {
      const lines = new TextDecoder().decode(await files.read(source)).split("\n");
      const index = quotes === undefined ? -1 : lines.findIndex((line) => line.includes(quotes));
      return { source: index < 0 ? source : `${source}:${index + 1}`, detail };
    }),
  );
}

/** A fault of a policy that is right by itself, and a text of its file that the fault is about. */
interface StrayFault extends RegistryFault {
  readonly quotes?: string;
}

/** A policy that can never apply is a mistake that its author should hear of. */
function checkAgainstTools(
  records: readonly PolicyRecord[],
  tools: readonly LoadedTool[],
  names: readonly string[],
): readonly StrayFault[] {
  const overlaps = checkPolicySet(records).map(({ second, detail }) => ({
    source: second.source,
    detail,
    quotes: "tenant_tier",
  }));
  const strays = records.flatMap(({ policy, source }): StrayFault[] => {
    const loaded = tools.find(({ tool }) => tool.name === policy.tool_id);
    if (loaded === undefined) {
      // A tool that is there and broken has its own fault already.
      if (names.includes(policy.tool_id)) return [];
      return [
        { source, detail: `/tool_id is "${policy.tool_id}", and there is no such tool`, quotes: "tool_id" },
      ];
    }
    const known = loaded.tool.functions.map(({ key }) => key);
    const unknown = Object.keys(policy.functions).filter((key) => !known.includes(key));
    if (unknown.length === 0) return [];
    const has = known.length === 0 ? "exports nothing that can be called with JSON" : `has ${quoted(known)}`;
    const detail = `/functions names ${quoted(unknown)}; ${policy.tool_id} ${has}`;
    return [{ source, detail, ...(unknown[0] === undefined ? {} : { quotes: unknown[0] }) }];
  });
  return [...overlaps, ...strays];
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
