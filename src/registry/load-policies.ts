/** Policies from files: each is read whole or stops the start. */
import { describeFault, PolicyError, type PolicyRecord, readPolicy } from "../core/policy/index.ts";
import type { Files } from "../ports/index.ts";
import type { RegistryFault } from "./registry-error.ts";

/** Policies, and what was wrong with the others. */
export interface LoadedPolicies {
  readonly records: readonly PolicyRecord[];
  readonly faults: readonly RegistryFault[];
}

/**
 * Reads the given files.
 *
 * @param paths files that exist; one that is gone by now is a fault
 */
export async function loadPolicies(files: Files, paths: readonly string[]): Promise<LoadedPolicies> {
  const records: PolicyRecord[] = [];
  const faults: RegistryFault[] = [];
  for (const path of paths) {
    const bytes = await files.read(path);
    if (bytes === undefined) {
      faults.push({ source: path, detail: "can not be read: there is no such file" });
      continue;
    }
    try {
      records.push(readPolicy(new TextDecoder("utf-8", { fatal: true }).decode(bytes), path));
    } catch (error) {
      faults.push(...toFaults(error, path));
    }
  }
  return { records, faults };
}

/**
 * Names the policy files of a folder: `.yaml`, `.yml` and `.json`, not in folders below it. Other files are notes.
 *
 * @returns paths, sorted; empty when there is no such folder
 */
export async function listPolicyFiles(files: Files, folder: string): Promise<readonly string[]> {
  const entries = await files.list(folder);
  return entries
    .filter(({ name, isFolder }) => !isFolder && !name.startsWith(".") && /\.(yaml|yml|json)$/.test(name))
    .map(({ name }) => `${folder}/${name}`);
}

function toFaults(error: unknown, path: string): readonly RegistryFault[] {
  if (error instanceof PolicyError) {
    return error.faults.map((fault) => {
      const place = `${fault.source}:${fault.line}:${fault.column}`;
      return { source: place, detail: describeFault(fault).slice(place.length + 1) };
    });
  }
  // TextDecoder's only failure.
  if (error instanceof TypeError) return [{ source: path, detail: "is not UTF-8" }];
  throw error;
}
