/** Policies as the operator names them: files, and folders of files. Every fault is collected, none hides another. */
import { PolicyError, type PolicyFault, type PolicyRecord, readPolicy } from "../core/policy/index.ts";
import { decodeText, readInput, STDIN } from "./input.ts";
import { UsageError } from "./usage-error.ts";
import type { CliWorld } from "./world.ts";

/** What was read. */
export interface ReadPolicies {
  /** Files that were read, in order. */
  readonly sources: readonly string[];
  readonly records: readonly PolicyRecord[];
  readonly faults: readonly PolicyFault[];
}

/**
 * Reads policies.
 *
 * @param paths files, folders (whose `.yaml`, `.yml` and `.json` files are read but `tool.*`, not those below), or `-`
 * @throws {UsageError} when a path is missing, or a folder holds no policy
 */
export async function readPolicies(world: CliWorld, paths: readonly string[]): Promise<ReadPolicies> {
  const sources: string[] = [];
  const records: PolicyRecord[] = [];
  const faults: PolicyFault[] = [];
  for (const path of paths) sources.push(...(await expand(world, path)));
  for (const source of new Set(sources)) {
    const text = decodeText(await readInput(world, source, "policy"), source);
    try {
      records.push(readPolicy(text, source === STDIN ? "<stdin>" : source));
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      faults.push(...error.faults);
    }
  }
  return { sources, records, faults };
}

/** Reads one policy. @throws {PolicyError} with every fault */
export async function readOnePolicy(
  world: CliWorld,
  path: string,
): Promise<{ readonly record: PolicyRecord; readonly text: string }> {
  const text = decodeText(await readInput(world, path, "policy"), path);
  return { record: readPolicy(text, path), text };
}

/** The policies that stand in the folders of built tools, by the names of their files. */
export async function listToolPolicies(
  { runtime }: Pick<CliWorld, "runtime">,
  toolsFolder: string,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { name, isFolder } of await runtime.files.list(toolsFolder)) {
    const path = `${toolsFolder}/${name}/policy.yaml`;
    // A dot is in the names of what a crashed build left behind.
    if (isFolder && !name.includes(".") && (await runtime.files.mode(path)) !== undefined) found.push(path);
  }
  return found;
}

async function expand({ runtime }: CliWorld, path: string): Promise<readonly string[]> {
  if (path === STDIN) return [path];
  const folder = path.replace(/(?<=.)\/+$/, "");
  const entries = await runtime.files.list(folder);
  if (entries.length === 0) return [path];
  const names = entries.filter(
    // `tool.yaml` and `tool.json` describe the tool whose folder it is.
    ({ name, isFolder }) => !isFolder && /^(?!\.|tool\.).*\.(yaml|yml|json)$/.test(name),
  );
  if (names.length === 0) {
    throw new UsageError(
      `Cannot read policies in ${JSON.stringify(path)}: it holds no .yaml, .yml or .json file`,
    );
  }
  return names.map(({ name }) => `${folder}/${name}`);
}
