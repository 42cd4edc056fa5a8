/**
 * Everything that the operator's files say of what runs may do and who may ask: read whole, or not at all. The same
 * reading serves the start and every reload.
 */
import { parseProfiles, profilesState, resolveProfiles, type SecretProfile } from "./broker/index.ts";
import type { ServeConfig } from "./cli/index.ts";
import { readProfiles } from "./compose.ts";
import type { ComponentDescription } from "./core/component/index.ts";
import { describeChanges, type JsonValue } from "./core/policy/index.ts";
import { DEMO_PROFILE } from "./demo/index.ts";
import { type Access, accessState, loadAccess } from "./identity/index.ts";
import type { Runtime } from "./ports/index.ts";
import { loadRegistry, type Registry, registryChanges, registryState } from "./registry/index.ts";

/** What the files say. */
export interface OperatorFiles {
  readonly registry: Registry;
  readonly profiles: ReadonlyMap<string, SecretProfile>;
  readonly access: Access;
}

/** Settings that say where the files are. */
export type FilePlaces = Pick<
  ServeConfig,
  "dataFolder" | "toolsFolder" | "policiesFolder" | "profilesFile" | "identityFile" | "demo"
>;

/** Where tenants and issuers are. */
export function identityFileOf({ dataFolder, identityFile }: FilePlaces): string {
  return identityFile ?? `${dataFolder}/identity.yaml`;
}

/** Where secret profiles are. */
export function profilesFileOf({ dataFolder, profilesFile }: FilePlaces): string {
  return profilesFile ?? `${dataFolder}/profiles.yaml`;
}

/** @throws whatever is wrong with any of them: its message has a line for each fault */
export async function loadOperatorFiles(
  runtime: Runtime,
  places: FilePlaces,
  offer: ComponentDescription,
): Promise<OperatorFiles> {
  const { toolsFolder, policiesFolder } = places;
  const registry = await loadRegistry({
    files: runtime.files,
    toolsFolder,
    ...(policiesFolder === undefined ? {} : { policiesFolder }),
    offer,
  });
  return {
    registry,
    profiles: await loadAllProfiles(runtime, places),
    access: await loadAccess(runtime.files, identityFileOf(places)),
  };
}

/** The operator's profiles, and the demo's where it is served. */
export async function loadAllProfiles(
  runtime: Runtime,
  places: FilePlaces,
): Promise<ReadonlyMap<string, SecretProfile>> {
  const profiles = await readProfiles(runtime, profilesFileOf(places));
  if (!places.demo) return profiles;
  const sample = await resolveProfiles(parseProfiles(DEMO_PROFILE, "the demo's profiles"), runtime);
  return new Map([...sample, ...profiles]);
}

/** What tells two states of the files apart without reading them. */
export async function stampFiles({ files }: Pick<Runtime, "files">, places: FilePlaces): Promise<string> {
  const { toolsFolder, policiesFolder } = places;
  const folders = (await files.list(toolsFolder))
    .filter(({ name, isFolder }) => isFolder && !name.includes("."))
    .map(({ name }) => `${toolsFolder}/${name}`);
  if (policiesFolder !== undefined) folders.push(policiesFolder);
  const paths = [identityFileOf(places), profilesFileOf(places)];
  for (const folder of folders)
    for (const { name, isFolder } of await files.list(folder)) if (!isFolder) paths.push(`${folder}/${name}`);
  const stamps = await Promise.all(paths.map(async (path) => `${path} ${await files.stamp(path)}`));
  return stamps.join("\n");
}

/** What makes two readings differ; no secret. */
export function stateOf({ registry, profiles, access }: OperatorFiles): JsonValue {
  return {
    tools: registryState(registry),
    profiles: profilesState(profiles),
    access: accessState(access),
  };
}

/** @returns a sentence for each change; none when both say the same */
export function changesBetween(before: OperatorFiles, after: OperatorFiles): readonly string[] {
  return [
    ...registryChanges(before.registry, after.registry),
    ...describeChanges(profilesState(before.profiles), profilesState(after.profiles), "profiles"),
    ...describeChanges(accessState(before.access), accessState(after.access), "identity"),
  ];
}
